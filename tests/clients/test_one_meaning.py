"""One request means the same in every dialect: text, limits of length, and what is told to be ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from dialects import CHATS, MODEL, NATIVE, RAW, Dialect, Json
from studio_process import StudioProcess

PROMPT = "The old lighthouse keeper opened the door and"
CHAT = [
    {"role": "user", "content": "Name an animal."},
    {"role": "assistant", "content": "A fox."},
    {"role": "user", "content": "Tell me a short story about it."},
]
GREEDY = {"temperature": 0.0, "max_tokens": 40}
SEEDED = {
    "temperature": 1.1,
    "top_k": 50,
    "top_p": 0.9,
    "min_p": 0.02,
    "typical_p": 0.95,
    "top_n_sigma": 1.5,
    "xtc_probability": 0.4,
    "xtc_threshold": 0.15,
    "repetition_penalty": 1.15,
    "repetition_window": 48,
    "presence_penalty": 0.2,
    "frequency_penalty": 0.1,
    "dry_multiplier": 0.6,
    "seed": 20261122,
    "max_tokens": 40,
}
SAMPLINGS = pytest.mark.parametrize(
    ("sampling", "stream"), [(GREEDY, False), (SEEDED, True)], ids=["greedy", "seeded"]
)
EACH_RAW = pytest.mark.parametrize("dialect", RAW, ids=str)
EACH_CHAT = pytest.mark.parametrize("dialect", CHATS, ids=str)
EACH = pytest.mark.parametrize("dialect", [*RAW, *CHATS], ids=lambda one: f"{one}{one.path}")

Write = Callable[..., str]


@pytest.fixture(scope="module")
def fresh(studio: StudioProcess) -> Write:
    """Writes with an engine that has just been loaded: nothing is kept of what was asked before."""
    known: dict[str, str] = {}

    def write(dialect: Dialect, given: Any, sampling: Json, *, stream: bool = False) -> str:
        key = f"{dialect} {given} {sampling}"
        if dialect is not NATIVE or key not in known:
            studio.client.post(f"/models/{MODEL}/unload", status=204)
            known[key] = dialect.write(studio.address, given, sampling, stream=stream)
        return known[key]

    return write


def given_to(dialect: Dialect, text: str = PROMPT) -> Any:
    """A text for those that take one, messages for the others."""
    return text if dialect in RAW else [{"role": "user", "content": text}]


# ── texts ───────────────────────────────────────────────────────────────────────────────────────────────


@SAMPLINGS
@EACH_RAW
def test_a_text_goes_on_alike_everywhere(
    fresh: Write, dialect: Dialect, sampling: Json, stream: bool
) -> None:
    ours = fresh(NATIVE, PROMPT, sampling)
    assert len(ours) > 40
    assert fresh(dialect, PROMPT, sampling, stream=stream) == ours


@SAMPLINGS
@EACH_CHAT
def test_a_chat_is_answered_alike_everywhere(
    fresh: Write, dialect: Dialect, sampling: Json, stream: bool
) -> None:
    ours = fresh(NATIVE, CHAT, sampling)
    assert len(ours) > 40
    assert fresh(dialect, CHAT, sampling, stream=stream) == ours


@EACH
def test_a_stop_string_cuts_the_same_text_everywhere(fresh: Write, dialect: Dialect) -> None:
    given = PROMPT if dialect in RAW else CHAT
    whole = fresh(NATIVE, given, GREEDY)
    stop = whole[24:30]
    text = fresh(dialect, given, GREEDY | {"stop": [stop]}, stream=True)
    assert text == whole[: whole.index(stop)]


# ── prompts that are too long ───────────────────────────────────────────────────────────────────────────

LONG = "word " * 1500  # the studio's context is 1,024 tokens
SHORT = {"temperature": 0.0, "max_tokens": 4}
REFUSING = [each for each in (*RAW, *CHATS) if each.name != "kobold"]


@pytest.mark.parametrize("dialect", REFUSING, ids=lambda one: f"{one}{one.path}")
@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_is_too_long_is_refused_with_the_numbers(
    studio: StudioProcess, dialect: Dialect, stream: bool
) -> None:
    answer = dialect.post(studio.address, dialect.asked(given_to(dialect, LONG), GREEDY), stream=stream)
    assert answer.status_code == 400
    assert "1,024" in answer.text
    assert "1,5" in answer.text


CUTTING: list[tuple[str, Json]] = [
    ("textgen/v1/completions", {"truncation_length": 256}),
    ("ollama/api/generate", {"truncate": True}),
    ("ollama/api/chat", {"truncate": True}),
    ("kobold/api/v1/generate", {}),
    ("kobold/api/v1/generate", {"max_context_length": 256}),
]
"""The dialects with a documented field for it; KoboldAI's always cuts."""


@pytest.mark.parametrize(("name", "field"), CUTTING, ids=str)
@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_is_cut_only_where_a_field_asks_for_it_and_that_is_told(
    studio: StudioProcess, name: str, field: Json, stream: bool
) -> None:
    (dialect,) = [each for each in (*RAW, *CHATS) if str(each) + each.path == name]
    messages = [{"role": "user", "content": "word " * 400} for _ in range(4)]
    given = LONG if dialect in RAW else messages
    answer = dialect.post(studio.address, dialect.asked(given, SHORT, **field), stream=stream)
    assert answer.status_code == 200, answer.text
    told = dialect.facts(answer)
    assert told.get("cut_tokens") or told.get("cut_messages"), told


# ── what is ignored ─────────────────────────────────────────────────────────────────────────────────────


@EACH
@pytest.mark.parametrize("stream", [False, True])
def test_what_nobody_understood_is_told(studio: StudioProcess, dialect: Dialect, stream: bool) -> None:
    asked = dialect.asked(given_to(dialect), {"max_tokens": 2}, wibble=1)
    answer = dialect.post(studio.address, asked, stream=stream)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-fabula-ignored"] == "wibble"
    assert dialect.facts(answer)["ignored"] == ["wibble"]


@EACH
def test_what_has_effect_is_told_too(studio: StudioProcess, dialect: Dialect) -> None:
    answer = dialect.post(studio.address, dialect.asked(given_to(dialect), SEEDED | {"max_tokens": 2}))
    told = dialect.facts(answer)
    effective = {name: told["effective"][name] for name in SEEDED if name != "max_tokens"}
    assert effective == {name: value for name, value in SEEDED.items() if name != "max_tokens"}
    assert told["ignored"] == []
