"""Macros: what cards may write, and that no text of theirs can loop, hang or break a prompt."""

from __future__ import annotations

import datetime
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.prompt.macros.chance import roll, seeded, text_hash
from fabula.prompt.macros.evaluate import MAX_LENGTH, resolved
from fabula.prompt.macros.moments import formatted, span_in_words
from fabula.prompt.macros.scene import Card, Scene, Variables
from fabula.prompt.macros.syntax import scan

NOW = datetime.datetime(2026, 3, 1, 0, 5, 9, 120_000, tzinfo=datetime.UTC)
PIECES = st.sampled_from(
    [
        *("{{", "}}", "{", "}", "::", ":", "user", "if", "else", "/if", "x", " ", "\n", "\\{", "<USER>"),
        *("setvar", "getvar", ".v", "$g", "++", "+=", "random", "pick", "reverse", "//", "trim", "#", "!"),
        *("space", "99999999999", "description", "roll", "9d9", "datetimeformat", "YYYY"),
    ]
)


def scene(**changes: object) -> Scene:
    card = Card(description="{{char}} likes {{description}}.")
    given_ = {"user": "Alex", "char": "Mira", "card": card, "now": NOW}
    return Scene(**given_ | changes)  # type: ignore[arg-type]


@given(st.lists(PIECES, max_size=40).map("".join))
def test_no_text_can_break_or_loop(text: str) -> None:
    assert len(resolved(text, scene())) < MAX_LENGTH


@given(st.text())
def test_text_without_braces_stays(text: str) -> None:
    plain = text.replace("{", "(").replace("\\", "/").replace("<", "(")
    assert resolved(plain, scene()) == plain


@given(st.lists(PIECES, max_size=60).map("".join))
def test_macros_that_were_found_stand_in_order_and_apart(text: str) -> None:
    spans = [node.span for node in scan(text)]
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))
    assert all(text[start : start + 2] == "{{" and text[end - 2 : end] == "}}" for start, end in spans)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{description}}", "Mira likes ."),  # a text inside of itself is nothing
        ("{{if !{{noop}}}}a{{else}}b{{/if}}", "a"),
        ("{{if 0}}a{{else}}{{if user}}x{{else}}y{{/if}}{{/if}}", "x"),
        ("{{if::user::inline}}", "inline"),
        ("{{if .none}}a{{else}}b{{/if}}", "b"),
        ("{{if off}}a{{/if}}b", "b"),
        ("{{#if user}} kept {{/if}}", " kept "),
        ("{{setvar::t}}\n  one\n    two\n{{/setvar}}{{getvar::t}}", "one\n  two"),
        ("{{reverse}}abc{{/reverse}}", "cba"),
        ("{{// note}}{{//}}block {{user}}{{///}}x", "x"),
        ("{{foo::{{user}}}}{{foo}} bar {{/foo}}", "{{foo::Alex}}{{foo}}bar}}"),
        ("{{foo}}{{/foo}}|{{random}}a{{/random}}", "{{foo}}|{{random}}a{{/random}}"),
        ("a\n{{if user}}{{trim}}b{{/if}}", "a\nb"),  # what `trim` takes along ends with the branch
        ("{{.v = {{if 1}}a{{/if}}}}{{.v}}", "{{if 1}}a{{/if}}"),  # values know no blocks
        ("{{{user}}} {{user", "{Alex} {{user"),
        ("{{user::x}}{{user:}}", "{{user::x}}{{user:}}"),  # no such arguments
        ("{{newline::two}}", "{{newline::two}}"),
        ("a\n\n{{trim}}\nb {{newline}}{{trim}}c", "ab c"),
        ("{{[INPUT]}} {{ }}", "{{[INPUT]}} {{ }}"),
        ("{{random::only}}{{random}}{{pick::only}}", "onlyonly"),
        ("{{roll:nonsense}}|{{roll 0d6}}|{{roll::1}}", "||1"),
        ("{{time_UTC-5}}", "7:05 PM"),
        ("{{notChar}} {{group}}", "Alex Mira"),
        ("<user> <Bot> <GROUP>", "Alex Mira Mira"),
        ("{{isMobile}}{{allChatRange}}{{lastMessageId}}", "false"),
    ],
)
def test_what_a_macro_gives(text: str, expected: str) -> None:
    assert resolved(text, scene()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{.a = 5}}{{.a++}}{{.a += 2}}{{.a}}", "68"),
        ("{{.a = 1.50}}{{.a}} {{.a += 0.1}}{{.a}}", "1.5 1.6"),
        ("{{.a = x}}{{.a += y}}{{.a}}", "xy"),
        ("{{.a = x}}{{.a += {{noop}} y{{space}}}}{{.a}}", "xy"),  # what a macro leaves is cut as well
        ("{{.a--}}{{.a -= 2}}{{.a}}", "-1-3"),
        ("{{.a ?? new}}{{.a ??= kept}}{{.a}}", "newkeptkept"),
        ("{{.a = 0}}{{.a || other}}{{.a ||= last}}{{.a}}", "otherlastlast"),
        ("{{.a = 3}}{{.a == 3}}{{.a != 3}}{{.a > 2}}{{.a <= 2}}{{.b > x}}", "truefalsetruefalsefalse"),
        ("{{setvar::l::[1,2]}}{{addvar::l::3}}{{getvarkey::l::2}}", "3"),
        ("{{setvarkey::o::k::v}}{{getvar::o}}{{getvarkey::o::k}}", '{"k":"v"}v'),
        ("{{$g = here}}{{getglobalvar::g}}{{hasvar::g}}{{flushglobalvar::g}}{{$g}}", "herefalse"),
    ],
)
def test_variables_follow_the_rules_of_javascript(text: str, expected: str) -> None:
    assert resolved(text, scene(local=Variables(), everywhere=Variables())) == expected


