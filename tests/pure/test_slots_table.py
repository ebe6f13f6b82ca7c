"""Which slot a request gets."""

from __future__ import annotations

import pytest

from fabula.core.request import Context
from fabula.engine.cache.table import Slot, Table, Trace, chat_of, common, goes_on


def visit(table: Table, chat: str, trace: Trace = (1,)) -> int:
    """A request that comes, reads and goes; the number of its slot."""
    slot = table.take(chat, trace)
    slot.chat, slot.trace = chat, trace
    table.give_back(slot)
    return slot.number


def test_common_beginnings() -> None:
    assert common((1, 2, 3), (1, 2, 4, 5)) == 2
    assert common("Once upon", "Once more") == 5
    assert common((), (1, 2)) == 0
    assert common((1, 2), (1, 2)) == 2
    assert common("12", (1, 2)) == 0
    long = tuple(range(50_000))
    assert common(long, (*long[:49_999], -1)) == 49_999


@pytest.mark.parametrize("held", [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), "", "1", "123", "1234"])
@pytest.mark.parametrize(
    "asked", [(), (1,), (2,), (1, 2), (1, 2, 3, 4, 5), (2, 2, 3, 4), (1, 3, 3), "1", "12", "12345", "2234"]
)
def test_what_goes_on_keeps_at_least_half_of_what_is_held(held: Trace, asked: Trace) -> None:
    assert goes_on(held, asked) == (len(held) > 0 and 2 * common(held, asked) >= len(held))


def test_a_chat_keeps_its_slot() -> None:
    table = Table(4)
    first = [visit(table, chat) for chat in "ABC"]
    assert len(set(first)) == 3
    assert [visit(table, chat) for chat in "CAB"] == [first[2], first[0], first[1]]


def test_the_chat_used_longest_ago_gives_way() -> None:
    table = Table(4)
    a, b, c = (visit(table, chat) for chat in "ABC")
    visit(table, "A")
    assert visit(table, "D") == b
    assert visit(table, "E") == c
    assert visit(table, "A") == a


def test_side_tasks_and_callers_without_a_chat_push_no_chat_out() -> None:
    table = Table(4)
    chats = {visit(table, chat) for chat in "ABC"}
    others = {visit(table, "", text) for text in ("Title:", "Hello", "Summary:")}
    assert others == {3}
    assert chats == {0, 1, 2}


def test_without_chats_callers_use_all_slots_at_once() -> None:
    table = Table(4)
    assert {table.take("", f"Request {n}").number for n in range(4)} == {0, 1, 2, 3}
    with pytest.raises(LookupError):
        table.take("", "one more")


def test_a_caller_comes_back_to_what_was_read_for_it() -> None:
    table = Table(4)
    busy = [table.take("", text) for text in ("A long story", "B long story", "C long story")]
    for slot, text in zip(busy, ("A long story", "B long story", "C long story"), strict=True):
        slot.trace = text
        table.give_back(slot)
    assert table.take("", "B long story, continued") is busy[1]


def test_a_busy_slot_is_given_to_nobody() -> None:
    table = Table(2)
    slot = table.take("A", (1,))
    slot.chat = "A"
    assert table.take("B", (1,)) is not slot


def test_the_only_slot_serves_everyone() -> None:
    table = Table(1)
    assert [visit(table, chat) for chat in ("A", "", "B")] == [0, 0, 0]
    assert not table.slots[0].reserved


def test_what_to_save_first_is_what_was_used_last() -> None:
    table = Table(4)
    for chat in "ABA":
        visit(table, chat)
    writing = table.take("C", (1,))
    writing.chat, writing.trace = "C", (1,)
    assert [slot.chat for slot in table.idle_chats()] == ["A", "B"]


def test_titles_are_no_visit_of_the_chat() -> None:
    assert chat_of(Context(chat_id="A", purpose="chat")) == "A"
    assert chat_of(Context(chat_id="A", purpose="warm_up")) == "A"
    assert chat_of(Context(chat_id="A", purpose="title")) == ""
    assert isinstance(Table(1).slots[0], Slot)
