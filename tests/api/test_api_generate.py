"""Generation outside any chat: nothing is stored, and going away stops it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest
from stage import ENDLESS, Stage
from talking import Client, Heard, text_of
from waiting import until

from fabula.core.errors import EngineDied, EngineRefused
from fabula.core.request import ANYONE
from fabula.core.stream import Finished
from fabula.engine.scripted import SEED, Reply, ScriptedWorker

MESSAGES = [{"role": "user", "text": "Hello"}]


def generate(client: Client, **body: object) -> list[Heard]:
    with client.events("POST", "/generate", json=body) as events:
        return list(events)


def test_messages_are_answered_and_nothing_is_stored(client: Client) -> None:
    events = generate(client, messages=MESSAGES)
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert text_of(events) == "Hello there, traveller."
    done = events[-1]
    assert (done.kind, done.data["reason"], done.data["change"]) == ("done", "stop", None)
    assert done.data["facts"]["model"] == "tiny"
    assert client.get("/chats")["chats"] == []


def test_messages_go_through_the_models_template_and_a_prompt_does_not(client: Client, stage: Stage) -> None:
    generate(client, messages=MESSAGES)
    generate(client, prompt="Once upon")
    rendered, raw = (prompt.pieces for prompt in stage.worker.prompts)
    assert rendered == ("<user>Hello</><assistant>",)
    assert raw == ("Once upon",)


def test_continue_leaves_the_last_message_open(client: Client, stage: Stage) -> None:
    generate(client, messages=[*MESSAGES, {"role": "assistant", "text": "Well"}], **{"continue": True})
    assert stage.worker.prompts[0].pieces == ("<user>Hello</><assistant>Well",)


def test_sampling_is_honoured_and_told(client: Client, stage: Stage) -> None:
    facts = generate(client, prompt="x", sampling={"seed": 9, "max_tokens": 2})[-1].data["facts"]
    assert (facts["effective"]["seed"], facts["finish_reason"], facts["completion_tokens"]) == (
        9,
        "length",
        2,
    )


def test_a_seed_is_told_of_a_reply_that_is_ended_for_the_model_too(client: Client, stage: Stage) -> None:
    """The engine's last words, which tell what it used, never come then."""
    stage.script = [Reply("and on " * 400)]
    facts = generate(client, prompt="x", sampling={"loop_count": 4})[-1].data["facts"]
    assert facts["finish_reason"] == "loop"
    assert facts["effective"]["seed"] == stage.worker.samplings[-1].seed == SEED


class RefusesSeeds(ScriptedWorker):
    """As a server elsewhere that refuses to hear of seeds, and tells so at the end."""

    async def stream(self, prompt, sampling, context=ANYONE):
        async for delta in super().stream(prompt, sampling, context):
            if isinstance(delta, Finished) and sampling.seed is not None:
                delta = replace(delta, ignored=("seed",))
            yield delta


@pytest.mark.parametrize(("asked", "told"), [({}, []), ({"seed": 7}, ["seed"])])
def test_only_a_seed_that_was_asked_for_is_told_as_ignored(
    started: Callable[[], Client], stage: Stage, asked: dict[str, int], told: list[str]
) -> None:
    stage.make_worker = lambda model: RefusesSeeds()
    facts = generate(started(), prompt="x", sampling=asked)[-1].data["facts"]
    assert facts["ignored"] == told


class HasNoSeeds(ScriptedWorker):
    """As a server elsewhere that knows of no seeds."""

    def honours(self, sampling):
        used, ignored = super().honours(sampling)
        used.pop("seed")
        return used, (*ignored, *(() if sampling.seed is None else ("seed",)))


@pytest.mark.parametrize(("asked", "told"), [({}, []), ({"seed": 7}, ["seed"])])
@pytest.mark.parametrize("worker", [HasNoSeeds, RefusesSeeds])
def test_a_seed_that_nobody_asked_for_is_not_told_as_ignored(
    started: Callable[[], Client],
    stage: Stage,
    worker: type[ScriptedWorker],
    asked: dict[str, int],
    told: list[str],
) -> None:
    stage.make_worker = lambda model: worker()
    client = started()
    chat = client.new_chat()
    assert chat.say("Hello", sampling=asked)[-1].data["facts"]["ignored"] == told
    body = {"messages": [{"role": "user", "content": "Hello"}], "n": 2, **asked}
    answer = httpx.post(f"{client.address}/v1/chat/completions", json=body).json()
    assert answer["fabula"]["ignored"] == told


def test_a_wish_of_the_load_that_is_not_worth_one_is_told(client: Client, stage: Stage) -> None:
    first, second, third = (
        generate(client, prompt="x", load=load)[-1].data["facts"]["ignored"]
        for load in ({"threads": 2}, {"threads": 1, "mlock": True}, {"threads": 2, "context": 64})
    )
    assert (first, second, third) == ([], ["load.threads", "load.mlock"], [])
    assert len(stage.workers) == 1


@pytest.mark.parametrize("sampling", [{"logit_bias": {"2": 1}}, {"banned_tokens": [2]}])
def test_what_is_no_token_of_the_model_is_refused_with_the_range(
    client: Client, sampling: dict[str, object]
) -> None:
    """The tiny model has two."""
    last = generate(client, prompt="x", sampling=sampling)[-1]
    assert (last.kind, last.data["code"]) == ("error", "bad_parameter")
    assert "a whole number from 0 to 1" in last.data["message"]


def test_going_away_stops_the_engine(client: Client, stage: Stage) -> None:
    stage.script = [ENDLESS]
    with client.events("POST", "/generate", json={"messages": MESSAGES}) as events:
        assert any(event.kind == "text" for event in events)
    until(lambda: stage.stopped == 1)
    until(lambda: client.get("/system")["running"][0]["busy"] == 0)


@pytest.mark.parametrize("fail_at", [0, 1])
def test_an_engine_that_fails_ends_the_stream_with_an_error(
    client: Client, stage: Stage, fail_at: int
) -> None:
    stage.script = [Reply("One two", error=EngineDied("tiny", "SIGKILL"), fail_at=fail_at)]
    last = generate(client, prompt="x")[-1]
    assert (last.kind, last.data["code"]) == ("error", "engine_died")
    assert "tiny" in last.data["message"]


def test_what_the_engine_refuses_is_told_in_the_readers_language(client: Client, stage: Stage) -> None:
    refusal = EngineRefused("tiny", "bad grammar")
    stage.script = [Reply("", error=refusal)]
    headers = {"accept-language": "zh-Hant"}
    with client.events("POST", "/generate", json={"prompt": "x"}, headers=headers) as events:
        assert list(events)[-1].data["message"] == refusal.sentence("zh-Hant")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": MESSAGES, "prompt": "x"},
        {"messages": [{"role": "wizard", "text": "x"}]},
        {"messages": [{"role": "user", "content": "x"}]},
        {"prompt": "x", "sampling": {"heat": 1}},
        {"prompt": "x", "temperature": 1},
    ],
)
def test_a_wrong_request_is_refused_before_the_stream(client: Client, body: dict[str, object]) -> None:
    assert client.call("POST", "/generate", 400, json=body)["error"]["code"] == "bad_parameter"


def test_an_unknown_model_is_refused_before_the_stream(client: Client) -> None:
    body = {"prompt": "x", "model": "nobody"}
    assert client.call("POST", "/generate", 404, json=body)["error"]["code"] == "model_not_found"
