"""GBNF read as llama.cpp reads it, and text held against it one character at a time. Pure; knows no token.

Source: the description of the language in llama.cpp's grammars/README. Rules are opened into stacks of places
in them; a text is possible while there is a stack left, and whole when one of them is empty. What follows
nothing in its rule leaves no place behind, so that repetitions do not grow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import regex

ROOT = "root"
DONE = 0  # the empty stack
MOST_STEPS = 1 << 18  # that are remembered
MOST_REPEATED = 2000  # as llama.cpp
MOST_WAYS = 20_000  # into a rule: the engine follows each, and would for ever
LAST_CODE = 0x10FFFF
_TOKEN = regex.compile(
    r"""\s+|\#[^\n]*|(?P<name>[\w-]+\s*::=)|(?P<text>"(?:\\.|[^"\\])*")|(?P<set>\[(?:\\.|[^\]\\])*\])"""
    r"""|(?P<word>[\w-]+)|(?P<times>\{\s*\d+\s*(?:,\s*\d*\s*)?\})|(?P<sign>[()|*+?.])|(?P<token>!?<[^>\s]+>)""",
    regex.DOTALL,
)
_NAME = regex.compile(r"[A-Za-z0-9-]+")
_CHARACTER = regex.compile(r"\\x(..)|\\u(.{4})|\\U(.{8})|\\(.)|(.)", regex.DOTALL)
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "[": "[", "]": "]"}
_TIMES = {"*": (0, None), "+": (1, None), "?": (0, 1)}

Stacks = frozenset[int]


class BadGrammar(ValueError):
    """What is wrong, and where."""


def check(text: str) -> None:
    """Raises BadGrammar for what llama.cpp refuses without a reason, and for what it hangs or dies of.

    What only llama.cpp understands (tokens in <>, more than `MOST_REPEATED` times at most) is left to it.
    """
    try:
        rules = _Reader(text, for_llamacpp=True).rules()
    except RecursionError as wrong:
        raise BadGrammar("there are too many brackets inside each other") from wrong
    _refuse_left_recursion(rules)
    _refuse_too_many_ways(rules)


@dataclass(frozen=True, slots=True)
class Characters:
    """One character of these ranges of codes, which are sorted; or of none of them."""

    ranges: tuple[tuple[int, int], ...]
    others: bool = False

    def __contains__(self, code: int) -> bool:
        return any(low <= code <= high for low, high in self.ranges) != self.others

    def has_any(self, first: int, last: int) -> bool:
        """Whether one of the codes from first to last is such a character."""
        if not self.others:
            return any(low <= last and high >= first for low, high in self.ranges)
        for low, high in self.ranges:
            if low <= first <= high:
                first = high + 1
        return first <= last


Part = Characters | int | None
"""A character, the number of a rule, or the end of an alternative."""
Alternatives = list[list["Characters | int"]]


class Gbnf:
    """A grammar. Raises BadGrammar."""

    def __init__(self, text: str) -> None:
        rules = _Reader(text).rules()
        self._parts: list[Part] = []
        self._starts: list[list[int]] = []
        for alternatives in rules:
            self._starts.append([self._stored(parts) for parts in alternatives])
        _refuse_left_recursion(rules)
        self._places: list[tuple[int, int]] = [(0, 0)]  # (part, the stack below); number 0 is the empty one
        self._numbers: dict[tuple[int, int], int] = {}
        self._steps: dict[tuple[Stacks, int], Stacks] = {}
        self.start = self._opened([(start, DONE) for start in self._starts[0]])

    def step(self, stacks: Stacks, code: int) -> Stacks:
        """After one more character; empty where it cannot follow."""
        known = self._steps.get((stacks, code))
        if known is None:
            if len(self._steps) >= MOST_STEPS:
                self._steps.clear()
            after = [(part + 1, below) for part, below in self._tops(stacks) if code in self._set(part)]
            known = self._steps[stacks, code] = self._opened(after)
        return known

    def may_follow(self, stacks: Stacks, first: int, last: int) -> bool:
        """Whether one of these characters can follow."""
        return any(self._set(part).has_any(first, last) for part, _ in self._tops(stacks))

    def is_whole(self, stacks: Stacks) -> bool:
        return DONE in stacks

    # ── stacks ──────────────────────────────────────────────────────────────────────────────────────

    def _tops(self, stacks: Stacks) -> Iterator[tuple[int, int]]:
        return (self._places[stack] for stack in stacks if stack != DONE)

    def _set(self, part: int) -> Characters:
        found = self._parts[part]
        assert isinstance(found, Characters), "a stack's top is a character"
        return found

    def _opened(self, places: list[tuple[int, int]]) -> Stacks:
        """The stacks whose tops are characters, or that are empty, to which these places lead."""
        found, seen = set(), set(places)
        while places:
            at, below = places.pop()
            part = self._parts[at]
            if isinstance(part, Characters):
                found.add(self._number(at, below))
                continue
            if part is None and below == DONE:
                found.add(DONE)
                continue
            more = [self._places[below]] if part is None else self._inside(part, at, below)
            places += [place for place in more if place not in seen]
            seen.update(more)
        return frozenset(found)

    def _inside(self, rule: int, at: int, below: int) -> list[tuple[int, int]]:
        if self._parts[at + 1] is not None:
            below = self._number(at + 1, below)
        return [(start, below) for start in self._starts[rule]]

    def _number(self, part: int, below: int) -> int:
        place = (part, below)
        if place not in self._numbers:
            self._numbers[place] = len(self._places)
            self._places.append(place)
        return self._numbers[place]

    def _stored(self, parts: list[Characters | int]) -> int:
        start = len(self._parts)
        self._parts += [*parts, None]
        return start


