"""How states move between slots and the disk, with an engine that is played."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fabula.core.errors import EngineDied, EngineRefused
from fabula.core.request import Caller, Context
from fabula.core.stream import Finished, Prefill, Token
from fabula.engine.cache.seats import Seat, Seats
from fabula.engine.cache.shelf import Shelf
from fabula.engine.cache.table import Variant

LONG = 500


class PlayedEngine:
    """Saves slots as files of a byte per token, and tells what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.acts: list[str] = []
        self.marked: tuple[int, ...] = ()
        self.holds = 1000  # tokens in each slot
        self.save_error: Exception | None = None
        self.restore_error: Exception | None = None

    async def save_slot(self, slot: int, file: str) -> int:
        self.acts.append(f"save {slot}")
        (self.folder / file).write_bytes(bytes(LONG))
        if self.save_error:
            raise self.save_error
        return self.holds

    async def mark(self, slot: int, held: tuple[int, ...], variant: Variant) -> None:
        self.marked = held

    async def turn_to(self, slot: int, variant: Variant) -> None:
        self.acts.append(f"turn {slot}")

    async def restore_slot(self, slot: int, file: str) -> int:
        self.acts.append(f"restore {slot}")
        if self.restore_error:
            raise self.restore_error
        return len((self.folder / file).read_bytes())


def chat(name: str, owner: str = "local") -> Context:
    return Context(Caller(owner), name, "chat")


def story(number: int, length: int = LONG) -> tuple[int, ...]:
    return tuple(number * 100_000 + place for place in range(length))


async def ask(seats: Seats, context: Context, asked: tuple[int, ...] | str, reply: int = 3) -> Seat:
    """A request that reads everything and writes `reply` tokens."""
    async with seats.seat(context, asked) as seat:
        seat.follow(Prefill(len(asked), len(asked), seat.expected))
        for place in range(reply):
            seat.follow(Token("word ", (7_000_000 + place,)))
    return seat


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path, 1_000_000)


@pytest.fixture
def engine(tmp_path: Path) -> PlayedEngine:
    return PlayedEngine(tmp_path)


def seats(engine: PlayedEngine, shelf: Shelf | None, count: int = 1, fingerprint: str = "model") -> Seats:
    return Seats(engine, count, shelf, fingerprint)


async def test_two_chats_take_turns_on_one_slot(engine: PlayedEngine, shelf: Shelf) -> None:
    one = seats(engine, shelf)
    await ask(one, chat("A"), story(1))
    await ask(one, chat("B"), story(2))
    back = await ask(one, chat("A"), (*story(1), 7_000_000, 7_000_001, 7_000_002, 5))
    assert engine.acts == ["save 0", "save 0", "restore 0"]
    assert (back.source, back.expected) == ("disk", LONG + 3)


async def test_the_next_turn_needs_no_disk(engine: PlayedEngine, shelf: Shelf) -> None:
    one = seats(engine, shelf)
    first = await ask(one, chat("A"), story(1))
    second = await ask(one, chat("A"), (*story(1), 7_000_000, 7_000_001, 7_000_002, 5, 6))
    assert (first.source, first.reason) == ("none", "first")
    assert (second.source, second.reason, second.expected) == ("slot", "", LONG + 3)
    assert engine.acts == []


async def test_an_edit_far_back_saves_the_branch_that_it_leaves(engine: PlayedEngine, shelf: Shelf) -> None:
    one = seats(engine, shelf)
    await ask(one, chat("A"), story(1))
    edited = await ask(one, chat("A"), (*story(1, 100), *story(3, 300)))
    assert (edited.source, edited.reason, edited.expected) == ("slot", "changed", 100)
    back = await ask(one, chat("A"), story(1))
    assert (back.source, back.expected) == ("disk", LONG)


async def test_short_chats_are_not_worth_a_file(engine: PlayedEngine, shelf: Shelf) -> None:
    one = seats(engine, shelf)
    await ask(one, chat("A"), story(1, 50))
    await ask(one, chat("B"), story(2, 50))
    await one.keep_all(5)
    assert engine.acts == []


