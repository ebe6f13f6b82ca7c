"""SillyTavern's chat files: what goes in comes out again, line by line and file by file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from story_truth import ROLEPLAY

from fabula.chats.exchange import lines, tavern
from fabula.chats.exchange.said import Said, iso, when
from fabula.chats.exchange.tavern import Facing

CHATS = ROLEPLAY / "chats"
REAL = sorted(CHATS.glob("*.jsonl"))
NOBODY = Facing("Chat", "User", "", {})


def there_and_back(files: list[tuple[str, bytes]]) -> dict[str, str]:
    read = [tavern.read(name, content) for name, content in files]
    back: dict[str, str] = {}
    for family in tavern.families(read):
        whole = tavern.grown(family)
        back |= tavern.files(whole, whole.files[0].end, NOBODY)
    return back


def parsed(content: str) -> list[Any]:
    return [json.loads(row) for row in content.split("\n") if row]


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_a_file_of_sillytavern_comes_out_as_it_went_in(path: Path) -> None:
    back = there_and_back([(path.stem, path.read_bytes())])
    assert parsed(back[path.stem]) == parsed(path.read_text())


def test_a_chat_its_branch_and_its_checkpoint_are_one_tree_and_come_out_as_three_files() -> None:
    read = [tavern.read(path.stem, path.read_bytes()) for path in REAL]
    [family] = [family for family in tavern.families(read) if len(family) == 3]
    whole = tavern.grown(family)
    assert [len(whole.growth.children(""))] == [3]  # the greetings, once
    assert {one.checkpoint for one in whole.growth.all.values()} == {"", "CP1"}
    back = dict(tavern.files(whole, whole.files[0].end, NOBODY))
    for path in REAL:
        if path.stem in back:
            assert parsed(back[path.stem]) == parsed(path.read_text())
    assert len(back) == 3


# ── whatever a file says ────────────────────────────────────────────────────────────────────────────

TEXT = st.text(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
INFO = st.fixed_dictionaries(
    {}, optional={"send_date": TEXT, "extra": st.dictionaries(TEXT, JSON, max_size=2)}
)


@st.composite
def some_lines(draw: st.DrawFn) -> dict[str, Any]:
    line: dict[str, Any] = {"name": draw(TEXT), "is_user": draw(st.booleans()), "mes": draw(TEXT)}
    if draw(st.booleans()):
        line["is_system"] = draw(st.booleans())
    if draw(st.booleans()):
        line["extra"] = draw(
            st.dictionaries(st.sampled_from(["bookmark_link", "reasoning", "type", "x"]), JSON)
        )
    if draw(st.booleans()):
        line["swipes"] = draw(st.lists(TEXT, max_size=3))
        line["swipe_id"] = draw(st.integers(-1, 3))
        if draw(st.booleans()):
            line["swipe_info"] = draw(st.lists(INFO, max_size=3))
    return line | draw(st.dictionaries(TEXT, JSON, max_size=2))


HEADERS = st.fixed_dictionaries(
    {"chat_metadata": st.dictionaries(TEXT, JSON, max_size=3)},
    optional={"user_name": TEXT, "character_name": TEXT, "create_date": TEXT},
)


@settings(max_examples=400, deadline=None)
@given(HEADERS, st.lists(some_lines(), max_size=6))
def test_what_goes_in_comes_out(header: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    header["chat_metadata"].pop("main_chat", None)
    content = "\n".join(json.dumps(row) for row in [header, *rows])
    back = there_and_back([("a chat", content.encode())])
    assert tavern.same(parsed(back["a chat"]), [header, *rows])


@settings(max_examples=100, deadline=None)
@given(HEADERS, st.lists(some_lines(), max_size=5), st.lists(some_lines(), max_size=4), st.integers(0, 5))
def test_a_chat_and_its_branch_come_out_as_two_files(
    header: dict[str, Any], rows: list[dict[str, Any]], other: list[dict[str, Any]], fork: int
) -> None:
    branch = [{"chat_metadata": {"main_chat": "main"}, "user_name": "u"}, *rows[:fork], *other]
    content = {"main": [header, *rows], "main - Branch #1": branch}
    back = there_and_back(
        [(name, "\n".join(map(json.dumps, rows)).encode()) for name, rows in content.items()]
    )
    assert all(tavern.same(parsed(back[name]), rows) for name, rows in content.items())


def test_a_line_that_is_broken_is_set_aside_and_the_others_are_read() -> None:
    file = tavern.read(
        "a", b'{"user_name":"u"}\n{"mes":"one","is_user":true}\n{"mes": tw\n[1]\n{"mes":"three"}'
    )
    assert ([line["mes"] for line in file.lines], file.bad) == (["one", "three"], ('{"mes": tw', "[1]"))


# ── what was changed here ───────────────────────────────────────────────────────────────────────────

SWIPED = {
    "name": "Mira",
    "is_user": False,
    "send_date": "2026-11-21T18:35:52.148Z",
    "mes": "two",
    "extra": {"model": "b"},
    "swipes": ["one", "two"],
    "swipe_id": 1,
    "swipe_info": [{"send_date": "1", "extra": {"model": "a"}}, {"send_date": "2", "extra": {"model": "b"}}],
}


def test_another_swipe_brings_its_own_date_and_extras_to_the_line() -> None:
    [first, second], shown = lines.read(SWIPED)
    assert shown == 1
    line = lines.written(first, [first, second])
    assert (line["mes"], line["swipe_id"], line["send_date"], line["extra"]) == (
        "one",
        0,
        "1",
        {"model": "a"},
    )
    assert line["swipes"] == ["one", "two"]


def test_an_edit_reaches_the_line_and_its_swipe() -> None:
    [first, second], _ = lines.read(SWIPED)
    second.text, second.fresh = "two!", True
    line = lines.written(second, [first, second])
    assert (line["mes"], line["swipes"], line["swipe_info"]) == (
        "two!",
        ["one", "two!"],
        SWIPED["swipe_info"],
    )


def test_a_new_swipe_has_its_place_in_all_lists() -> None:
    [first, second], _ = lines.read(SWIPED)
    third = Said(role="assistant", author="Mira", text="three", created=1.5, model="c", fresh=True)
    line = lines.written(third, [first, second, third])
    assert (line["mes"], line["swipe_id"], line["swipes"]) == ("three", 2, ["one", "two", "three"])
    assert line["swipe_info"][2] == {"send_date": "1970-01-01T00:00:01.500Z", "extra": {"model": "c"}}


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2026-11-21T18:35:48.076Z", 1795286148.076),
        (1795286148076, 1795286148.076),
        ("1795286148076", 1795286148.076),
        ("yesterday", 0.0),
        (None, 0.0),
        (True, 0.0),
    ],
)
def test_times_of_several_forms_are_read(written: object, seconds: float) -> None:
    assert when(written) == pytest.approx(seconds)


def test_older_forms_of_times_are_read_as_local_time() -> None:
    assert iso(when("June 1, 2024 3:04pm"))[:4] == iso(when("2024-06-01 @15h 04m 00s 123ms"))[:4] == "2024"
    assert when("June 1, 2024 3:04pm") == when("2024-06-01 @15h 04m 00s")
