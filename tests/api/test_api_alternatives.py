"""Several alternatives of one reply, written side by side."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from stage import ENDLESS, SLOWLY, Stage
from talking import Client, Heard, text_of

from fabula.app import Studio
from fabula.chats.replies import Ask, Started
from fabula.core.errors import EngineDied
from fabula.core.request import LOCAL_OWNER, Caller
from fabula.core.sampling import Sampling
from fabula.core.worker import Prompt
from fabula.engine.scripted import Reply
from fabula.store.home import Home


def seeded(prompt: Prompt, sampling: Sampling) -> str:
    return f"Seed {sampling.seed}."


def of(events: list[Heard], index: int) -> list[Heard]:
    return [event for event in events if event.data.get("index") == index]


def test_three_replies_are_written_streamed_and_stored(client: Client, stage: Stage) -> None:
    stage.script = seeded
    chat = client.new_chat()
    events = chat.say("Hello", count=3, sampling={"seed": 7})
    start, done = events[0].data, events[-1].data
    assert [text_of(of(events, index)) for index in range(3)] == ["Seed 7.", "Seed 8.", "Seed 9."]
    assert [event.kind for event in events if event.kind == "written"] == ["written"] * 3
    assert chat.texts == ["Hello", "Seed 7."]
    assert chat.messages[1]["swipe"] == {"index": 0, "count": 3, "ids": start["message_ids"]}
    assert (done["reason"], done["change"]["message"]) == ("stop", chat.messages[1])
    for seed, id in enumerate(start["message_ids"], 7):
        client.post(f"{chat.path}/head", chat.at_revision(message_id=id))
        message = chat.messages[1]
        assert (message["text"], message["facts"]["effective"]["seed"]) == (f"Seed {seed}.", seed)
        assert message["facts"]["finish_reason"] == "stop"


def test_seeds_that_nobody_chose_differ_and_are_known(client: Client, stage: Stage) -> None:
    stage.script = seeded
    chat = client.new_chat()
    events = chat.say("Hello", count=2)
    written = {event.data["index"]: event.data["facts"] for event in events if event.kind == "written"}
    seeds = [written[index]["effective"]["seed"] for index in range(2)]
    assert seeds[1] == seeds[0] + 1
    assert {sampling.seed for sampling in stage.worker.samplings} == set(seeds)


def test_three_swipes_stand_beside_the_first_reply_and_go_with_one_undo(client: Client, stage: Stage) -> None:
    stage.script = lambda prompt, sampling: {1: "One.", 2: "Two.", 3: "Three.", 4: "Four."}[
        sampling.seed or 0
    ]
    chat = client.new_chat()
    chat.say("Hello", sampling={"seed": 1})
    chat.say(kind="swipe", count=3, sampling={"seed": 2})
    assert (chat.texts, chat.messages[1]["swipe"]["index"]) == (["Hello", "Two."], 1)
    assert chat.messages[1]["swipe"]["count"] == 4
    client.post(f"{chat.path}/undo", chat.at_revision())
    assert (chat.texts, chat.messages[1]["swipe"]["count"]) == (["Hello", "One."], 1)
    client.post(f"{chat.path}/redo", chat.at_revision())
    assert (chat.texts, chat.messages[1]["swipe"]["count"]) == (["Hello", "Two."], 4)


def test_their_prompt_is_one_and_the_engine_is_told(client: Client, stage: Stage) -> None:
    chat = client.new_chat()
    chat.say("Hello", count=3)
    first, *others = stage.worker.prompts
    assert others == [first, first]
    assert {context.siblings for context in stage.worker.contexts} == {3}


def test_with_fewer_slots_the_rest_wait_and_it_is_said(client: Client) -> None:
    client.call("PATCH", "/settings", json={"engine.slots": 1})
    chat = client.new_chat()
    events = chat.say("Hello", count=3)
    queued = {event.data["index"] for event in events if event.kind == "queued"}
    assert queued == {1, 2}
    assert chat.messages[1]["swipe"]["count"] == 3


def test_stop_stops_them_all_and_keeps_what_they_wrote(client: Client, stage: Stage) -> None:
    stage.script = [ENDLESS]
    chat = client.new_chat()
    body = chat.at_revision(text="Hello", count=2)
    heard: list[Heard] = []
    with client.events("POST", f"{chat.path}/turns", json=body) as events:
        for event in events:
            heard.append(event)
            if {0, 1} <= {each.data["index"] for each in heard if each.kind == "text"}:
                client.post(f"/turns/{heard[0].data['turn_id']}/stop", status=202)
    reasons = [event.data["reason"] for event in heard if event.kind == "written"]
    assert (reasons, stage.stopped, heard[-1].kind) == (["stopped", "stopped"], 2, "done")
    assert chat.texts == ["Hello", text_of(of(heard, 0))]
    assert chat.messages[1]["swipe"]["count"] == 2


def test_one_that_fails_does_not_stop_the_others(client: Client, stage: Stage) -> None:
    died = EngineDied("tiny", "SIGKILL")
    by_seed = {
        7: Reply(SLOWLY.text, error=died, fail_at=0),
        8: Reply("Two."),
        9: Reply(SLOWLY.text, error=died, fail_at=4),
    }
    stage.script = lambda prompt, sampling: by_seed[sampling.seed or 0]
    chat = client.new_chat()
    events = chat.say("Hello", count=3, sampling={"seed": 7})
    written = {event.data["index"]: event.data for event in events if event.kind == "written"}
    assert [written[index]["reason"] for index in range(3)] == ["error", "stop", "error"]
    assert written[0]["error"]["code"] == "engine_died"
    assert (events[-1].kind, events[-1].data["reason"]) == ("done", "stop")
    assert chat.texts == ["Hello", "Two."]
    assert chat.messages[1]["swipe"]["count"] == 2


def test_when_all_fail_the_turn_has_failed(client: Client, stage: Stage) -> None:
    stage.script = [Reply("", error=EngineDied("tiny", "SIGKILL"))]
    chat = client.new_chat()
    failed = chat.say("Hello", count=2)[-1]
    assert (failed.kind, failed.data["code"], failed.data["change"]) == ("error", "engine_died", None)
    assert chat.texts == ["Hello"]


@pytest.mark.parametrize(("kind", "count"), [("reply", 0), ("reply", 17), ("swipe", -1), ("continue", 2)])
def test_how_many_is_bounded(client: Client, kind: str, count: int) -> None:
    chat = client.new_chat()
    chat.say("Hello")
    before = chat.now
    body = chat.at_revision(kind=kind, count=count)
    refusal = client.call("POST", f"{chat.path}/turns", 400, json=body)
    assert refusal["error"]["fields"]["name"] == "count"
    assert chat.now == before


def test_a_reader_that_comes_back_hears_all_of_them(client: Client, stage: Stage) -> None:
    stage.script = seeded
    chat = client.new_chat()
    events = chat.say("Hello", count=2)
    path = f"/turns/{events[0].data['turn_id']}/events"
    assert client.hear(path, params={"after": 3}) == events[3:]


# ── killed in the middle ────────────────────────────────────────────────────────────────────────────


async def begin(studio: Studio, **ask: object) -> Started:
    chat = await studio.chats.create(LOCAL_OWNER)
    return await studio.replies.start(
        Caller(), Ask(chat_id=chat.id, revision=chat.revision, text="Hello", **ask)
    )


async def test_a_killed_studio_keeps_every_alternative_with_what_is_known(
    home: Home, stage: Stage, killed_copy: Callable[[Home], Home]
) -> None:
    stage.script = lambda prompt, sampling: "Short." if sampling.seed == 5 else ENDLESS
    killed = Studio(home, {}, stage.make_worker)
    await killed.open()
    started = await begin(killed, count=3, sampling={"seed": 5, "temperature": 0.5})
    seen = ["", "", ""]
    async for event in killed.live.follow(started.turn_id):
        if event.kind == "text":
            seen[event.data["index"]] += event.data["text"]
        if min(len(text) for text in seen) >= 6:
            break
    left = killed_copy(home)
    await killed.close()

    for _ in ("the first start", "one more"):
        again = Studio(left, {}, stage.make_worker)
        await again.open()
        chat_id = started.change.chat.id
        found = [await again.chats.message(LOCAL_OWNER, chat_id, id) for id in started.message_ids]
        assert found[0].swipe.ids == started.message_ids
        assert all(message.text.startswith(text) for message, text in zip(found, seen, strict=True))
        assert [message.version_reason for message in found] == ["generated", "recovered", "recovered"]
        facts = [message.facts or {} for message in found]
        assert [each["finish_reason"] for each in facts] == ["stop", "interrupted", "interrupted"]
        assert {each["engine"] for each in facts} == {"scripted"}
        assert [each["effective"]["seed"] for each in facts] == [5, 6, 7]
        assert {each["effective"]["temperature"] for each in facts} == {0.5}
        assert all(each["prompt_tokens"] and each["completion_tokens"] for each in facts)
        assert again.journal.unfinished() == []
        await again.close()


@pytest.fixture
def killed_copy(tmp_path: Path) -> Callable[[Home], Home]:
    """The files as they are at this moment, which is what `kill -9` leaves."""

    def copy(home: Home) -> Home:
        shutil.copytree(home.path, tmp_path / "left")
        return Home(tmp_path / "left")

    return copy
