"""Decorators of Character Card V3: what each line at the head of an entry does."""

from __future__ import annotations

from typing import Any

import pytest

from bench.prompt import Counts
from fabula.prompt.lore.activate import Activation, Occasion, activate
from fabula.prompt.lore.decorators import rules
from fabula.prompt.lore.entry import Entry, Position, Role, entry_of
from fabula.prompt.lore.placing import placed
from fabula.prompt.lore.settings import LoreSettings
from fabula.prompt.lore.timed import Timers


def made(*lines: str, keys: tuple[str, ...] = ("lamp",), **row: Any) -> Entry:
    content = "\n".join((*lines, "It burns oil."))
    return entry_of({"uid": 1, "key": list(keys), "content": content, **row}, "Coast", v3=True)


def told(entry: Entry, *said: str, timers: Timers | None = None, **more: Any) -> Activation:
    occasion = Occasion(messages=said or ("The lamp!",), budget=1000, settings=LoreSettings(), **more)
    found = activate([entry], occasion, timers or Timers(), Counts(), lambda: 0.5)
    assert isinstance(found, Activation)
    return found


def reason(entry: Entry, *said: str, **more: Any) -> str:
    return told(entry, *said, **more).verdicts[0].reason


def test_the_lines_and_the_empty_line_behind_them_are_not_told() -> None:
    assert rules("@@depth 2\n@@role user\n\nIt burns.")[1] == "It burns."
    assert rules("It burns.\n@@depth 2")[1] == "It burns.\n@@depth 2"
    assert made("@@nonsense 4").content == "It burns oil."


def test_where_it_stands_and_whose_text_it_is() -> None:
    entry = made("@@depth 2", "@@role assistant")
    assert (entry.position, entry.depth, entry.role) == (Position.DEPTH, 2, Role.ASSISTANT)
    assert made("@@depth -3").depth == 0
    assert made("@@position scenario", "@@depth 2").position == Position.SCENARIO
    assert made("@@position sideways", "@@depth 2").depth == 2
    assert placed([made("@@position personality")]).personality == ("It burns oil.",)


def test_reverse_depth_counts_from_the_first_message() -> None:
    [found] = told(made("@@reverse_depth 1"), "The lamp!", "b", "c", "d").entries
    assert found.depth == 3


def test_a_fallback_counts_where_the_line_before_is_not_understood() -> None:
    assert made("@@risu_only 3", "@@@agn_only 3", "@@@depth 5", "@@@depth 6").depth == 5
    assert made("@@depth 2", "@@@depth 5").depth == 2
    assert made("@@depth deep", "@@@depth 5").depth == 5
    assert made("@@instruct_depth 40", "@@@depth 5").depth == 5
    assert made("@@depth 1", "@@depth 9").depth == 1


@pytest.mark.parametrize(
    ("line", "more", "why"),
    [
        ("@@activate_only_after 3", {"replies": 2}, "too_early"),
        ("@@activate_only_after 3", {"replies": 3}, "key"),
        ("@@activate_only_every 2", {"replies": 3}, "not_this_turn"),
        ("@@activate_only_every 2", {"replies": 4}, "key"),
        ("@@is_greeting 1", {"greeting": 0}, "other_greeting"),
        ("@@is_greeting 1", {"greeting": 1}, "key"),
        ("@@is_greeting 1", {"greeting": None}, "key"),
        ("@@is_user_icon sailor", {"icon": "cook"}, "other_icon"),
        ("@@is_user_icon sailor", {"icon": "sailor"}, "key"),
        ("@@ignore_on_max_context", {"full": True}, "context_full"),
        ("@@ignore_on_max_context", {"full": False}, "key"),
        ("@@dont_activate", {}, "switched_off"),
        ("@@constant", {}, "constant"),
    ],
)
def test_when_it_is_told(line: str, more: dict[str, Any], why: str) -> None:
    assert reason(made(line), **more) == why


def test_other_keys_are_asked_for_or_forbidden() -> None:
    entry = made("@@additional_keys oil, wick", "@@exclude_keys storm")
    assert reason(entry, "The lamp!") == "additional_keys"
    assert reason(entry, "The lamp and its wick") == "key"
    assert reason(entry, "The lamp, its wick, the storm") == "excluded_key"
    only_regex = made("@@additional_keys wi[ck]+", "@@exclude_keys lamp", keys=("la.p",), use_regex=True)
    settings = LoreSettings(v3_regex=True)
    occasion = Occasion(messages=("The lamp, its wick",), budget=1000, settings=settings)
    found = activate([only_regex], occasion, Timers(), Counts(), lambda: 0.5)
    assert isinstance(found, Activation)
    assert found.verdicts[0].reason == "key"


def test_it_is_searched_as_deep_as_it_says() -> None:
    assert reason(made("@@scan_depth 1"), "Hello.", "The lamp!") == "key_missing"
    assert reason(made("@@scan_depth 2"), "Hello.", "The lamp!") == "key"


def test_activate_goes_before_all_and_before_dont_activate() -> None:
    entry = made("@@dont_activate", "@@activate", "@@activate_only_after 90")
    assert reason(entry, "Nothing.") == "decorator"
    assert reason(made("@@activate", disable=True), "Nothing.") == "disabled"


def test_what_was_told_once_is_kept_or_never_told_again() -> None:
    keeps, once = made("@@keep_activate_after_match"), made("@@dont_activate_after_match")
    for entry, then in ((keeps, "kept"), (once, "told_before")):
        first = told(entry, "The lamp!", length=1)
        assert first.verdicts[0].reason == "key"
        again = Timers.of(first.timers.all())
        assert reason(entry, "Hello.", timers=again, length=3) == then
        assert reason(entry, "Hello.", timers=again, length=1) == "key_missing"  # the turn was taken back


def test_sillytavern_acts_upon_two_of_them_only() -> None:
    row = {"uid": 1, "key": ["lamp"], "content": "@@depth 2\n@@@activate\nIt burns."}
    assert entry_of(row, "Coast").decorators == ("@@activate",)
    assert entry_of(row, "Coast").position == Position.BEFORE
