"""How large a text would be that a template asks for, reckoned before it is made. Knows no template.

A few characters can ask for gigabytes: a text that is put in the place of each of its own letters, a width of
a thousand million. What is reckoned may be too large, never too small, but for what Python writes of numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

MAX_PARTS = 1_000_000  # things within a thing that are looked at
NUMBER = 32  # characters, about; integers are bounded where they are reckoned with
QUOTED = 10  # times as long a text can be in the form that tells its every character

_WIDE_PERCENT = re.compile(r"%(?:\([^)]{99}|(?:\([^)]{0,98}\))?[-+ #0]*(?:\*|\d{5}|\d{0,4}\.(?:\*|\d{5})))")
"""Or a longer name than any that is meant: it is not looked where it ends."""
_WIDE_BRACES = re.compile(r"\{[^{}]*(?:\d{5}|\{)")


def size(thing: Any, *_: Any, **__: Any) -> float:
    """Characters of what `str` would make of it; infinite where it holds more than can be looked at."""
    if isinstance(thing, str):
        return len(thing)
    total, seen, inside = 0.0, 0, [thing]
    while inside:
        each = inside.pop()
        seen += 1
        if seen > MAX_PARTS:
            return math.inf
        if isinstance(each, Mapping):
            inside += [*each.keys(), *each.values()]
        elif isinstance(each, (list, tuple, set, frozenset)):
            inside += each
        total += len(each) * QUOTED if isinstance(each, (str, bytes)) else NUMBER
    return total


def replaced(text: str, old: Any, new: Any, *_: Any, **__: Any) -> float:
    times = text.count(old) if isinstance(old, str) else len(text) + 1
    return len(text) + times * size(new)


def joined(between: Any, parts: Any = ()) -> float:
    """`between.join(parts)`; they can be gone through again."""
    each = size(between)
    if isinstance(parts, str):
        return len(parts) * (1 + each)
    return sum(size(part) + each + NUMBER for part in parts) if isinstance(parts, Iterable) else 0


def joined_by(parts: Any, d: Any = "", *_: Any, **__: Any) -> float:
    """`parts|join(d)`."""
    return joined(d, parts)


def summed(parts: Any) -> float:
    """`parts|sum` of lists, each of which is joined to all before it."""
    return len(parts) * sum(len(part) for part in parts if isinstance(part, (list, tuple)))


def padded(text: str, width: Any = 80, *_: Any, **__: Any) -> float:
    return len(text) + _number(width)


def tabbed(text: str, tabsize: Any = 8) -> float:
    return len(text) + text.count("\t") * _number(tabsize)


def indented(text: str, width: Any = 4, *_: Any, **__: Any) -> float:
    return len(text) + (text.count("\n") + 1) * (len(width) if isinstance(width, str) else _number(width))


def translated(text: str, table: Any) -> float:
    return len(text) * (1 + max(map(size, table.values()), default=0)) if isinstance(table, Mapping) else 0


def percents(text: str, given: Any) -> float:
    """`text % given`."""
    return math.inf if _WIDE_PERCENT.search(text) else len(text) + text.count("%") * size(given)


def percents_of(text: str, *given: Any, **named: Any) -> float:
    """`text|format(…)`."""
    return percents(text, named or given)


def braces(text: str, *given: Any, **named: Any) -> float:
    """`text.format(…)`."""
    if _WIDE_BRACES.search(text):
        return math.inf
    return len(text) + text.count("{") * size([*given, *named.values()])


METHODS: dict[str, Callable[..., float]] = {
    "replace": replaced,
    "ljust": padded,
    "rjust": padded,
    "center": padded,
    "zfill": padded,
    "expandtabs": tabbed,
    "translate": translated,
    "join": joined,
}
"""Those of texts that may give much more than they are given. Jinja's own `format` is asked for apart."""


def wrapped(text: str, *given: Any, **named: Any) -> float:
    return len(text) * (2 + size([*given, *named.values()]))


def written_as_json(thing: Any, indent: Any = None, *_: Any, **__: Any) -> float:
    return size(thing) * (1 + _number(indent))


def in_rows(thing: Any, count: Any = 0, *_: Any, **named: Any) -> float:
    return size(thing) + _number(count) + sum(map(_number, named.values()))


OF_TEXTS: dict[str, Callable[..., float]] = {
    "replace": replaced,
    "center": padded,
    "indent": indented,
    "wordwrap": wrapped,
    "format": percents_of,
}
"""Filters that make a text of whatever they are given, and then more of it."""
FILTERS: dict[str, Callable[..., float]] = {
    **OF_TEXTS,
    "batch": in_rows,
    "slice": in_rows,
    "tojson": written_as_json,
    "join": joined_by,
    **dict.fromkeys(["capitalize", "e", "escape", "forceescape", "lower", "pprint", "safe", "string"], size),
    **dict.fromkeys(["striptags", "title", "trim", "truncate", "upper", "urlencode", "urlize"], size),
    **dict.fromkeys(["wordcount", "xmlattr"], size),
}
"""All that make a text, which they do of lists too, or rows."""
SLOW = frozenset(["title", "wordcount", "wordwrap", "urlize", "urlencode", "striptags", "pprint", "tojson"])
"""Those that look at every character for itself."""
COMPARING = frozenset(["sort", "unique", "min", "max", "groupby", "dictsort"])
GOING: dict[str, float] = {
    **dict.fromkeys(["list", "reverse", "last", "random"], 1),
    **dict.fromkeys(["map", "select", "reject", "selectattr", "rejectattr", "sum"], 10),
    **dict.fromkeys(COMPARING, 20),
}
"""Filters that go through things, and the steps for each."""


def _number(value: Any) -> float:
    return max(0, value) if isinstance(value, int) else 0
