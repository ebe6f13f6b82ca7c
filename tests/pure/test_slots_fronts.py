"""Programs without a chat: each conversation keeps its slot, as long as there are slots."""

from __future__ import annotations

from pathlib import Path

from fabula.core.request import Caller, Context
from fabula.core.stream import Finished, Prefill
from fabula.engine.cache.seats import Seat, Seats
from fabula.engine.cache.shelf import Shelf
from fabula.engine.cache.table import Table, Trace, Variant

SYSTEM = "You are the narrator of a long story. " * 10
TAVERN = "127.0.0.1 SillyTavern /completion"


def story(name: str, turns: int) -> str:
    return SYSTEM + "".join(f"[{name} {turn}: and then something happened.]" * 3 for turn in range(turns))


def visit(table: Table, trace: Trace, front: str = TAVERN, chat: str = "") -> int:
    """A request that comes, reads and goes; the number of its slot."""
    slot = table.take(chat, trace, front=front)
    slot.chat, slot.trace, slot.front = chat, trace, front
    table.give_back(slot)
    return slot.number


def test_a_shared_system_prompt_makes_no_conversation_overwrite_another() -> None:
    table = Table(2)
    slots = [(visit(table, story("A", turn)), visit(table, story("B", turn))) for turn in range(5, 9)]
    assert len(set(slots)) == 1
    assert set(slots[0]) == {0, 1}


def test_two_programs_and_a_chat_keep_their_slots() -> None:
    table = Table(3)
    rounds = [
        (
            visit(table, story("A", turn)),
            visit(table, story("B", turn), "127.0.0.1 other /v1/completions"),
            visit(table, story("C", turn), "", chat="C"),
        )
        for turn in range(5, 9)
    ]
    assert len(set(rounds)) == 1
    assert set(rounds[0]) == {0, 1, 2}


def test_a_conversation_that_is_cut_at_its_beginning_overwrites_itself() -> None:
    """As front-ends do when the context is full: what stands behind the card changes with every turn."""
    table = Table(2)
    steady, cut = visit(table, story("A", 9)), visit(table, SYSTEM + "B is a fox." + story("B", 30))
    for turn in range(3):
        assert visit(table, SYSTEM + "B is a fox." + story("B", 30)[2000 + 500 * turn :]) == cut
        assert visit(table, story("A", 10 + turn)) == steady


def test_who_comes_back_may_take_the_slot_of_a_chat_that_is_saved() -> None:
    table = Table(2, saves=True)
    assert visit(table, story("C", 9), "", chat="C") == 0
    assert [visit(table, story(name, 5)) for name in "AB"] == [1, 1], "nobody is known to come back yet"
    assert [visit(table, story(name, 6)) for name in "AB"] == [0, 1]
    assert [visit(table, story(name, 7)) for name in "AB"] == [0, 1]


def test_a_chat_that_cannot_be_saved_is_left_alone() -> None:
    table = Table(2)
    visit(table, story("C", 9), "", chat="C")
    assert [visit(table, story(name, turn)) for turn in (5, 6, 7) for name in "AB"] == [1] * 6


def test_many_prompts_that_never_come_back_push_no_chat_out() -> None:
    table = Table(2, saves=True)
    visit(table, story("C", 9), "", chat="C")
    assert {visit(table, f"Question {number}: " + story(f"{number}", 9)) for number in range(30)} == {1}


class Unsaved:
    async def save_slot(self, slot: int, file: str) -> int:
        raise AssertionError("conversations of programs are never written")

    async def restore_slot(self, slot: int, file: str) -> int:
        raise AssertionError("nor read")

    async def turn_to(self, slot: int, variant: Variant) -> None: ...
    async def mark(self, slot: int, held: tuple[int, ...], variant: Variant) -> None: ...


async def ask(seats: Seats, text: str, remembered: int = 0) -> tuple[str, str]:
    """Where the cache came from and why the rest was read, of a prompt of a letter per token; `remembered` is
    what the engine had beside its slots."""
    async with seats.seat(Context(Caller(), front=TAVERN), text) as seat:
        seat.follow(Prefill(len(text), len(text), seat.expected))
        reused = max(seat.expected, remembered)
    return seat.verdict(_finished(seat, reused))


def _finished(seat: Seat, reused: int) -> Finished:
    return Finished(
        reason="stop",
        prompt_tokens=len(seat.asked),
        reused_tokens=reused,
        processed_tokens=len(seat.asked) - reused,
        completion_tokens=1,
        prompt_ms=1,
        predicted_ms=1,
    )


async def test_it_is_told_when_there_are_fewer_slots_than_conversations(tmp_path: Path) -> None:
    one = Seats(Unsaved(), 1, Shelf(tmp_path, 1_000_000), "model")
    reasons = [(await ask(one, story(name, turn)))[1] for turn in (5, 6) for name in "AB"]
    assert reasons == ["", "", "crowded", "crowded"]
    two = Seats(Unsaved(), 2, Shelf(tmp_path, 1_000_000), "model")
    assert [(await ask(two, story(name, turn)))[1] for turn in (5, 6) for name in "AB"] == [""] * 4
    assert not list(tmp_path.iterdir())


async def test_what_the_engine_remembered_by_itself_is_no_crowd(tmp_path: Path) -> None:
    one = Seats(Unsaved(), 1, None, "model")
    for name in "AB":
        await ask(one, story(name, 5))
    assert await ask(one, story("A", 6), remembered=len(story("A", 5))) == ("slot", "")
