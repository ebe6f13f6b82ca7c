"""Pair the opening and closing macros of one text. Knows no values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fabula.prompt.macros.registry import Table
from fabula.prompt.macros.syntax import Call, Node, Span


@dataclass(frozen=True, slots=True)
class Item:
    """A macro to evaluate, with the span of its block, or one that stays text (`node` is None)."""

    span: Span
    node: Node | None
    block: Span | None = None


def paired(nodes: Sequence[Node], macros: Table) -> list[Item]:
    """Blocks become one item each; closing macros without an opening one stay text. In order."""
    partners = _partners(nodes, macros)
    items: list[Item] = []
    index = 0
    while index < len(nodes):
        node = nodes[index]
        if not isinstance(node, Call):
            items.append(Item(node.span, node))
        elif node.closes or (index in partners and not _opens(node, macros)):
            items.append(Item(node.span, None))
        elif index in partners:
            closing = nodes[partners[index]]
            block = (node.span[1], closing.span[0])
            items.append(Item((node.span[0], closing.span[1]), node, block))
            index = partners[index]
        else:
            items.append(Item(node.span, node))
        index += 1
    return items


def _opens(call: Call, macros: Table) -> bool:
    macro = macros.get(call.key)
    return macro is None or macro.opens_block(len(call.arguments))


def _partners(nodes: Sequence[Node], macros: Table) -> dict[int, int]:
    """Index of each opening macro that is closed → index of the macro that closes it. Linear."""
    waiting: dict[str, list[int]] = {}
    partners: dict[int, int] = {}
    for index, node in enumerate(nodes):
        if not isinstance(node, Call):
            continue
        opened = waiting.setdefault(node.key, [])
        if not node.closes:
            if _opens(node, macros) or not opened:
                opened.append(index)
        elif opened:
            partners[opened.pop()] = index
    return partners


def split_at_else(text: str, nodes: Sequence[Node]) -> tuple[str, str]:
    """The two branches of a condition's block; the second is empty where there is no `else`."""
    depth = 0
    for node in nodes:
        if not isinstance(node, Call):
            continue
        if node.key == "if" and (node.closes or len(node.arguments) == 1):
            depth += -1 if node.closes else 1
        elif node.key == "else" and depth == 0:
            return text[: node.span[0]], text[node.span[1] :]
    return text, ""


def trimmed(content: str) -> str:
    """A block's content without the white space around it and without the indentation of its first line."""
    lines = content.split("\n")
    first = next((line for line in lines if line.strip()), "")
    indent = len(first) - len(first.lstrip(" \t"))
    if not indent:
        return content.strip()
    return "\n".join(_dedented(line, indent) for line in lines).strip()


def _dedented(line: str, indent: int) -> str:
    has = len(line) - len(line.lstrip(" \t"))
    return line[indent:] if has >= indent else line.lstrip()
