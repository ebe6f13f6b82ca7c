"""Banned texts through a whole studio with the real engine: dialects, chats, presets, reasoning."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai import OpenAI
from studio_process import StudioProcess, home_with
from talking import text_of

MODEL = "smollm2"
BANNED = [" the", " a", " of", " and", " was", " in", "fox"]
SAMPLING = {"max_tokens": 40, "seed": 3, "banned_strings": BANNED}
ASK = [{"role": "user", "content": "Tell me a short story about a fox."}]


@pytest.fixture(scope="module")
def studio(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    studio = StudioProcess(home_with(tmp_path_factory.mktemp("home") / "home", starter_model))
    studio.client.post(f"/models/{MODEL}/load")
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def client(studio: StudioProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{studio.address}/v1", api_key="none", max_retries=0, timeout=120) as client:
        yield client


def left_in(text: str) -> list[str]:
    return [banned for banned in BANNED if banned in text.casefold()]


def test_several_choices_at_once_have_none_of_them(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=ASK, n=3, max_tokens=32, seed=1, extra_body={"banned_strings": BANNED}
    )
    texts = [choice.message.content or "" for choice in answer.choices]
    assert not [left_in(text) for text in texts if left_in(text)]
    told = answer.model_extra["fabula"]["bans"]  # type: ignore[index]
    assert [bans["unavoided"] for bans in told] == [[], [], []]
    assert answer.usage
    assert answer.usage.completion_tokens <= 3 * 32  # what was thrown away is not among them


def test_what_was_shown_only_grows_and_is_what_is_stored(studio: StudioProcess) -> None:
    chat = studio.client.new_chat(model=MODEL, sampling=SAMPLING)
    shown = text_of(chat.say("Tell me a story."))
    message = chat.messages[-1]
    assert message["text"] == shown
    assert not left_in(shown)
    assert message["facts"]["bans"]["rewrites"] > 0
    assert message["facts"]["effective"]["banned_strings"] == BANNED


def test_a_preset_may_carry_the_list(studio: StudioProcess, client: OpenAI) -> None:
    studio.client.post("/presets", {"name": "plain", "sampling": {"banned_strings": BANNED}}, 201)
    answer = client.chat.completions.create(
        model=MODEL, messages=ASK, max_tokens=24, seed=5, extra_body={"preset": "plain"}
    )
    assert not left_in(answer.choices[0].message.content or "")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"response_format": {"type": "json_object"}, "load": {"exact": "never"}}, "bans_with_form"),
        ({"banned_regexes": ["["]}, "bad_parameter"),
    ],
)
def test_what_cannot_be_done_is_refused(client: OpenAI, more: dict[str, object], code: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(
            model=MODEL, messages=ASK, max_tokens=8, extra_body={"banned_strings": BANNED, **more}
        )
    assert refused.value.code == code
