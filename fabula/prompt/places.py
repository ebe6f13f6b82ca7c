"""Whether a chat template writes the same around every message of a kind, wherever it stands.

Then its loop over messages keeps nothing from one to the next, and asks of a place only whether it is the
first, the last or an even one. Knows no message.
"""

from __future__ import annotations

from typing import Any

import jinja2
from jinja2 import nodes

from fabula.prompt.sandbox import environment
from fabula.prompt.tracing import PLACES, ROWS, Reader, is_named, key_of

BETWEEN = "\ue003"  # stands before each message of a template that was divided, and behind the last one
_CALM = {
    "strip",
    "lstrip",
    "rstrip",
    "upper",
    "lower",
    "title",
    "capitalize",
    "split",
    "items",
    "keys",
    "values",
}
"""Methods that change nothing."""
_WHOLE = {
    "trim",
    "tojson",
    "length",
    "count",
    "default",
    "d",
    "string",
    "safe",
    "list",
    "join",
    "int",
    "replace",
}
"""Filters that give no generator, which can be read only once."""


def divided(tree: nodes.Template, reader: Reader) -> tuple[int, jinja2.Template | None]:
    """How many messages at the beginning stand for themselves, and the template with BETWEEN in it."""
    loops = [node for node in tree.find_all(nodes.For) if reader.kind(node.iter) is ROWS]
    around = _statements_with(tree.body, loops[0]) if len(loops) == 1 else None
    if around is None or loops[0].test or loops[0].else_:
        return 0, None
    places = _Places(reader, loops[0])
    if not places.are_like_others(tree):
        return 0, None
    mark = nodes.Output([nodes.TemplateData(BETWEEN)], lineno=loops[0].lineno)
    loops[0].body.insert(0, mark)
    around.insert(around.index(loops[0]) + 1, mark)
    return places.head, environment().from_string(tree)


def _statements_with(statements: list[nodes.Node], loop: nodes.For) -> list[nodes.Node] | None:
    """The list that a loop stands in, in the template's body or in a condition's."""
    for node in statements:
        if node is loop:
            return statements
        branches: list[Any] = [node.body, node.elif_, node.else_] if isinstance(node, nodes.If) else []
        for branch in branches:
            if found := _statements_with(branch, loop):
                return found
    return None


class _Places:
    """Whether a template's only loop over messages writes the same around all of a kind."""

    def __init__(self, reader: Reader, loop: nodes.For) -> None:
        self._reader, self._loop = reader, loop
        self._first, self._cut = 0, 0  # the last message that is asked for by its place, and how many are cut
        self._holds_methods = False  # what looks like a method may be anything

    @property
    def head(self) -> int:
        """The loop's first message is one of these, too; a system prompt may be joined to the next one."""
        return 2 + self._first + self._cut

    def are_like_others(self, tree: nodes.Template) -> bool:
        inside = {id(node) for body in self._loop.body for node in (body, *body.find_all(nodes.Node))}
        every = [*tree.find_all(nodes.Node)]
        if not all(self._reaches(node, id(node) in inside) for node in every):
            return False
        outside = (node for node in every if id(node) not in inside)
        self._holds_methods = any(is_named(node, "namespace") for node in every)
        used_up = any(isinstance(node, nodes.Filter) and node.name not in _WHOLE for node in outside)
        return not used_up and all(self._stays(node) for node in self._loop.body)

    def _reaches(self, node: nodes.Node, inside: bool) -> bool:
        """Whether this gets at one message, counted from the beginning or the last, or cuts the first."""
        children = [child for child in node.iter_child_nodes() if isinstance(child, nodes.Expr)]
        if not any(self._reader.kind(child) is ROWS for child in children):
            return True
        if node is self._loop:
            return True
        if isinstance(node, nodes.Assign):
            return not inside
        return isinstance(node, nodes.Getitem) and self._reached(node.arg, inside)

    def _reached(self, place: nodes.Expr, inside: bool) -> bool:
        if isinstance(place, nodes.Slice):
            cut = _number(place.start)
            self._cut += cut or 0
            return not (inside or place.stop or place.step or cut is None)
        number = _number(place)
        self._first = max(self._first, number or 0)
        return number is not None or (isinstance(place, nodes.Neg) and _number(place.node) == 1)

    def _stays(self, node: nodes.Node, in_other: bool = False) -> bool:
        """Whether the loop's body leaves nothing behind, and asks of its place only whether it is an end's or
        even. `in_other`: in a loop over something else, whose places are its own."""
        if isinstance(node, (nodes.Break, nodes.NSRef, nodes.Macro)):
            return False
        if isinstance(node, nodes.Call) and not self._is_calm(node.node):
            return False
        if isinstance(node, (nodes.Getattr, nodes.Getitem)) and is_named(node.node, "loop"):
            return key_of(node) in (PLACES if in_other else ("first", "last"))
        if _asks_for_end(node) or _asks_for_even(node):
            return True
        own: list[nodes.Node] = node.body if isinstance(node, nodes.For) else []
        children = [child for child in node.iter_child_nodes() if child not in own]
        stays = all(self._stays(child, in_other) for child in children)
        return stays and all(self._stays(child, True) for child in own)

    def _is_calm(self, called: nodes.Expr) -> bool:
        """Whether a call changes nothing; one of ours ends the rendering."""
        if isinstance(called, nodes.EnvironmentAttribute):
            return True
        if isinstance(called, nodes.Name):
            is_ours = called.name not in self._reader.names
            return is_ours and called.name in ("raise_exception", "strftime_now")
        return isinstance(called, nodes.Getattr) and called.attr in _CALM and not self._holds_methods


def _number(node: nodes.Node | None) -> int | None:
    return node.value if isinstance(node, nodes.Const) and type(node.value) is int else None


def _asks_for_even(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Mod) and _index(node.left) is not None and _number(node.right) == 2


def _asks_for_end(node: nodes.Node) -> bool:
    """`loop.index0 == 0` or `loop.index != 1`."""
    if not isinstance(node, nodes.Compare) or len(node.ops) != 1 or node.ops[0].op not in ("eq", "ne"):
        return False
    return (_index(node.expr), _number(node.ops[0].expr)) in (("index0", 0), ("index", 1))


def _index(node: nodes.Node) -> str | None:
    """The name of the place that is asked for, where it is a number from the beginning."""
    if not isinstance(node, (nodes.Getattr, nodes.Getitem)) or not is_named(node.node, "loop"):
        return None
    key = key_of(node)
    return key if key in ("index", "index0") else None
