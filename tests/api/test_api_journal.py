"""What was shown is not lost: killed studios, full disks, readers that come and go."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage import Stage

from fabula.app import Studio
from fabula.chats.replies import Ask, Started
from fabula.core.errors import StoreUnwritable
from fabula.core.request import LOCAL_OWNER, Caller
from fabula.core.seams import Event
from fabula.core.stream import Delta, Finished, Token
from fabula.engine.scripted import Reply
from fabula.store.home import Home
from fabula.store.journal import FileJournal, FileRecord
from fabula.turn.live import Live, Outcome

ENDLESS = Reply("word " * 10_000, delay_s=0.01)


async def begin(studio: Studio, **ask: str) -> Started:
    chat = await studio.chats.create(LOCAL_OWNER)
    return await studio.replies.start(
        Caller(), Ask(chat_id=chat.id, revision=chat.revision, text="Hello", **ask)
    )


async def shown(studio: Studio, turn_id: str, pieces: int) -> str:
    """What a reader has on the screen after some pieces of text."""
    text = ""
    async for event in studio.live.follow(turn_id):
        if event.kind == "text":
            text += event.data["text"]
            pieces -= 1
        if not pieces:
            return text
    raise AssertionError("the turn ended early")


async def texts(studio: Studio, chat_id: str) -> list[str]:
    return [message.text for message in await studio.chats.path(LOCAL_OWNER, chat_id)]


async def test_a_killed_studio_stores_what_was_shown_exactly_once(home: Home, stage: Stage) -> None:
    stage.script = [ENDLESS]
    killed = Studio(home, {}, stage.make_worker)
    await killed.open()
    started = await begin(killed)
    chat_id = started.change.chat.id
    seen = await shown(killed, started.turn_id, 5)
    left = home.path.with_name("as the kill left it")
    _copy(home, left)
    await killed.close()

    for _ in ("the first start", "one more"):
        again = Studio(Home(left), {}, stage.make_worker)
        await again.open()
        hello, reply = (await again.chats.page(LOCAL_OWNER, chat_id)).messages
        assert (hello.text, reply.id) == ("Hello", started.message_id)
        assert reply.text.startswith(seen)
        assert (reply.version_reason, reply.versions) == ("recovered", 1)
        assert reply.facts
        assert reply.facts["finish_reason"] == "interrupted"
        assert again.journal.unfinished() == []
        await again.close()


async def test_a_killed_continuation_lengthens_its_message(home: Home, stage: Stage) -> None:
    stage.script = ["Once", ENDLESS]
    killed = Studio(home, {}, stage.make_worker)
    await killed.open()
    started = await begin(killed)
    chat_id = started.change.chat.id
    [event async for event in killed.live.follow(started.turn_id)]
    chat = await killed.chats.get(LOCAL_OWNER, chat_id)
    ask = Ask(chat_id=chat_id, revision=chat.revision, kind="continue")
    seen = await shown(killed, (await killed.replies.start(Caller(), ask)).turn_id, 3)
    left = home.path.with_name("left")
    _copy(home, left)
    await killed.close()

    again = Studio(Home(left), {}, stage.make_worker)
    await again.open()
    hello, lengthened = await texts(again, chat_id)
    assert (hello, lengthened.startswith("Once" + seen)) == ("Hello", True)
    await again.close()


async def test_a_journal_that_was_cut_in_its_first_line_is_no_obstacle(home: Home, stage: Stage) -> None:
    (home.journal / "torn.jsonl").write_text('{"turn_id": "to')
    studio = Studio(home, {}, stage.make_worker)
    await studio.open()
    assert studio.journal.unfinished() == []
    await studio.close()


async def test_a_journal_that_cannot_be_understood_is_kept(home: Home, stage: Stage) -> None:
    (home.journal / "strange.jsonl").write_text('{"from": "another version"}\n')
    studio = Studio(home, {}, stage.make_worker)
    await studio.open()
    assert studio.journal.unfinished() == ["strange"]
    await studio.close()


async def test_a_full_disk_ends_the_turn_and_keeps_what_was_shown(
    studio: Studio, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.script = [ENDLESS]
    started = await begin(studio)
    seen = await shown(studio, started.turn_id, 3)
    _fill_the_disk(monkeypatch)
    events = [event async for event in studio.live.follow(started.turn_id)]
    assert events[-1].kind == "error"
    assert events[-1].data["code"] == "store_unwritable"
    assert "No space left" in events[-1].data["message"]
    told = "".join(event.data["text"] for event in events if event.kind == "text")
    assert told.startswith(seen)
    (_, reply) = await texts(studio, started.change.chat.id)
    assert reply.startswith(told)
    assert studio.replies.turn_of(started.change.chat.id) == ""
    assert stage.stopped == 1


async def test_a_full_disk_before_the_turn_begins_nothing(
    studio: Studio, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill_the_disk(monkeypatch)
    with pytest.raises(StoreUnwritable):
        await begin(studio)
    monkeypatch.undo()
    (chat,) = await studio.chats.list(LOCAL_OWNER)
    assert studio.replies.turn_of(chat.id) == ""
    ask = Ask(chat_id=chat.id, revision=chat.revision, kind="reply")
    await studio.replies.start(Caller(), ask)


async def test_text_that_cannot_be_stored_now_is_stored_at_the_next_start(
    studio: Studio, home: Home, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(outcome: object) -> None:
        raise StoreUnwritable("fabula.db", "the disk is full")

    monkeypatch.setattr(studio.chats, "finish_turn", refuse)
    started = await begin(studio)
    events = [event async for event in studio.live.follow(started.turn_id)]
    assert (events[-1].kind, events[-1].data["code"]) == ("error", "store_unwritable")
    monkeypatch.undo()
    await studio.replies.recover()
    assert await texts(studio, started.change.chat.id) == ["Hello", "Hello there, traveller."]


async def test_a_fault_of_ours_while_storing_ends_the_stream_too(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(outcome: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(studio.chats, "finish_turn", fail)
    started = await begin(studio)
    events = [event async for event in studio.live.follow(started.turn_id)]
    assert (events[-1].kind, events[-1].data["code"]) == ("error", "unexpected")
    assert studio.replies.turn_of(started.change.chat.id) == ""


async def test_a_studio_that_closes_stores_what_was_written(home: Home, stage: Stage) -> None:
    stage.script = [ENDLESS]
    studio = Studio(home, {}, stage.make_worker)
    await studio.open()
    started = await begin(studio)
    seen = await shown(studio, started.turn_id, 3)
    await studio.close()
    again = Studio(home, {}, stage.make_worker)
    await again.open()
    _, reply = await texts(again, started.change.chat.id)
    assert reply.startswith(seen)
    await again.close()


async def test_a_chat_can_be_deleted_while_a_turn_is_only_beginning(studio: Studio, stage: Stage) -> None:
    stage.script = [ENDLESS]
    chat = await studio.chats.create(LOCAL_OWNER)
    ask = Ask(chat_id=chat.id, revision=chat.revision, text="Hello")
    starting = asyncio.create_task(studio.replies.start(Caller(), ask))
    await asyncio.sleep(0)
    assert studio.replies.turn_of(chat.id)
    await studio.replies.stop_in(chat.id)
    assert studio.replies.turn_of(chat.id) == ""
    assert (await starting).change.message


def _fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(record: FileRecord, line: str) -> None:
        raise StoreUnwritable("journal", "No space left on device")

    monkeypatch.setattr(FileRecord, "_write", refuse)


def _copy(home: Home, target: Path) -> None:
    """The files as they are at this moment, which is what `kill -9` leaves."""
    shutil.copytree(home.path, target)


# ── every reader sees every event once, in order ────────────────────────────────────────────────────────


class Telling:
    """One turn that is written, and readers of it, interleaved by a seed."""

    def __init__(self, journal: FileJournal, pieces: int, seed: int) -> None:
        self.live = Live(journal)
        self.pieces = pieces
        self.chance = random.Random(seed)

    async def pause(self) -> None:
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)

    async def deltas(self) -> AsyncGenerator[Delta, None]:
        for number in range(self.pieces):
            await self.pause()
            yield Token(f"{number} ", (number,))
        counts = ("prompt_tokens", "reused_tokens", "processed_tokens", "completion_tokens")
        yield Finished(reason="stop", prompt_ms=0, predicted_ms=0, **dict.fromkeys(counts, 0))

    def facts(self, outcome: Outcome) -> dict[str, int]:
        return {"completion_tokens": len(outcome.token_ids)}

    async def settle(self, outcomes: Sequence[Outcome]) -> dict[str, str]:
        await self.pause()
        return {"reason": "stop", "text": outcomes[0].text}

    async def read(self, visits: list[int]) -> list[Event]:
        """Read so many events, go away, come back after the last one seen; at last to the end."""
        seen: list[Event] = []
        for count in [*visits, 10_000]:
            await self.pause()
            async with aclosing(self.live.follow("t", seen[-1].id if seen else 0)) as events:
                while count and (event := await anext(events, None)):
                    seen.append(event)
                    count -= 1
        return seen

    async def play(self, readers: list[list[int]]) -> list[list[Event]]:
        self.live.start("t", {}, {}, [self.deltas()], self)
        seen = await asyncio.gather(*(self.read(visits) for visits in readers))
        await self.live.close()
        return seen


@settings(max_examples=60, deadline=None)
@given(
    pieces=st.integers(0, 12),
    readers=st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=5), min_size=1, max_size=5),
    seed=st.integers(0, 2**32),
)
def test_however_readers_come_and_go_each_sees_each_event_once(
    tmp_path_factory: pytest.TempPathFactory, pieces: int, readers: list[list[int]], seed: int
) -> None:
    journal = FileJournal(tmp_path_factory.mktemp("journal"))
    for seen in asyncio.run(Telling(journal, pieces, seed).play(readers)):
        assert [event.id for event in seen] == list(range(1, pieces + 3))
        assert [event.kind for event in seen] == ["start", *["text"] * pieces, "done"]
        assert "".join(event.data["text"] for event in seen[1:-1]) == seen[-1].data["text"]
    assert journal.unfinished() == []