class _Reader:
    """Rules by their numbers; the root is number 0."""

    def __init__(self, text: str, *, for_llamacpp: bool = False) -> None:
        self._text = text
        self._for_llamacpp = for_llamacpp
        self._tokens = list(_tokens(text))
        self._at = 0
        self._numbers = {ROOT: 0}
        self._rules: list[Alternatives | None] = [None]

    def rules(self) -> list[Alternatives]:
        while self._at < len(self._tokens):
            kind, name = self._next()
            if kind != "name":
                raise BadGrammar(f"a rule begins with its name and ::=, not with {name!r}")
            self._rules[self._number(name[:-3].strip())] = self._alternatives()
        names = {number: name for name, number in self._numbers.items()}
        for number, rule in enumerate(self._rules):
            if rule is None:
                raise BadGrammar(f"there is no rule {names[number]!r}")
        return [rule for rule in self._rules if rule is not None]

    def _alternatives(self) -> Alternatives:
        found: Alternatives = [[]]
        while self._at < len(self._tokens) and self._tokens[self._at][0] != "name":
            if self._tokens[self._at][1] == ")":
                break
            kind, text = self._next()
            if text == "|" and kind == "sign":
                found.append([])
            elif kind == "times" or text in _TIMES:
                raise BadGrammar(f"{text!r} has nothing before it")
            else:
                found[-1] += self._repeated(self._item(kind, text))
        return found

    def _item(self, kind: str, text: str) -> list[Characters | int]:
        if kind == "text":
            return [Characters(((code, code),)) for code, _ in _codes(text[1:-1])]
        if kind == "set":
            return [_set(text[1:-1])]
        if kind == "word":
            return [self._number(text)]
        if kind == "token" and not self._for_llamacpp:
            raise BadGrammar(f"{text!r}: tokens are not understood")
        if text == "." or kind == "token":
            return [Characters(((0, LAST_CODE),))]
        inside = self._alternatives()
        if self._at == len(self._tokens) or self._next()[1] != ")":
            raise BadGrammar("a bracket ( is not closed")
        return [self._new(inside)]

    def _repeated(self, item: list[Characters | int]) -> list[Characters | int]:
        while self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            if kind == "times":
                least, most = _bounds(text)
                if (most or 0) > MOST_REPEATED:
                    most = self._many(text, least)
            elif kind == "sign" and text in _TIMES:
                least, most = _TIMES[text]
            else:
                break
            self._at += 1
            item = item * least + self._more(item, None if most is None else most - least)
        return item

    def _many(self, text: str, least: int) -> int:
        """For what llama.cpp takes; how often exactly says nothing of whether it can be followed."""
        if not self._for_llamacpp:
            raise BadGrammar(f"{text} is no number of repetitions")
        return max(least, MOST_REPEATED)

    def _more(self, item: list[Characters | int], most: int | None) -> list[Characters | int]:
        """The item at most so often; None = without an end."""
        if most is None:
            number = self._new([[]])
            self._rules[number] = [[*item, number], []]
            return [number]
        inner: list[Characters | int] = []
        for _ in range(most):
            inner = [self._new([[*item, *inner], []])]
        return inner

    def _new(self, alternatives: Alternatives) -> int:
        self._rules.append(alternatives)
        return len(self._rules) - 1

    def _number(self, name: str) -> int:
        if name not in self._numbers:
            if self._for_llamacpp and not _NAME.fullmatch(name):
                raise BadGrammar(f"the name of a rule has only a to z, A to Z, 0 to 9 and -, not {name!r}")
            self._numbers[name] = len(self._rules)
            self._rules.append(None)
        return self._numbers[name]

    def _next(self) -> tuple[str, str]:
        self._at += 1
        return self._tokens[self._at - 1]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise BadGrammar(
                f"line {text.count(chr(10), 0, at) + 1} was not understood: {text[at : at + 40]!r}"
            )
        if found.lastgroup:
            yield found.lastgroup, found[0]
        at = found.end()


