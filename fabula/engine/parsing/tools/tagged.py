"""Calls whose name and arguments stand between tags. Knows no stream.

Arguments without a type of their own are read by the tool's JSON schema: text stays text where the schema
says string, and is read as JSON elsewhere.
"""

from __future__ import annotations

import re
from typing import Any

from fabula.engine.parsing.tape import overlap
from fabula.engine.parsing.tools.kinds import Schemas, json_text, kinds
from fabula.engine.parsing.tools.objects import several
from fabula.engine.parsing.tools.reading import (
    NotACall,
    Reading,
    Text,
    expect,
    parsed,
    peek,
    skip,
    until,
    value,
)
from fabula.engine.parsing.tools.telling import Calls


def tool_call(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """`<tool_call>…</tool_call>`, which holds JSON (Hermes, Qwen), `<function=…>` (Qwen3-Coder) or a name
    with `<arg_key>`s (GLM)."""
    first = yield from peek(text)
    if first in ("{", "["):
        yield from several(text, calls)
    elif first == "<":
        yield from expect(text, "<function=")
        yield from function(text, calls, schemas)
    else:
        yield from _glm(text, calls, schemas)
        return
    yield from _closing(text, "</tool_call>")


def function(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """`<function=NAME>` and then `<parameter=KEY>…</parameter>`s or a JSON object, up to `</function>`."""
    name, mark = yield from until(text, ">")
    if not mark:
        raise NotACall
    calls.begin(name)
    if (yield from peek(text)) == "{":
        yield from value(text, calls.tell)
        yield from _closing(text, "</function>")
    else:
        yield from _parameters(text, calls, schemas, ("<parameter=", ">", "</parameter>", "</function>"))
    calls.end()


def bare_function(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """One whose `<tool_call>` the model forgot, but perhaps not its end (Qwen3-Coder)."""
    yield from function(text, calls, schemas)
    yield from skip(text, "</tool_call>")


def minimax(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    yield from _invoked(text, calls, schemas, "", "</minimax:tool_call>")


def dsml(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """As MiniMax, with a mark in every tag, and each argument says whether it is text (DeepSeek V3.2)."""
    yield from _invoked(text, calls, schemas, DSML, f"</{DSML}function_calls>", f"</{DSML}tool_calls>")


DSML = "｜DSML｜"


def _invoked(text: Text, calls: Calls, schemas: Schemas, tag: str, *ends: str) -> Reading[None]:
    """`<invoke name="NAME"><parameter name="KEY">…</parameter></invoke>`, several in one block."""
    begin = f'<{tag}invoke name="'
    marks = (f'<{tag}parameter name="', '">', f"</{tag}parameter>", f"</{tag}invoke>")
    while (yield from until(text, begin, *ends))[1] == begin:
        name, mark = yield from until(text, '">')
        if not mark:
            raise NotACall
        calls.begin(name)
        yield from _parameters(text, calls, schemas, marks)
        calls.end()


def seed(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    yield from expect(text, "<function=")
    yield from function(text, calls, schemas)
    yield from _closing(text, "</seed:tool_call>")


def _glm(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    name, mark = yield from until(text, "\n", "<arg_key>", "</tool_call>")
    if not mark or name.strip() not in schemas:
        raise NotACall
    calls.begin(name)
    if mark == "<arg_key>":
        text.left = mark + text.left
    if mark != "</tool_call>":
        yield from _parameters(
            text, calls, schemas, ("<arg_key>", "</arg_key>", "</arg_value>", "</tool_call>"), "<arg_value>"
        )
    calls.end()


Marks = tuple[str, str, str, str]
"""Before a key, after it, after the value, after the last value."""


def _parameters(
    text: Text, calls: Calls, schemas: Schemas, marks: Marks, before_value: str = ""
) -> Reading[None]:
    """Each argument is told when its value is complete; the object is closed at the end mark."""
    before, after_key, after_value, end = marks
    known = schemas.get(calls.name, {})
    count = 0
    while (yield from until(text, before, end))[1] == before:
        key, _ = yield from until(text, after_key)
        if before_value:
            yield from expect(text, before_value)
        said = yield from _value(text, after_value, (before, end, *BLOCK_ENDS))
        if said is None:  # cut off in the middle: half a value is none
            return
        name, _, says = key.strip().partition('"')
        schema = SAID.get(says.strip(), known.get(name))
        calls.tell(("{" if not count else ", ") + f"{json_text(name)}: {typed(said, schema)}")
        count += 1
    if count:
        calls.tell("}")


BLOCK_ENDS = ("</tool_call>", "</seed:tool_call>", "</minimax:tool_call>")
"""What comes after the last value where the model forgets the end of the call."""
SAID = {'string="true': {"type": "string"}, 'string="false': {}}
"""What a tag says of its value, of which the schema is then not asked."""


def _value(text: Text, mark: str, followed_by: tuple[str, ...]) -> Reading[str | None]:
    """The text before a closing mark, which is one only where something of these follows: texts have such
    marks too. None where it never comes."""
    pieces: list[str] = []
    while True:
        piece, found = yield from until(text, mark)
        if not found:
            return None
        pieces.append(piece)
        if (yield from _comes(text, followed_by)):
            return "".join(pieces)
        pieces.append(found)


def _comes(text: Text, marks: tuple[str, ...]) -> Reading[bool]:
    """Whether one of the marks is next after white space, or nothing but the end; all is left as it is."""
    while True:
        word = text.left.lstrip()
        if word.startswith(marks):
            return True
        if text.closed or not any(mark.startswith(word) for mark in marks):
            return any(mark.startswith(word) for mark in marks)
        yield


def typed(said: str, schema: Any) -> str:
    """The JSON text of an argument that was written as plain text."""
    said = said.removeprefix("\n").removesuffix("\n")
    allowed = kinds(schema)
    if "string" in allowed and not (said == "null" and "null" in allowed):
        return json_text(said)
    if "boolean" in allowed and said.strip() in ("True", "False"):  # as Python writes them
        return said.strip().lower()
    try:
        return json_text(parsed(said))
    except (NotACall, ValueError):
        return json_text(said)


def _closing(text: Text, mark: str) -> Reading[None]:
    """The closing mark, which some models forget at the end of the reply. Others close too many brackets."""
    while (first := (yield from peek(text))) in ("}", "]"):
        text.take(1)
    if first:
        yield from expect(text, mark)


GEMMA_QUOTE = '<|"|>'
FUNCTION_GEMMA_QUOTE = "<escape>"
_BARE_KEY = re.compile(r"([{,]\s*)([\w.$-]+)\s*:")


def gemma(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """`call:NAME{key:<|"|>text<|"|>,other:1}<tool_call|>` (Gemma 4)."""
    yield from _gemma(text, calls, GEMMA_QUOTE, "<tool_call|>")


def function_gemma(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    yield from _gemma(text, calls, FUNCTION_GEMMA_QUOTE, "<end_function_call>")


def _gemma(text: Text, calls: Calls, quote: str, end: str) -> Reading[None]:
    yield from expect(text, "call:")
    name, mark = yield from until(text, "{")
    if not mark:
        raise NotACall
    calls.begin(name)
    body, mark = yield from until(text, end)
    while mark and body.count(quote) % 2:  # it stands in a text
        more, found = yield from until(text, end)
        body, mark = body + mark + more, found
    if not mark:  # cut off, perhaps in the mark
        body = body[: len(body) - overlap(body, (end,))]
    calls.tell(_unquoted("{" + body, quote))
    calls.end()


def _unquoted(source: str, quote: str) -> str:
    """JSON text of an object with Gemma's own quotes and bare keys, or of one that is JSON already."""
    try:
        return json_text(parsed(source))
    except NotACall:
        pieces = source.split(quote)  # outside, inside, outside …
    for index, piece in enumerate(pieces):
        pieces[index] = json_text(piece) if index % 2 else _BARE_KEY.sub(r'\1"\2":', piece)
    return "".join(pieces).strip()
