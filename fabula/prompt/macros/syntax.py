"""Find the macros of a text. Knows none of them by name.

A macro is `{{name}}`, `{{name::a::b}}`, `{{name:a}}`, `{{name a}}`, a variable `{{.v}}` or `{{$g += 1}}`, or
a comment `{{// …}}`. Flags stand before the name: `/` closes a block, `#` keeps white space. What does not
fit is plain text, and complete macros inside of it still count.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import Final

Span = tuple[int, int]
"""Start and end (exclusive) in the text that was scanned."""

_EDGE: Final = re.compile(r"\{\{\{|\{\{|\}\}|::")
_HEAD: Final = re.compile(
    r"\{\{(?P<flags>[\s!?~#>]*(?:/(?!/)[\s!?~#>]*)*)(?P<name>//|[a-zA-Z][\w\-]*(?=[\s:|}]))", re.A
)
_VARIABLE: Final = re.compile(
    r"\{\{[\s!?~#>]*(?P<scope>[.$])\s*(?P<name>[a-zA-Z](?:[\w\-]*\w)?)\s*"
    r"(?P<operator>\+\+|--|\?\?=|\?\?|\|\|=|\|\||-=|==|!=|>=|>|<=|<|\+=|=)?",
    re.A,
)


@dataclass(frozen=True, slots=True)
class Call:
    """`{{name …}}` at `span`; arguments are spans without the white space around them."""

    span: Span
    name: str  # as written
    arguments: tuple[Span, ...] = ()
    closes: bool = False
    keeps_space: bool = False

    @property
    def key(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class VariableCall:
    """`{{.name}}` (of the chat) or `{{$name}}` (of everything), with an operator and a value or without."""

    span: Span
    name: str
    is_global: bool
    operator: str = ""
    value: Span | None = None


Node = Call | VariableCall


@dataclass(slots=True)
class _Open:
    start: int
    head: re.Match[str]
    separators: list[int] = field(default_factory=list)
    inside: list[Node] = field(default_factory=list)


def scan(text: str) -> list[Node]:
    """The complete macros of `text` that stand inside no other, in order. Linear in its length."""
    stack: list[_Open] = []
    found: list[Node] = []
    at = 0
    while match := _EDGE.search(text, at):
        at = match.end()
        edge = match[0]
        if edge == "{{{":
            at = match.start() + 1
        elif edge == "::":
            if stack:
                stack[-1].separators.append(match.start())
        elif edge == "{{":
            at = _opened(text, match.start(), stack)
        elif stack:
            done = stack.pop()
            node = _closed(text, done, match.start())
            (stack[-1].inside if stack else found).extend([node] if node else done.inside)
    for unfinished in stack:
        found.extend(unfinished.inside)
    return found


def _opened(text: str, start: int, stack: list[_Open]) -> int:
    head = _VARIABLE.match(text, start) or _HEAD.match(text, start)
    if not head:
        return start + 2
    stack.append(_Open(start, head))
    return head.end()


def _closed(text: str, opened: _Open, end: int) -> Node | None:
    head, span = opened.head, (opened.start, end + 2)
    if "scope" in head.re.groupindex:
        return _variable(text, head, span, end)
    arguments = _arguments(text, head.end(), end, opened.separators)
    if arguments is None:
        return None
    name, flags = head["name"], head["flags"]
    closes = "/" in flags
    if name == "//" and arguments and text.startswith("/", arguments[0][0]):
        closes = True  # {{///}} closes a comment
    return Call(span, name, arguments, closes, "#" in flags)


def _variable(text: str, head: re.Match[str], span: Span, end: int) -> VariableCall | None:
    operator = head["operator"] or ""
    value = _trimmed(text, head.end(), end)
    takes_value = operator not in ("", "++", "--")
    if not takes_value and value[0] < value[1]:
        return None
    return VariableCall(span, head["name"], head["scope"] == "$", operator, value if takes_value else None)


def _arguments(text: str, start: int, end: int, separators: list[int]) -> tuple[Span, ...] | None:
    first, last = _trimmed(text, start, end)
    if first >= last:
        return ()
    if not text.startswith("::", first):
        after_colon = _trimmed(text, first + text.startswith(":", first), end)
        return (after_colon,) if after_colon[0] < after_colon[1] else None
    edges = [*(at for at in separators if at >= first), end]
    return tuple(_trimmed(text, left + 2, right) for left, right in itertools.pairwise(edges))


def _trimmed(text: str, start: int, end: int) -> Span:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