async def test_all_chats_are_saved_at_the_end_and_come_back(engine: PlayedEngine, shelf: Shelf) -> None:
    before = seats(engine, shelf, count=4)
    for number, name in enumerate("ABC"):
        await ask(before, chat(name), story(number))
    await before.keep_all(5)
    await before.keep_all(5)  # nothing is new
    assert engine.acts == ["save 2", "save 1", "save 0"]
    later = seats(engine, Shelf(shelf.folder, 1_000_000), count=4)
    assert (await ask(later, chat("B"), (*story(1), 9))).source == "disk"
    assert engine.marked[:LONG] == story(0)  # the end of each was marked, of the last one too


async def test_what_was_read_with_other_scales_is_another_state(engine: PlayedEngine, shelf: Shelf) -> None:
    one = seats(engine, shelf)
    strong = Variant("strong", (2.0,))
    await ask(one, chat("A"), story(1))
    async with one.seat(chat("A"), story(1), strong) as seat:
        assert (seat.source, seat.expected, seat.reason) == ("none", 0, "rescaled")
    async with one.seat(chat("A"), story(1)) as seat:
        assert (seat.source, seat.expected) == ("disk", LONG)
    assert engine.acts == ["save 0", "turn 0", "restore 0"]


async def test_a_state_that_was_thrown_out_is_saved_again(engine: PlayedEngine, shelf: Shelf) -> None:
    one = seats(engine, shelf)
    await ask(one, chat("A"), story(1))
    await one.keep_all(5)
    shelf.allow(0)
    shelf.allow(1_000_000)
    await one.keep_all(5)
    assert engine.acts == ["save 0", "save 0"]
    assert len(list(shelf.folder.glob("*.kv"))) == 1


async def test_nothing_comes_back_to_another_engine_or_another_owner(
    engine: PlayedEngine, shelf: Shelf
) -> None:
    before = seats(engine, shelf)
    await ask(before, chat("A"), story(1))
    await before.keep_all(5)
    assert (await ask(seats(engine, shelf, fingerprint="q8_0"), chat("A"), story(1))).source == "none"
    assert (await ask(seats(engine, shelf), chat("A", "somebody"), story(1))).source == "none"


async def test_prompts_of_callers_without_a_chat_are_never_written(
    engine: PlayedEngine, shelf: Shelf
) -> None:
    one = seats(engine, shelf)
    await ask(one, Context(), "A long prompt. " * 100)
    await ask(one, Context(), story(4))
    await ask(one, chat("A"), story(1))
    assert engine.acts == []


async def test_a_full_disk_costs_only_the_state(engine: PlayedEngine, shelf: Shelf) -> None:
    engine.save_error = EngineRefused("model", "No space left on device")
    one = seats(engine, shelf)
    await ask(one, chat("A"), story(1))
    other = await ask(one, chat("B"), story(2))
    back = await ask(one, chat("A"), story(1))
    assert (other.source, back.source) == ("none", "none")
    assert list(shelf.folder.iterdir()) == []


async def test_a_damaged_state_is_thrown_away_and_the_chat_goes_on(
    engine: PlayedEngine, shelf: Shelf
) -> None:
    one = seats(engine, shelf)
    await ask(one, chat("A"), story(1))
    await ask(one, chat("B"), story(2))
    (file,) = shelf.folder.glob("*.kv")
    file.write_bytes(file.read_bytes()[:100])
    back = await ask(one, chat("A"), story(1))
    assert (back.source, back.reason) == ("none", "damaged")
    assert "restore 0" not in engine.acts
    assert not file.exists()


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"[]", b'{"trace": 5}', b"[" * 100_000])
async def test_a_damaged_description_is_removed_at_the_start(
    engine: PlayedEngine, shelf: Shelf, damage: bytes
) -> None:
    one = seats(engine, shelf)
    for number, name in enumerate("AB"):
        await ask(one, chat(name), story(number))
        await one.keep_all(5)
    damaged, kept = shelf.folder.glob("*.json")
    damaged.write_bytes(damage)
    later = Shelf(shelf.folder, 1_000_000)
    assert {path.stem for path in later.folder.iterdir()} == {kept.stem}


