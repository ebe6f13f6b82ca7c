"""The lorebook inside a card: the specification's fields, SillyTavern's extensions, and nonsense."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fabula.chats.characters import book
from fabula.chats.characters.card import card
from fabula.prompt.lore.entry import Entry, Logic, Position, Role

ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
)
NAMES = st.sampled_from(
    [
        "id",
        "keys",
        "secondary_keys",
        "content",
        "position",
        "insertion_order",
        "use_regex",
        "constant",
        "name",
    ]
)
MORE = st.sampled_from(
    ["depth", "role", "position", "probability", "sticky", "group", "triggers", "scan_depth"]
)
ROWS = st.dictionaries(NAMES, ANYTHING).flatmap(
    lambda row: st.dictionaries(MORE, ANYTHING).map(lambda more: {**row, "extensions": more})
)


def entry(**fields: Any) -> Entry:
    [found] = book.entries(card({"name": "Mira", "character_book": {"entries": [fields]}}))
    return found


def test_the_fields_of_the_specification_are_read() -> None:
    found = entry(
        id=7, keys=["lamp"], secondary_keys=["oil"], content="Bright.", insertion_order=3, enabled=False,
        position="after_char", case_sensitive=True, name="Lamp",
    )  # fmt: skip
    assert (found.id, found.keys, found.secondary) == ("Mira.7", ("lamp",), ("oil",))
    assert (found.order, found.disabled, found.position) == (3, True, Position.AFTER)
    assert (found.case_sensitive, found.comment) == (True, "Lamp")


def test_what_sillytavern_adds_is_read() -> None:
    more = {
        "position": 4,
        "depth": 2,
        "role": 1,
        "selectiveLogic": 3,
        "sticky": 5,
        "delay_until_recursion": True,
    }
    found = entry(keys=["a"], content="b", extensions=more)
    assert (found.position, found.depth, found.role) == (Position.DEPTH, 2, Role.USER)
    assert (found.logic, found.sticky, found.waits) == (Logic.ALL, 5, 1)


def test_the_book_says_how_it_is_searched() -> None:
    own = {"scan_depth": 9, "token_budget": 300, "recursive_scanning": False, "entries": []}
    found = book.settings(card({"name": "Mira", "character_book": own}))
    assert (found.depth, found.budget_cap, found.recursive) == (9, 300, False)
    assert book.settings(card({"name": "Mira"})).recursive is True


@settings(max_examples=200)
@given(st.lists(st.one_of(ROWS, ANYTHING), max_size=3), ANYTHING)
def test_no_book_is_too_odd_to_be_read(rows: list[Any], scanned: Any) -> None:
    odd = card({"name": "Odd", "character_book": {"entries": rows, "scan_depth": scanned}})
    assert len(book.entries(odd)) == sum(isinstance(row, dict) for row in rows)
    assert book.settings(odd).depth >= 0