def test_a_pick_stays_and_a_random_does_not() -> None:
    text = "{{pick::a::b::c::d}}{{random::a::b::c::d}}"
    first, second = (resolved(text, scene(chat_id="c", draw=lambda at=at: at)) for at in (0.0, 0.9))
    assert first[0] == second[0]
    assert first[1] + second[1] == "ad"


def test_a_pick_depends_on_its_place_in_utf_16_units() -> None:
    def picked(before: str) -> str:
        whole = before + "{{pick::" + "::".join("abcdefghijklmnopqrstuvwxyz") + "}}"
        place = len(before.encode("utf-16-le")) // 2
        seed = f"{text_hash('c')}-{text_hash(whole)}-{place}"
        expected = "abcdefghijklmnopqrstuvwxyz"[int(seeded(str(text_hash(seed)))() * 26)]
        assert resolved(whole, scene(chat_id="c")) == before + expected
        return expected

    assert len({picked(before) for before in ("", "x", "木", "😀", "😀😀x")}) > 1


def test_the_seeded_generator_is_seedrandom() -> None:
    draw = seeded("hello.")  # the figures of its own documentation
    assert [draw(), draw()] == [0.9282578795792454, 0.3752569768646784]


@given(st.integers(1, 9), st.integers(1, 100), st.floats(0, 0.999999))
def test_dice_stay_on_their_faces(count: int, sides: int, at: float) -> None:
    total = roll(f"{count}d{sides}", lambda: at)
    assert total is not None
    assert count <= total <= count * sides


def test_times_are_written_as_moment_writes_them() -> None:
    layout = "[It is] dddd, Do MMMM YYYY, HH:mm:ss.SSS h A, w W DDDD Q Z x LL l"
    date = "It is Sunday, 1st March 2026, 00:05:09.120 12 AM"
    assert formatted(NOW, layout) == f"{date}, 10 9 060 1 +00:00 1772323509120 March 1, 2026 3/1/2026"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "a few seconds"),
        (44, "a few seconds"),
        (60, "a minute"),
        (120, "2 minutes"),
        (3600, "an hour"),
        (22 * 3600, "a day"),
        (26 * 86400, "a month"),
        (330 * 86400, "a year"),
        (800 * 86400, "2 years"),
    ],
)
def test_spans_are_told_as_moment_tells_them(seconds: int, words: str) -> None:
    assert span_in_words(datetime.timedelta(seconds=seconds)) == words
