"""Reading a text that has not come to its end: each step waits until there is enough. Knows no format.

A reader is a generator: it yields when it needs more text, and is resumed when more was added or the text
is `closed`. So a format is written down as if its text were complete.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from fabula.engine.parsing.tape import first_of

T = TypeVar("T")
Reading = Generator[None, None, T]
Tell = Callable[[str], None]

SCALAR_ENDS = frozenset(",}] \t\r\n")


class NotACall(Exception):
    """What looked like a call is none: its text belongs to the answer."""


class Text:
    """What has come and was not read. `closed`: nothing more will come."""

    def __init__(self) -> None:
        self.left = ""
        self.closed = False

    def take(self, length: int) -> str:
        taken, self.left = self.left[:length], self.left[length:]
        return taken


def peek(text: Text) -> Reading[str]:
    """The next character after white space, which is dropped; "" at the end."""
    while True:
        text.left = text.left.lstrip()
        if text.left or text.closed:
            return text.left[:1]
        yield


def until(text: Text, *marks: str) -> Reading[tuple[str, str]]:
    """The text before the first mark, and the mark; at the end all that is left, and ""."""
    while True:
        found = first_of(text.left, marks)
        if found and (text.closed or not _may_be_longer(text.left, found, marks)):
            at, mark = found
            return text.take(at), text.take(len(mark))
        if text.closed:
            return text.take(len(text.left)), ""
        yield


def _may_be_longer(left: str, found: tuple[int, str], marks: tuple[str, ...]) -> bool:
    """Whether a longer mark may still begin at the same place."""
    at, mark = found
    rest = left[at:]
    return any(other != mark and other.startswith(rest) for other in marks)


def expect(text: Text, mark: str) -> Reading[None]:
    """White space and the mark. Raises NotACall for anything else."""
    yield from peek(text)
    while len(text.left) < len(mark) and mark.startswith(text.left) and not text.closed:
        yield
    if not text.left.startswith(mark):
        raise NotACall
    text.take(len(mark))


def skip(text: Text, *marks: str) -> Reading[None]:
    """White space, and each of the marks that stands there."""
    for mark in marks:
        yield from peek(text)
        while len(text.left) < len(mark) and mark.startswith(text.left) and not text.closed:
            yield
        text.left = text.left.removeprefix(mark)


def value(text: Text, tell: Tell) -> Reading[None]:
    """One JSON value, told as its text comes. It is not checked."""
    first = yield from peek(text)
    if not first:
        raise NotACall
    end = _ends_of_string() if first == '"' else _ends_of_nested() if first in "{[" else _ends_of_scalar()
    while True:
        for position, character in enumerate(text.left):
            if (length := end(character)) is not None:
                tell(text.take(position + length))
                return
        tell(text.take(len(text.left)))
        if text.closed:
            return
        yield


End = Callable[[str], int | None]
"""For each character: None, or how much of it belongs to the value that ends with it (0 or 1)."""


def _ends_of_string() -> End:
    quotes, escaped = 0, False

    def end(character: str) -> int | None:
        nonlocal quotes, escaped
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            quotes += 1
        return 1 if quotes == 2 else None

    return end


def _ends_of_nested() -> End:
    depth, inside, escaped = 0, False, False

    def end(character: str) -> int | None:
        nonlocal depth, inside, escaped
        if inside:
            inside = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            inside = True
        else:
            depth += (character in "{[") - (character in "}]")
        return 1 if depth == 0 and not inside else None

    return end


def _ends_of_scalar() -> End:
    return lambda character: 0 if character in SCALAR_ENDS else None


def whole_value(text: Text) -> Reading[str]:
    """The text of one JSON value."""
    pieces: list[str] = []
    yield from value(text, pieces.append)
    return "".join(pieces)


def parsed(source: str) -> Any:
    """Raises NotACall for what is no JSON, or inside itself too often."""
    try:
        return json.loads(source, parse_constant=_no_constant)
    except (ValueError, RecursionError) as reason:
        raise NotACall from reason


def _no_constant(name: str) -> None:
    """NaN and its like, which Python takes for JSON and writes as such."""
    raise ValueError(name)
