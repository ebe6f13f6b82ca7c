"""Calls that are JSON objects with a name and arguments. Knows no marker around them."""

from __future__ import annotations

import json
from collections.abc import Collection

from fabula.engine.parsing.tools.reading import (
    NotACall,
    Reading,
    Text,
    expect,
    parsed,
    peek,
    value,
    whole_value,
)
from fabula.engine.parsing.tools.telling import Calls

NAMES = ("name", "tool_name")
ARGUMENTS = ("arguments", "parameters")
OTHERS = ("type", "id", "tool_call_id", "function")


def one_or_more(text: Text, calls: Calls) -> Reading[None]:
    """An object, or a list of them."""
    first = yield from peek(text)
    if first != "[":
        yield from an_object(text, calls)
        return
    text.take(1)
    while (yield from peek(text)) == "{":
        yield from an_object(text, calls)
        if (yield from peek(text)) == ",":
            text.take(1)
    if text.left:
        yield from expect(text, "]")


def several(text: Text, calls: Calls) -> Reading[None]:
    """The same, and objects after it that are in no list."""
    yield from one_or_more(text, calls)
    while (yield from peek(text)) in ("{", ",") and calls.count:
        if text.left[0] == ",":
            text.take(1)
        else:
            yield from an_object(text, calls)


def an_object(text: Text, calls: Calls, only: Collection[str] | None = None) -> Reading[None]:
    """`{"name": …, "arguments": {…}}` in any order. With `only`, another name is no call."""
    yield from expect(text, "{")
    before, waiting = calls.count, ""  # arguments may come before the name
    while (yield from peek(text)) not in ("}", ""):
        key = parsed((yield from whole_value(text)))
        yield from expect(text, ":")
        if key in NAMES and calls.count == before:
            calls.begin(_name(parsed((yield from whole_value(text))), only))
            calls.tell(waiting)
        elif key in ARGUMENTS and not (waiting or calls.is_told):
            waiting = yield from _arguments(text, calls)
        elif key == "function" and (yield from peek(text)) == "{":
            yield from an_object(text, calls, only)
        elif key in OTHERS or calls.is_open:
            yield from whole_value(text)
        else:
            raise NotACall
        if (yield from peek(text)) == ",":
            text.take(1)
    if calls.count == before:
        raise NotACall
    text.take(1)
    calls.end()


def _name(name: object, only: Collection[str] | None) -> str:
    if not isinstance(name, str) or not name or (only is not None and name not in only):
        raise NotACall
    return name


def _arguments(text: Text, calls: Calls) -> Reading[str]:
    """Told as they come when the name is known; else they are the result, to be told later."""
    if (yield from peek(text)) == '"':  # some models write JSON in a string
        inner = parsed((yield from whole_value(text)))
        source = inner if isinstance(inner, str) else json.dumps(inner)
    elif calls.is_open and text.left[:1] != "n":
        yield from value(text, calls.tell)
        return ""
    else:
        source = yield from whole_value(text)
        source = "" if source == "null" else source
    if not calls.is_open:
        return source
    calls.tell(source)
    return ""
