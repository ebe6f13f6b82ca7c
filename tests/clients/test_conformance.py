"""The npm clients and LiteLLM, each through every dialect it speaks: they all get the same from one studio.

The Python clients `openai`, `anthropic` and `ollama` have files of their own in tests/engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from driving import Driver, Refused, driver
from scripted_studio import CALL, WEATHER, Scripted
from studio_process import StudioProcess
from waiting import until

from fabula.engine.scripted import Reply

FOX = [{"role": "user", "content": "Tell me a short story about a fox."}]
HELLO = [{"role": "user", "content": "Hello"}]
FORM = {
    "type": "object",
    "properties": {"animal": {"enum": ["fox", "cat"]}, "legs": {"enum": [2, 4]}},
    "required": ["animal", "legs"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Way:
    """A client's way to the studio: which driver, what stands before the model's name, which dialect it
    speaks and what that calls an end by the limit, by itself and with a tool."""

    driver: str
    dialect: str
    prefix: str = ""
    length: str = "length"
    stop: str = "stop"
    tools: str = "tool_calls"

    def __str__(self) -> str:
        return f"{self.driver} {self.prefix}".strip()


LITELLM = "through_litellm.py"
WAYS = (
    Way("openai.mjs", "openai"),
    Way("ai_sdk.mjs", "openai", tools="tool-calls"),
    Way("ollama.mjs", "ollama", tools="stop"),
    Way("anthropic.mjs", "anthropic", length="max_tokens", stop="end_turn", tools="tool_use"),
    Way(LITELLM, "openai", "openai/"),
    # LiteLLM makes a prompt of its own of these messages, and calls every end "stop".
    Way(LITELLM, "ollama", "ollama/", length="stop"),
    Way(LITELLM, "ollama", "ollama_chat/"),
    Way(LITELLM, "anthropic", "anthropic/"),
)


@pytest.fixture(scope="module")
def drivers() -> Iterator[Callable[[str], Driver]]:
    """Each client starts once, when it is first asked."""
    running: dict[str, Driver] = {}

    def get(name: str) -> Driver:
        if name not in running:
            running[name] = driver(name)
        return running[name]

    yield get
    for each in running.values():
        each.close()


Ask = Callable[..., Any]


@pytest.fixture
def ask(way: Way, drivers: Callable[[str], Driver], studio: StudioProcess) -> Ask:
    """The real engine, by the client's own words."""
    common = {"base": studio.address, "model": f"{way.prefix}smollm2", "max_tokens": 24, "temperature": 0}
    return lambda act, **asked: drivers(way.driver).call(act, **(common | asked))


@pytest.fixture
def play(way: Way, drivers: Callable[[str], Driver], scripted: Scripted) -> Ask:
    """The scripted model, by the client's own words."""
    common = {"base": scripted.address, "model": f"{way.prefix}tiny", "max_tokens": 64, "messages": HELLO}
    return lambda act, **asked: drivers(way.driver).call(act, **(common | asked))


def ways(*without: str) -> pytest.MarkDecorator:
    """All ways but those whose dialect or prefix is named."""
    chosen = [way for way in WAYS if not {way.dialect, way.prefix} & set(without)]
    return pytest.mark.parametrize("way", chosen, ids=str)


# ── chat ────────────────────────────────────────────────────────────────────────────────────────────────


@ways()
def test_a_chat_is_answered_and_streamed_alike(way: Way, ask: Ask) -> None:
    whole = ask("chat", messages=FOX)
    assert (whole["reason"], whole["completion_tokens"]) == (way.length, 24)
    assert (len(whole["text"]) > 20, whole["prompt_tokens"] > 20) == (True, True)
    streamed = ask("stream", messages=FOX)
    assert streamed.pop("pieces") > 5
    assert streamed == whole


