"""JavaScript's expressions keep their meaning, and bad or slow ones do no harm."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.prompt.macros.scene import Scene
from fabula.prompt.regexes.javascript import NotJavaScript, compiled
from fabula.prompt.regexes.scripts import Placement, Script, run, run_all


@pytest.mark.parametrize(
    ("source", "flags", "text", "expected"),
    [
        (r"\w+", "g", "abc Ünder 王", "<abc> Ü<nder> 王"),  # \w is ASCII
        (r"\bk", "g", "Ök k", "Ö<k> <k>"),
        (r"\d", "g", "1٣", "<1>٣"),
        (r"\s", "g", "a\u00a0b\ufeffc", "a<\u00a0>b<\ufeff>c"),
        (r".+", "g", "a\u2028b", "<a>\u2028<b>"),
        (r".+", "gs", "a\nb", "<a\nb>"),
        ("b$", "g", "b\nb", "b\n<b>"),
        ("^b$", "gm", "b\nb", "<b>\n<b>"),
        ("x*", "g", "axb", "<>a<x><>b<>"),
        (r"(a)?b\1c", "", "bc", "<bc>"),  # a group that took no part matches nothing
        (r"(?<n>a)\k<n>", "", "aa", "<aa>"),
        ("a{,2}", "", "a{,2}", "<a{,2}>"),
        ("{{char}}", "", "{{char}}", "<{{char}}>"),
        ("[^]", "g", "a\n", "<a><\n>"),
        ("a[]|b", "", "ab", "a<b>"),
        (r"[\w-]+", "", "a-b", "<a-b>"),
        (r"[\s\S]+", "", "a\nb", "<a\nb>"),
        (r"[^\W_]+", "", "_ab_", "_<ab>_"),
        (r"[[&&~~||-]+", "", "&|-[~", "<&|-[~>"),
        (r"\u{41}", "u", "A", "<A>"),
        (r"\u0041\x42\cA", "", "AB\x01", "<AB\x01>"),
        (r"\p{L}+", "u", "Ünd 1", "<Ünd> 1"),
        (r"\p", "", "p", "<p>"),
        (r"\-\/\_", "", "-/_", "<-/_>"),
        ("(?<=a+)b", "", "aab", "aa<b>"),
        ("a+?", "g", "aa", "<a><a>"),
        ("A", "gi", "aA", "<a><A>"),
        ("a", "y", "ba", "ba"),
    ],
)
def test_an_expression_means_what_javascript_means(source: str, flags: str, text: str, expected: str) -> None:
    assert compiled(source, flags).replaced(text, lambda match: f"<{match[0]}>") == expected


REFUSED = ["a++", "*a", "(?P<n>a)", "(?#c)", "[a", "(a", "[b-a]", "a\\", "a{2}{3}", "a{99999}"]
FLAGGED = [*((source, "") for source in REFUSED), ("a", "gg"), ("a", "x")]


@pytest.mark.parametrize(("source", "flags"), FLAGGED)
def test_what_is_no_expression_of_javascript_is_refused(source: str, flags: str) -> None:
    with pytest.raises(NotJavaScript):
        compiled(source, flags)


@pytest.mark.parametrize(
    "source",
    [
        "((a{1000}){101})",
        "[]|(a{1000}){101}",
        "[^](a{1000}){101}",
        r"(a{1000}|\){2}){101}",
        r"(\b{1000}){101}",
    ],
)
def test_repetitions_in_one_another_that_would_take_the_memory_are_refused(source: str) -> None:
    with pytest.raises(NotJavaScript, match="100000 parts"):
        compiled(source)


@pytest.mark.parametrize(
    "source", ["a{10000}", "(a{1000}){90}", "(ba{0,1000}){1000}", r"\(?next(\d{40} ){40}\.{40}"]
)
def test_repetitions_that_cost_little_are_taken(source: str) -> None:
    assert not compiled(source).found_in("a")


@given(st.text("ab(){}[]\\^$.|?*+-,:<>!=dwsbk1", max_size=25))
def test_any_text_is_compiled_or_refused(source: str) -> None:
    with contextlib.suppress(NotJavaScript):
        compiled(source).found_in("ab", limit_s=1)


def test_a_slow_expression_is_stopped() -> None:
    slow = Script(finds="/(a|aa)+$/", placements=frozenset([2]))
    with pytest.raises(TimeoutError):
        run(slow, "a" * 60 + "b", Scene(), limit_s=0.05)


@pytest.mark.parametrize(
    ("finds", "by", "text", "expected"),
    [
        ("foo", "[{{MATCH}}]", "foo foo", "[foo] foo"),  # without slashes: the first only
        ("/f(o)(x)?/g", "$1$2$9$0", "fo fo", "ofo ofo"),
        ("/(?<a>b)/", "$<a>$<none>", "b", "b"),
        ("/a/b/g", "x", "a/b a/b", "x x"),
        ("/[/", "x", "[", "["),  # refused: nothing happens
        ("/o/g", "{{user}}", "oo", "AlexAlex"),
    ],
)
def test_a_script_replaces(finds: str, by: str, text: str, expected: str) -> None:
    assert run(Script(finds=finds, replacement=by), text, Scene(user="Alex")) == expected


def test_macros_of_an_expression_are_resolved_and_escaped_if_wished() -> None:
    person = Scene(user="A.x")
    assert run(Script(finds="/{{user}}/g", replacement="-", macros=1), "Alx A.x", person) == "- -"
    assert run(Script(finds="/{{user}}/g", replacement="-", macros=2), "Alx A.x", person) == "Alx -"


@pytest.mark.parametrize(
    ("script", "applies"),
    [
        (Script(finds="a", placements=frozenset([2]), only_sent=True), True),
        (Script(finds="a", placements=frozenset([2]), only_shown=True), False),
        (Script(finds="a", placements=frozenset([2])), False),  # such a script changes what is stored
        (Script(finds="a", placements=frozenset([1]), only_sent=True), False),
        (Script(finds="a", placements=frozenset([2]), only_sent=True, disabled=True), False),
        (Script(finds="a", placements=frozenset([2]), only_sent=True, least_depth=3), False),
        (Script(finds="a", placements=frozenset([2]), only_sent=True, most_depth=2), True),
    ],
)
def test_a_script_applies_where_it_says(script: Script, applies: bool) -> None:
    found = run_all([script], "a", Scene(), Placement.REPLY, "sent", depth=2)
    assert (found == "") == applies