async def test_a_state_that_the_engine_refuses_is_thrown_away(engine: PlayedEngine, shelf: Shelf) -> None:
    one = seats(engine, shelf)
    await ask(one, chat("A"), story(1))
    await one.keep_all(5)
    engine.restore_error = EngineRefused("model", "Unable to restore slot")
    back = await ask(seats(engine, shelf), chat("A"), story(1))
    assert (back.source, back.reason) == ("none", "damaged")
    assert list(shelf.folder.iterdir()) == []


async def test_a_state_that_kills_the_engine_kills_it_once(engine: PlayedEngine, shelf: Shelf) -> None:
    one = seats(engine, shelf)
    await ask(one, chat("A"), story(1))
    await one.keep_all(5)
    engine.restore_error = EngineDied("model", "the engine aborted (SIGABRT)")
    with pytest.raises(EngineDied):
        await ask(seats(engine, shelf), chat("A"), story(1))
    assert list(shelf.folder.iterdir()) == []


async def test_a_reply_that_is_stopped_leaves_what_was_read(engine: PlayedEngine, shelf: Shelf) -> None:
    one = seats(engine, shelf)
    async with one.seat(chat("A"), story(1)) as seat:
        seat.follow(Prefill(200, LONG, 0))  # stopped while the prompt was being read
    again = await ask(one, chat("A"), story(1))
    assert (again.source, again.expected) == ("slot", 200)


async def test_a_request_that_is_refused_leaves_what_was_there(engine: PlayedEngine, shelf: Shelf) -> None:
    one = seats(engine, shelf)
    await ask(one, chat("A"), story(1))
    with pytest.raises(EngineRefused):
        async with one.seat(chat("A"), (*story(1), 5, 6)):
            raise EngineRefused("model", "the grammar is wrong")
    again = await ask(one, chat("A"), (*story(1), 7))
    assert (again.source, again.expected) == ("slot", LONG)


async def test_a_slot_that_holds_less_than_was_thought_is_not_saved(
    engine: PlayedEngine, shelf: Shelf
) -> None:
    engine.holds = 100
    one = seats(engine, shelf)
    await ask(one, chat("A"), story(1))
    await one.keep_all(5)
    assert list(shelf.folder.iterdir()) == []


async def test_a_deleted_chat_is_not_saved(engine: PlayedEngine, shelf: Shelf) -> None:
    one = seats(engine, shelf)
    await ask(one, chat("A"), story(1))
    shelf.forget("A")
    await one.keep_all(5)
    assert engine.acts == []


async def test_requests_wait_for_a_slot_in_the_order_of_asking(engine: PlayedEngine) -> None:
    one = seats(engine, None)
    order: list[str] = []

    async def visit(name: str) -> None:
        async with one.seat(chat(name), story(1)):
            order.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(*(visit(name) for name in "ABCD"))
    assert order == ["A", "B", "C", "D"]
    assert not one.table.slots[0].busy


def finished(reused: int, prompt: int = LONG) -> Finished:
    return Finished(
        reason="stop",
        prompt_tokens=prompt,
        reused_tokens=reused,
        processed_tokens=prompt - reused,
        completion_tokens=1,
        prompt_ms=1,
        predicted_ms=1,
    )


async def test_it_is_told_when_the_model_cannot_go_back(engine: PlayedEngine, shelf: Shelf) -> None:
    one = seats(engine, shelf)
    await ask(one, chat("A"), story(1))
    edited = await ask(one, chat("A"), (*story(1, 400), 5, 6))
    assert edited.verdict(finished(400)) == ("slot", "changed")
    assert edited.verdict(finished(395)) == ("slot", "changed")
    assert edited.verdict(finished(256)) == ("slot", "no_way_back")
    assert edited.verdict(finished(0)) == ("none", "no_way_back")
    unknown = await ask(one, chat("B"), story(2))
    assert unknown.verdict(finished(300)) == ("slot", "first")
