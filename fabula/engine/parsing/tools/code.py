"""Calls that look like code, and lists of calls that nothing marks. Knows no stream."""

from __future__ import annotations

import ast
import re
from typing import Any

from fabula.engine.parsing.tools.kinds import Schemas, json_text
from fabula.engine.parsing.tools.objects import an_object, one_or_more
from fabula.engine.parsing.tools.reading import NotACall, Reading, Text, peek, skip, until
from fabula.engine.parsing.tools.telling import Calls


def lfm2(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """`[name(key='value', …), …]<|tool_call_end|>`, or JSON where the prompt asked for that."""
    source = yield from _code(text, "<|tool_call_end|>", "<|tool_call_start|>")
    yield from _called(source, calls, schemas)


def olmo(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """Calls on lines of their own, up to `</function_calls>` (OLMo 3)."""
    source = yield from _code(text, "</function_calls>", "<function_calls>")
    yield from _called(source, calls, schemas)


def _code(text: Text, end: str, begin: str) -> Reading[str]:
    """The text before `end`, which may also stand in one of its strings."""
    source = ""
    while True:
        piece, mark = yield from until(text, end, begin)
        source += piece
        if not mark or not _in_a_string(source):
            break
        source += mark
    if mark == begin:  # the one before never ended
        raise NotACall
    return source


def _in_a_string(source: str) -> bool:
    return _outside(source).endswith(("'", '"'))


def _outside(source: str) -> str:
    """Code or JSON without its strings; where the last never ends, its quote is the end."""
    quote, outside = "", []
    for character in _ESCAPED.sub("", source):
        if quote:
            quote = "" if character == quote else quote
        elif character in ("'", '"'):
            quote = character
        else:
            outside.append(character)
    return "".join(outside) + quote


_ESCAPED = re.compile(r"\\.", re.DOTALL)
CONSTANTS = {"true": True, "false": False, "null": None}


class _Constants(ast.NodeTransformer):
    """JSON's names of what Python names otherwise, which some models write."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(CONSTANTS[node.id]) if node.id in CONSTANTS else node


def _called(source: str, calls: Calls, schemas: Schemas) -> Reading[None]:
    """Calls as code, in a list or on lines of their own, or as JSON."""
    if source.lstrip("[ \n").startswith("{"):
        inside = Text()
        inside.left, inside.closed = source, True
        yield from one_or_more(inside, calls)
        return
    try:
        tree = ast.parse(source.strip())
        lines = [line.value if isinstance(line, ast.Expr) else line for line in tree.body]
        found = [call for line in lines for call in (line.elts if isinstance(line, ast.List) else [line])]
        if not found:
            raise NotACall
        for call in found:
            if not isinstance(call, ast.Call):
                raise NotACall
            call.args = [_Constants().visit(each) for each in call.args]
            call.keywords = [_Constants().visit(each) for each in call.keywords]
            name = ast.unparse(call.func)
            told = json_text(_arguments(call, list(schemas.get(name, {}))))
            calls.begin(name)
            calls.tell(told)
            calls.end()
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as reason:
        raise NotACall from reason


def _arguments(call: ast.Call, names: list[str]) -> dict[str, Any]:
    """Those without a name are the tool's parameters in their order."""
    if len(call.args) > len(names):
        raise NotACall
    given = {name: ast.literal_eval(value) for name, value in zip(names, call.args, strict=False)}
    for word in call.keywords:
        value = ast.literal_eval(word.value)
        given |= value if word.arg is None else {word.arg: value}
    return given


def llama(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """`{"name": …, "parameters": …}`, several after semicolons (Llama 3); or a list (xLAM, Llama 4)."""
    if (yield from peek(text)) == "[":
        yield from _list_of_calls(text, calls, schemas)
        return
    yield from an_object(text, calls, schemas)
    while (yield from peek(text)) == ";":
        text.take(1)
        yield from an_object(text, calls, schemas)


def _list_of_calls(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    """`[{"name": …}, …]` or `[name(key='value'), …]` of tools that there are; any other list is none."""
    text.take(1)
    if (yield from peek(text)) != "{":
        yield from _listed(text, calls, schemas)
        return
    while (yield from peek(text)) == "{":
        yield from an_object(text, calls, schemas)
        yield from skip(text, ",")
    yield from skip(text, "]")


def _listed(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
    while "(" not in text.left:
        if text.closed or not any(name.startswith(text.left.rstrip()) for name in schemas):
            raise NotACall
        yield
    if text.left.partition("(")[0].strip() not in schemas:
        raise NotACall
    source = "["
    while True:
        piece, mark = yield from until(text, "]")
        source += piece + mark
        if not mark:
            raise NotACall
        outside = _outside(source)
        if outside.endswith("]") and outside.count("[") <= outside.count("]"):
            break
    yield from _called(source, calls, schemas)