@ways()
def test_a_seed_fixes_the_text(way: Way, ask: Ask) -> None:
    texts = [ask("chat", messages=FOX, temperature=1.0, seed=seed)["text"] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


@ways()
def test_a_model_that_ends_by_itself_stops(way: Way, ask: Ask) -> None:
    answer = ask("chat", messages=[{"role": "user", "content": "Say only: OK."}], max_tokens=200)
    assert (answer["reason"], answer["completion_tokens"] < 200) == (way.stop, True)
    assert "<|im_end|>" not in answer["text"]


@ways()
def test_a_stop_string_ends_the_text_and_is_not_in_it(way: Way, ask: Ask) -> None:
    plain = ask("chat", messages=FOX)["text"]
    stop = plain[20:27]
    for act in ("chat", "stream"):
        assert ask(act, messages=FOX, stop=[stop])["text"].rstrip() == plain[: plain.index(stop)].rstrip()


@ways()
def test_a_system_message_is_heard(way: Way, play: Ask, scripted: Scripted) -> None:
    scripted.says = lambda prompt, sampling: f"{prompt.pieces[0]!r}"
    told = play("chat", messages=[{"role": "system", "content": "Be brief."}, *HELLO])["text"]
    assert 0 < told.index("Be brief.") < told.index("Hello")
    assert ("[system]Be brief." in told) is (way.prefix != "ollama/")


@ways()
def test_thoughts_stand_beside_the_text(way: Way, play: Ask, scripted: Scripted) -> None:
    scripted.says = "<think>\nA greeting.\n</think>\n\nHello!"
    for act in ("chat", "stream"):
        answer = play(act)
        assert (answer["thought"].strip(), answer["text"].strip()) == ("A greeting.", "Hello!")


# ── forms and tools ─────────────────────────────────────────────────────────────────────────────────────


@ways("ollama/")
def test_a_schema_is_kept_to(way: Way, ask: Ask) -> None:
    answer = ask("chat", messages=FOX, schema=FORM, max_tokens=60)
    form = json.loads(answer["text"])
    assert (form["animal"] in ("fox", "cat"), form["legs"] in (2, 4), len(form)) == (True, True, 2)


@ways("ollama")  # which cannot say that a tool has to be called
def test_a_tool_that_must_be_called_is_called(way: Way, ask: Ask) -> None:
    for act in ("chat", "stream"):
        answer = ask(act, messages=FOX, tools=[WEATHER], must=True, max_tokens=120)
        (call,) = answer["calls"]
        assert (call["name"], list(call["arguments"])) == ("get_weather", ["city"])


@ways("ollama/")  # LiteLLM describes tools in the prompt there
def test_a_call_comes_with_its_arguments(way: Way, play: Ask, scripted: Scripted) -> None:
    scripted.says = CALL
    for act in ("chat", "stream"):
        answer = play(act, tools=[WEATHER])
        assert answer["calls"] == [{"name": "get_weather", "arguments": {"city": "台北"}}]


# ── errors, time limits, leaving ────────────────────────────────────────────────────────────────────────


@ways()
def test_an_unknown_model_is_refused(way: Way, play: Ask) -> None:
    for act in ("chat", "stream"):
        with pytest.raises(Refused) as refusal:
            play(act, model=f"{way.prefix}nobody")
        assert refusal.value.status in (404, None), f"{refusal.value}"
        assert "nobody" in refusal.value.message


@ways()
def test_a_prompt_that_is_too_long_is_refused_with_the_numbers(way: Way, ask: Ask) -> None:
    for act in ("chat", "stream"):
        with pytest.raises(Refused) as refusal:
            ask(act, messages=[{"role": "user", "content": "word " * 1500}])
        told = refusal.value.message.replace(",", "")
        assert "1024" in told
        assert "15" in told.replace("1024", "")


@ways()
def test_a_bad_parameter_is_named(way: Way, play: Ask) -> None:
    for act in ("chat", "stream"):
        with pytest.raises(Refused) as refusal:
            play(act, temperature=-3)
        assert "temperature" in refusal.value.message


@ways()
def test_an_engine_that_fails_in_the_middle_is_an_error(way: Way, play: Ask, scripted: Scripted) -> None:
    from fabula.core.errors import EngineDied

    scripted.says = Reply("One two three", error=EngineDied("tiny", "SIGKILL"), fail_at=3)
    for act in ("chat", "stream"):
        with pytest.raises(Refused) as refusal:
            play(act)
        assert "SIGKILL" in refusal.value.message


@ways()
def test_a_time_limit_stops_the_engine(way: Way, play: Ask, scripted: Scripted) -> None:
    scripted.says = Reply("word " * 500, delay_s=0.05)
    stopped = scripted.stage.stopped
    with pytest.raises(Refused):
        play("chat", timeout=500, max_tokens=1000)
    until(lambda: scripted.stage.stopped > stopped)


@ways()
def test_a_client_that_leaves_frees_the_engine(
    way: Way, ask: Ask, play: Ask, studio: StudioProcess, scripted: Scripted
) -> None:
    assert ask("give_up", messages=FOX, max_tokens=900)["aborted"]
    until(lambda: studio.client.get("/system")["running"][0]["busy"] == 0)
    scripted.says = Reply("word " * 500, delay_s=0.02)
    stopped = scripted.stage.stopped
    assert play("give_up", max_tokens=1000)["aborted"]
    until(lambda: scripted.stage.stopped > stopped)


@ways()
def test_signs_of_life_in_a_silent_stream_are_no_text(
    way: Way, play: Ask, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fabula.server.sse.PING_S", 0.05)
    scripted.says = Reply("Late", delay_s=0.4)
    assert play("stream")["text"].strip() == "Late"


# ── several at once ─────────────────────────────────────────────────────────────────────────────────────


@ways()
def test_each_of_eight_at_once_gets_its_own_answer(
    way: Way, drivers: Callable[[str], Driver], scripted: Scripted
) -> None:
    scripted.says = lambda prompt, sampling: Reply(f"{prompt.pieces[0]!r}", delay_s=0.01)
    for act in ("chat", "stream"):
        asked = [
            {
                "base": scripted.address,
                "model": f"{way.prefix}tiny",
                "max_tokens": 64,
                "messages": [{"role": "user", "content": f"number{number}"}],
            }
            for number in range(8)
        ]
        answers = drivers(way.driver).all(act, asked)
        assert all(f"number{number}" in answer["text"] for number, answer in enumerate(answers))


# ── completions, embeddings, models ─────────────────────────────────────────────────────────────────────


@ways("anthropic", "ollama/", "ollama_chat/")  # LiteLLM makes chats of these prompts
def test_a_text_is_completed(way: Way, ask: Ask) -> None:
    asked = {"prompt": "The capital of France is", "max_tokens": 12}
    raw = {"raw": True} if way.dialect == "ollama" else {}
    answer = ask("complete", **asked, **raw)
    assert ("Paris" in answer["text"], answer["reason"]) == (True, "length")


@ways("anthropic", "ollama_chat/")
def test_texts_get_vectors(way: Way, play: Ask) -> None:
    vectors = play("embed", model=f"{way.prefix}vectors", input=["the cat", "dogs"])
    assert [len(vector) for vector in vectors] == [8, 8]
    assert sum(value * value for value in vectors[0]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", ["openai.mjs", "ollama.mjs", "anthropic.mjs"])
def test_models_are_listed_and_shown(name: str, drivers: Callable[[str], Driver], scripted: Scripted) -> None:
    listed = drivers(name).call("models", base=scripted.address)
    assert {model.removesuffix(":latest") for model in listed} >= {"tiny", "vectors"}
    shown = drivers(name).call("model", base=scripted.address, model="tiny")
    assert shown == "tiny" if name != "ollama.mjs" else shown["architecture"] == "llama"
