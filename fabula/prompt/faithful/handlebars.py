"""The template language of the story string: Handlebars without escaping, as far as templates of heads go.

`{{field}}`, `{{#if field}}…{{else}}…{{/if}}`, `{{#unless}}`, comments, `~` for white space; a block's tag
that is alone on its line takes the line along. What is no field stays as it is: macros are resolved later.
Knows no field by name.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fabula.core.errors import TemplateRefused

_TAG = re.compile(
    r"\{\{(?P<left>~)?\s*(?:(?P<comment>!--.*?--|![^}]*)|(?P<block>#if|#unless|/if|/unless|else|\^)?\s*"
    r"(?P<name>[^{}~]*?))\s*(?P<right>~)?\}\}",
    re.S,
)
_LINE_BEFORE = re.compile(r"(?:^|\n)[ \t]*\Z")
_LINE_AFTER = re.compile(r"[ \t]*(?:\r?\n|\Z)")
MAX_TAGS = 10_000


@dataclass(frozen=True, slots=True)
class _Text:
    text: str


@dataclass(frozen=True, slots=True)
class _Tag:
    raw: str
    block: str
    name: str


_Node = _Text | _Tag


def rendered(template: str, values: Mapping[str, str]) -> str:
    """The template with its fields. Raises TemplateRefused where blocks do not close."""
    output: list[str] = []
    shown: list[bool] = []  # for each open block: whether its text counts
    for node in _parsed(template):
        if isinstance(node, _Text):
            output.append(node.text if all(shown) else "")
        elif node.block in ("#if", "#unless"):
            holds = bool(values.get(node.name))
            shown.append(holds == (node.block == "#if"))
        elif node.block in ("else", "^"):
            shown[-1] = not shown[-1]
        elif node.block:
            shown.pop()
        elif all(shown):
            output.append(values.get(node.name, node.raw))
    return "".join(output)


@functools.lru_cache(maxsize=256)
def _parsed(template: str) -> Sequence[_Node]:
    nodes = _nodes(template)
    depth = 0
    for node in nodes:
        if isinstance(node, _Tag):
            depth += {"#if": 1, "#unless": 1, "/if": -1, "/unless": -1}.get(node.block, 0)
            if depth < 0 or (node.block in ("else", "^") and not depth):
                raise TemplateRefused(reason=f"{node.raw} has no beginning")
    if depth or len(nodes) > MAX_TAGS:
        raise TemplateRefused(reason="a block of the story string is not closed")
    return nodes


def _nodes(template: str) -> list[_Node]:
    nodes: list[_Node] = []
    at = 0
    for match in _TAG.finditer(template):
        if match.start() < at:
            continue
        text, end = template[at : match.start()], match.end()
        if (match["block"] or match["comment"]) and _alone(template, match):
            text = text.rstrip(" \t")
            end += len(_LINE_AFTER.match(template, end)[0])  # type: ignore[index]  # matches even nothing
        nodes.append(_Text(text.rstrip() if match["left"] else text))
        if not match["comment"]:
            nodes.append(_Tag(match[0], match["block"] or "", match["name"]))
        if match["right"]:
            end = len(template) - len(template[end:].lstrip())
        at = end
    return [*nodes, _Text(template[at:])]


def _alone(template: str, match: re.Match[str]) -> bool:
    before = _LINE_BEFORE.search(template, 0, match.start())
    behind = _LINE_AFTER.match(template, match.end())
    return before is not None and behind is not None