def _codes(text: str) -> Iterator[tuple[int, str]]:
    """Each character's code, and how it is written."""
    for found in _CHARACTER.finditer(text):
        *numbers, escaped, plain = found.groups()
        if plain:
            yield ord(plain), plain
        elif escaped:
            if escaped not in _PLAIN:
                raise BadGrammar(f"there is no character {found[0]!r}")
            yield ord(_PLAIN[escaped]), found[0]
        else:
            yield _number(next(filter(None, numbers))), found[0]


def _number(digits: str) -> int:
    try:
        return int(digits, 16)
    except ValueError as wrong:
        raise BadGrammar(f"{digits!r} is no number of a character") from wrong


def _set(text: str) -> Characters:
    others = text.startswith("^")
    written = list(_codes(text[others:]))
    ranges = []
    while written:
        low = written.pop(0)[0]
        is_range = len(written) > 1 and written[0][1] == "-"
        high = written[1][0] if is_range else low
        if high < low:
            raise BadGrammar(f"[{text}] has a range that ends before it begins")
        del written[: 2 if is_range else 0]
        ranges.append((low, high))
    return Characters(tuple(sorted(ranges)), others)


def _bounds(text: str) -> tuple[int, int | None]:
    low, comma, high = text.strip("{} ").partition(",")
    least = int(low)
    most = int(high) if high.strip() else None if comma else least
    if least > MOST_REPEATED or (most is not None and most < least):
        raise BadGrammar(f"{text} is no number of repetitions")
    return least, most


def _refuse_left_recursion(rules: list[Alternatives]) -> None:
    """A rule that begins with itself would be opened for ever."""
    empty = _may_be_empty(rules)
    begins = {number: _beginnings(rule, empty) for number, rule in enumerate(rules)}
    for number in begins:
        reached: set[int] = set()
        open_ = [number]
        while open_:
            fresh = begins[open_.pop()] - reached
            reached |= fresh
            open_ += fresh
        if number in reached:
            raise BadGrammar("a rule begins with itself (left recursion)")


def _refuse_too_many_ways(rules: list[Alternatives]) -> None:
    """Rules that may be empty double the ways with each level: `a ::= b? b?`, `b ::= c? c?` …"""
    begins: dict[int, tuple[int, int]] = {}
    for number in _inner_first(rules):
        ways, empty = 0, 0
        for parts in rules[number]:
            more, nothing = _ways(parts, begins)
            ways, empty = ways + more, empty + nothing
        if ways + empty > MOST_WAYS:
            raise BadGrammar("there are too many ways to begin one of its rules")
        begins[number] = ways, empty


def _ways(parts: list[Characters | int], begins: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """In how many ways the parts can begin, and in how many they can be empty."""
    begun, empty = 0, 1
    for part in parts:
        ways, nothing = (1, 0) if isinstance(part, Characters) else begins[part]
        begun, empty = begun + empty * ways, empty * nothing
        if not empty:
            break
    return begun, empty


def _inner_first(rules: list[Alternatives]) -> list[int]:
    """Each rule after those with which it can begin; there is no left recursion."""
    empty = _may_be_empty(rules)
    begins = [_beginnings(rule, empty) for rule in rules]
    order: list[int] = []
    done: set[int] = set()
    open_ = [(number, False) for number in range(len(rules))]
    while open_:
        number, is_ready = open_.pop()
        if is_ready:
            order.append(number)
        elif number not in done:
            done.add(number)
            open_ += [(number, True), *((inner, False) for inner in begins[number])]
    return order


def _may_be_empty(rules: list[Alternatives]) -> set[int]:
    empty: set[int] = set()
    while True:
        found = {
            number
            for number, rule in enumerate(rules)
            if any(all(isinstance(part, int) and part in empty for part in parts) for parts in rule)
        }
        if found == empty:
            return empty
        empty = found


def _beginnings(rule: Alternatives, empty: set[int]) -> set[int]:
    """The rules with which the alternatives can begin."""
    found: set[int] = set()
    for parts in rule:
        for part in parts:
            if not isinstance(part, int):
                break
            found.add(part)
            if part not in empty:
                break
    return found
