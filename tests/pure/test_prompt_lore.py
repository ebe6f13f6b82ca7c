"""Lorebooks beyond the ground truth: explanations, budgets, every script's words, limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from story_truth import Counted

from fabula.prompt.lore.activate import Activation, Occasion, activate, ordered
from fabula.prompt.lore.buffer import Buffer
from fabula.prompt.lore.candidates import Candidates
from fabula.prompt.lore.entry import Entry, Position, entry_of
from fabula.prompt.lore.placing import placed
from fabula.prompt.lore.settings import LoreSettings
from fabula.prompt.lore.timed import Timers
from fabula.prompt.plan import NeedCounts

PLAIN = LoreSettings(recursive=False, whole_words=True)
TURN = Occasion(messages=["Alex: Is the king near?", "Mira: The dragon sleeps."], budget=1000, settings=PLAIN)


def entry(uid: int = 0, **fields: object) -> Entry:
    return replace(Entry(uid=str(uid), keys=("king",), content=f"lore {uid}"), **fields)  # type: ignore[arg-type]


def found(entries: Sequence[Entry], turn: Occasion | None = None, timers: Timers | None = None) -> Activation:
    result = activate(entries, turn or TURN, timers or Timers(), Counted(), lambda: 0.5)
    assert isinstance(result, Activation)
    return result


@pytest.mark.parametrize(
    ("fields", "reason", "fired"),
    [
        ({}, "key", True),
        ({"constant": True, "keys": ()}, "constant", True),
        ({"decorators": ("@@activate",), "keys": ("nothing",)}, "decorator", True),
        ({"disabled": True}, "disabled", False),
        ({"triggers": frozenset(["swipe"])}, "trigger", False),
        ({"characters": frozenset(["Bob"])}, "character", False),
        ({"tags": frozenset(["t"])}, "tag", False),
        ({"delay": 9}, "delay", False),
        ({"waits": 1}, "waits_for_recursion", False),
        ({"decorators": ("@@dont_activate",)}, "switched_off", False),
        ({"keys": ()}, "no_keys", False),
        ({"keys": ("queen",)}, "key_missing", False),
        ({"secondary": ("far",)}, "secondary_keys", False),
        ({"probability": 10}, "probability", False),
        ({"keys": ("/(a|aa)+$/",), "scan_depth": 2}, "slow_key", False),
    ],
)
def test_every_entry_says_why(fields: dict[str, object], reason: str, fired: bool) -> None:
    turn = replace(
        TURN, tags=frozenset(), messages=["a" * 60 + "b", *TURN.messages], settings=replace(PLAIN, depth=3)
    )
    verdict = found([entry(**fields)], turn).verdicts[0]
    assert (verdict.reason, verdict.fired) == (reason, fired)
    assert (verdict.key == "king") == (reason in ("key", "secondary_keys", "probability"))
    assert (verdict.tokens > 0) == fired


def test_the_loser_of_a_group_and_what_was_too_much_are_told() -> None:
    rivals = [entry(0, group="g", order=2), entry(1, group="g", wins_group=True, order=1)]
    assert [verdict.reason for verdict in found(ordered(1, character=rivals)).verdicts] == ["group", "key"]
    tight = found([entry(0), entry(1), entry(2)], replace(TURN, budget=5))
    assert [verdict.reason for verdict in tight.verdicts] == ["key", "budget", "budget"]


def test_texts_without_a_count_are_asked_for_once() -> None:
    entries = [entry(0), entry(1)]
    need = activate(entries, TURN, Timers(), {}, lambda: 0.5)
    assert need == NeedCounts(("lore 0\n", "lore 1\n"))
    counts = dict.fromkeys(need.texts, 3)
    assert isinstance(activate(entries, TURN, Timers(), counts, lambda: 0.5), Activation)


CONTENTS = st.text("ab \n.", min_size=1, max_size=12)  # empty ones are not searched, nor counted again
ENTRIES = st.lists(
    st.builds(
        lambda content, order, group, chance, recursion: (content, order, group, chance, recursion),
        CONTENTS,
        st.integers(0, 5),
        st.sampled_from(["", "g", "g, h", "h"]),
        st.sampled_from([100, 50]),
        st.booleans(),
    ),
    max_size=12,
)


def random_entry(uid: int, content: str, order: int, group: str, chance: int, deep: bool) -> Entry:
    keys = ("king", "a") if deep else ("king",)
    return entry(uid, content=content, order=order, group=group, probability=chance, keys=keys)


@given(ENTRIES, st.integers(1, 30), st.booleans(), st.integers(0, 3))
def test_the_budget_is_never_exceeded_and_nothing_is_told_twice(
    rows: list[tuple[str, int, str, int, bool]], budget: int, recursive: bool, least: int
) -> None:
    entries = ordered(0, everywhere=[random_entry(number, *row) for number, row in enumerate(rows)])
    settings = replace(PLAIN, recursive=recursive, min_activations=least)
    result = found(entries, replace(TURN, budget=budget, settings=settings))
    ids = [one.id for one in result.entries]
    assert len(ids) == len(set(ids))
    assert sum(Counted()[one.content.lstrip() + "\n"] for one in result.entries) == result.tokens
    assert result.tokens < budget or not ids
    assert [verdict.entry for verdict in result.verdicts] == list(entries)
    assert found(entries, replace(TURN, budget=budget, settings=settings)) == result


@given(st.permutations(range(6)))
def test_higher_orders_are_read_later_whatever_the_order_of_the_list(orders: list[int]) -> None:
    entries = [entry(number, order=order, content=f"{order}") for number, order in enumerate(orders)]
    result = found(ordered(1, character=entries))
    assert placed(result.entries).before == tuple("012345")


@pytest.mark.parametrize(
    ("key", "text", "ascii_found", "unicode_found"),
    [
        ("王", "見王了", True, True),
        ("国王", "老国王死了", True, True),
        ("рол", "король", True, False),
        ("король", "Король спит.", True, True),
        ("ドラゴン", "あのドラゴンは", True, True),
        ("over", "Überover", False, False),
        ("e kin", "the king", True, False),
        ("the king", "the king!", True, True),
        ("mira", "米拉Mira來了", True, True),
    ],
)
def test_words_of_every_script(key: str, text: str, ascii_found: bool, unicode_found: bool) -> None:
    for unicode_words, expected in ((False, ascii_found), (True, unicode_found)):
        turn = replace(TURN, messages=[text], settings=replace(PLAIN, unicode_words=unicode_words))
        assert bool(found([entry(keys=(key,))], turn).entries) == expected


def test_keys_may_be_expressions() -> None:
    assert found([entry(keys=("/dra.on/i",))]).entries
    assert not found([entry(keys=("/DRAGON/",))]).entries
    assert not found([entry(keys=("dra.on",), use_regex=True)]).entries
    v3 = replace(TURN, settings=replace(PLAIN, v3_regex=True))
    assert found([entry(keys=("dra.on",), use_regex=True)], v3).entries


def test_positions_of_depth_examples_and_outlets() -> None:
    entries = [
        entry(0, position=Position.DEPTH, depth=2, content="low", order=1),
        entry(1, position=Position.DEPTH, depth=2, content="high", order=9),
        entry(2, position=Position.DEPTH, depth=2, role=1, content="user"),
        entry(3, position=Position.EXAMPLES_BOTTOM, content="ex"),
        entry(4, position=Position.OUTLET, outlet="o", content="second", order=1),
        entry(5, position=Position.OUTLET, outlet="o", content="first", order=9),
    ]
    told = placed(found(entries).entries)
    depths = {(at.depth, at.role): at.texts for at in told.depths}
    assert depths == {(2, 0): ("low", "high"), (2, 1): ("user",)}
    assert told.examples == ((Position.EXAMPLES_BOTTOM, "ex"),)
    assert told.outlet_texts == {"o": "first\nsecond"}


def test_an_edit_ends_an_entrys_timer() -> None:
    row = {"uid": 1, "key": ["king"], "content": "a", "sticky": 5}
    timers = found([entry_of(row, "b")]).timers
    later = replace(TURN, messages=["nothing", *TURN.messages, "x"])
    assert found([entry_of(row, "b")], later, timers).verdicts[0].reason == "sticky"
    edited = found(
        [entry_of(row | {"content": "b"}, "b")], replace(later, settings=replace(PLAIN, depth=1)), timers
    )
    assert edited.verdicts[0].reason == "key_missing"


_SAID = st.lists(st.text("abÄσΣς.n \n龍", max_size=12), max_size=4)
_KEYS = st.lists(
    st.sampled_from(["a", "ab", "a b", "a.", "ΣΑΣ", "ς", "Σ", "龍", "/a.b/", "a\nb", "b.", " a"]), max_size=3
)


@given(
    _SAID,
    st.lists(
        st.tuples(_KEYS, st.text("abΣ .龍", max_size=8), st.booleans(), st.none() | st.booleans()), max_size=5
    ),
    st.booleans(),
    st.booleans(),
    st.integers(0, 3),
    st.lists(
        st.sampled_from(["", "constant", "waits", "deaf_to_recursion", "delay"]), min_size=5, max_size=5
    ),
)
def test_the_quick_look_misses_nothing(
    texts: list[str],
    rows: list[tuple[list[str], str, bool, bool | None]],
    unicode: bool,
    v3: bool,
    least: int,
    ways: list[str],
) -> None:
    settings = LoreSettings(unicode_words=unicode, v3_regex=v3, depth=1, min_activations=least)
    turn = Occasion(messages=texts, budget=1000, settings=settings)
    entries = [
        Entry(
            uid=str(number),
            keys=tuple(keys),
            content=content,
            use_regex=regex,
            case_sensitive=exact,
            whole_words=exact,
            **{way: 1 for way in ways[number : number + 1] if way},
        )
        for number, (keys, content, regex, exact) in enumerate(rows)
    ]
    quick = found(entries, turn)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Candidates, "within", lambda *_: range(10_000))
        slow = found(entries, turn)
    assert [(seen.fired, seen.key) for seen in quick.verdicts] == [
        (seen.fired, seen.key) for seen in slow.verdicts
    ]
    assert (quick.entries, quick.timers, quick.tokens) == (slow.entries, slow.timers, slow.tokens)


def test_entries_that_nothing_names_are_not_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    text = Buffer.text

    def seen(buffer: Buffer, entry: Entry, with_recursion: bool) -> str:
        looked.append(entry.uid)
        return text(buffer, entry, with_recursion)

    monkeypatch.setattr(Buffer, "text", seen)
    told = found([entry(number, keys=(f"nowhere {number}",)) for number in range(500)] + [entry(500)])
    assert [one.uid for one in told.entries] == ["500"]
    assert set(looked) == {"500"}


def test_what_recursion_cannot_search_costs_nothing() -> None:
    """An entry that starts no recursion leaves no text behind, so a later pass has the whole budget."""
    settings = replace(PLAIN, recursive=True, min_activations=2)
    entries = [entry(0, starts_no_recursion=True), entry(1, keys=("lake",), content="a b")]
    turn = replace(TURN, messages=[*TURN.messages, "Alex: By the lake."], settings=settings, budget=5)
    assert [seen.reason for seen in found(ordered(1, character=entries), turn).verdicts] == ["key", "key"]
