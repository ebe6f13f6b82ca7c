"""Where texts go in a chat template: found by reading it, from `message.content` to where that is printed.

A text may be joined to others, chosen, named, stripped, and asked whether there is any. What else is done
with it, or with a message as a whole, is not followed: it may look into the text, and a rendering that comes
to it is ended. Knows no message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from jinja2 import nodes

_TYPES = {
    "string",
    "mapping",
    "iterable",
    "sequence",
    "none",
    "defined",
    "undefined",
    "number",
    "true",
    "false",
}
"""Tests that ask what kind of thing something is, and nothing more."""
_ESCAPING = frozenset({"e", "escape", "forceescape"})  # texts that are added to what they give are escaped
_BY_NAME = frozenset({"map", "select", "reject", "selectattr", "rejectattr"})  # apply what they are told to
_CHANCE = frozenset({"random", "lipsum"})
_OF_ITSELF = frozenset({"loop", "self"})  # names through which messages can be reached
PLACES = frozenset(["index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0"])


class Kind(Enum):
    PLAIN = "the same whatever was said"
    TEXT = "what was said, with plain text around it"
    ROW = "a message"
    ROWS = "messages"
    OPEN = "may depend on what was said"


PLAIN, TEXT, ROW, ROWS, OPEN = Kind
ANY, NONE = frozenset({PLAIN, TEXT}), frozenset({PLAIN})  # what may be printed


def joined(*kinds: Kind) -> Kind:
    """What is one of several kinds."""
    found = {*kinds} - {PLAIN}
    return PLAIN if not found else found.pop() if len(found) == 1 else OPEN


class Reader:
    """Follows texts through one template. Names are what they are anywhere in it: it is read until no name
    becomes more than it was."""

    def __init__(self, tree: nodes.Template) -> None:
        self._tree = tree
        self.names = {"messages": ROWS}
        self.strips = self.asks = False
        self._looks: list[tuple[nodes.Node, nodes.Node]] = []

    def follows(self) -> bool:
        """Whether every text can be followed to where it is printed or looked into."""
        known: dict[str, Kind] = {}
        while known != self.names:
            known = dict(self.names)
            self._looks = []
            if not self._all(self._tree.body, ANY):
                return False
        return True

    def stop_looks(self) -> None:
        """End the rendering in the place of everything that may look into a text."""
        for holder, look in self._looks:
            call = nodes.Call(nodes.EnvironmentAttribute("looked"), [], [], None, None, lineno=look.lineno)
            for field, value in [*holder.iter_fields()]:
                if isinstance(value, list):
                    value[:] = [call if one is look else one for one in value]
                elif value is look:
                    setattr(holder, field, call)

    def _look(self, holder: nodes.Node, node: nodes.Node) -> None:
        self._looks.append((holder, node))

    def _all(self, statements: Iterable[nodes.Node], printed: frozenset[Kind]) -> bool:
        return all(self._statement(node, printed) for node in statements)

    def _statement(self, node: nodes.Node, printed: frozenset[Kind]) -> bool:
        read = _STATEMENTS.get(type(node))
        return read is not None and read(self, node, printed)

    def _output(self, node: nodes.Output, printed: frozenset[Kind]) -> bool:
        for part in node.nodes:
            if self.kind(part) not in printed:
                self._look(node, part)
        return True

    def _if(self, node: nodes.If, printed: frozenset[Kind]) -> bool:
        if not self._truth(node.test):
            self._look(node, node.test)
        return self._all([*node.body, *node.elif_, *node.else_], printed)

    def _for(self, node: nodes.For, printed: frozenset[Kind]) -> bool:
        over = self.kind(node.iter)
        if over not in (PLAIN, ROWS) or not self._bound(node.target, ROW if over is ROWS else PLAIN):
            self._look(node, node.iter)
        if node.test and not self._truth(node.test):
            self._look(node, node.test)
        return not node.recursive and self._all([*node.body, *node.else_], printed)

    def _assign(self, node: nodes.Assign, printed: frozenset[Kind]) -> bool:
        kind = self.kind(node.node)
        is_kept = isinstance(node.target, nodes.NSRef)
        if kind is OPEN or (kind is not PLAIN if is_kept else not self._bound(node.target, kind)):
            self._look(node, node.node)
        return True

    def _bound(self, target: nodes.Node, kind: Kind) -> bool:
        """A name becomes something; several at once only what is plain."""
        if not isinstance(target, nodes.Name):
            return kind is PLAIN and all(self._bound(name, PLAIN) for name in target.find_all(nodes.Name))
        found = joined(self.names.get(target.name, PLAIN), kind)
        if found is OPEN or target.name in _OF_ITSELF:
            return False
        self.names[target.name] = found
        return True

    def _block(self, node: nodes.AssignBlock, printed: frozenset[Kind]) -> bool:
        plain = node.filter is None or self.kind(node.filter) is PLAIN
        return plain and self._bound(node.target, PLAIN) and self._all(node.body, NONE)

    def _macro(self, node: nodes.Macro, printed: frozenset[Kind]) -> bool:
        self.names.setdefault(node.name, PLAIN)
        bound = all(self._bound(name, PLAIN) for name in node.args)
        plain = all(self.kind(value) is PLAIN for value in node.defaults)
        return bound and plain and self._all(node.body, NONE)

    def _passed(self, node: nodes.Node, printed: frozenset[Kind]) -> bool:
        return True

    # ── expressions ─────────────────────────────────────────────────────────────────────────────────────

    def kind(self, node: nodes.Node) -> Kind:
        read = _EXPRESSIONS.get(type(node), Reader._plain)
        return read(self, node)

    def _plain(self, node: nodes.Node) -> Kind:
        """What is made of plain things is plain; of others nothing is known."""
        return PLAIN if all(self.kind(child) is PLAIN for child in node.iter_child_nodes()) else OPEN

    def _truth(self, node: nodes.Node) -> bool:
        """Whether it is known what a condition depends on. There is some text, by what `holds`."""
        kind = self.kind(node)
        self.asks = self.asks or kind is TEXT
        return kind is not OPEN

    def _name(self, node: nodes.Name) -> Kind:
        hidden = node.name in _OF_ITSELF or node.name in _CHANCE
        return OPEN if hidden else self.names.get(node.name, PLAIN)

    def _got(self, node: nodes.Getattr | nodes.Getitem) -> Kind:
        key = key_of(node)
        if is_named(node.node, "loop"):
            return PLAIN if key in PLACES else ROW if key in ("previtem", "nextitem") else OPEN
        of = self.kind(node.node)
        if of is ROW:
            return TEXT if key == "content" else PLAIN if key and not hasattr(dict, key) else OPEN
        if of is ROWS and isinstance(node, nodes.Getitem) and self.kind(node.arg) is PLAIN:
            return ROWS if isinstance(node.arg, nodes.Slice) else ROW
        return self._plain(node)

    def _sum(self, node: nodes.Add | nodes.Concat) -> Kind:
        kinds = {self.kind(child) for child in node.iter_child_nodes()}
        return OPEN if not kinds <= ANY else TEXT if TEXT in kinds else PLAIN

    def _chosen(self, node: nodes.CondExpr) -> Kind:
        others = self.kind(node.expr2) if node.expr2 else PLAIN
        found = joined(self.kind(node.expr1), others)
        return found if self._truth(node.test) else OPEN

    def _either(self, node: nodes.And | nodes.Or) -> Kind:
        found = joined(self.kind(node.left), self.kind(node.right))
        return found if self._truth(node.left) else OPEN

    def _not(self, node: nodes.Not) -> Kind:
        return PLAIN if self._truth(node.node) else OPEN

    def _compared(self, node: nodes.Compare) -> Kind:
        """Whether a message has a field, and whether a text is empty, none or false, is known."""
        operator, other = node.ops[0].op, node.ops[0].expr
        own = self.kind(node.expr)
        if len(node.ops) == 1 and operator in ("in", "notin") and self.kind(other) is ROW:
            return PLAIN if own is PLAIN else OPEN
        known = isinstance(other, nodes.Const) and (other.value == "" or not isinstance(other.value, str))
        if len(node.ops) == 1 and operator in ("eq", "ne") and known and own is TEXT:
            self.asks = True
            return PLAIN
        return self._plain(node)

    def _tested(self, node: nodes.Test) -> Kind:
        if node.name in _TYPES and self.kind(node.node) is not OPEN:
            return PLAIN
        return self._plain(node)

    def _filtered(self, node: nodes.Filter) -> Kind:
        if node.name in _ESCAPING or node.name in _CHANCE or _applies_unknown(node):
            return OPEN
        of = self.kind(node.node) if node.node else PLAIN
        given = [child for child in node.iter_child_nodes() if child is not node.node]
        if of is TEXT and all(self.kind(one) is PLAIN for one in given):
            return self._filtered_text(node.name, bool(given))
        if of is ROWS and not given:
            return _OF_ROWS.get(node.name, OPEN)
        return self._plain(node)

    def _filtered_text(self, name: str, is_told_more: bool) -> Kind:
        self.asks = self.asks or name in ("default", "d")
        self.strips = self.strips or name == "trim"
        stays = name in ("default", "d", "string", "safe") or (name == "trim" and not is_told_more)
        return TEXT if stays else OPEN

    def _called(self, node: nodes.Call) -> Kind:
        method, *given = node.iter_child_nodes()
        if isinstance(method, nodes.Getattr) and method.attr == "strip" and not given:
            of = self.kind(method.node)
            self.strips = self.strips or of is TEXT
            return of if of is TEXT else self._plain(node)
        return self._plain(node)


_OF_ROWS = {"length": PLAIN, "count": PLAIN, "first": ROW, "last": ROW, "list": ROWS}
_STATEMENTS: dict[type[nodes.Node], Callable[[Reader, Any, frozenset[Kind]], bool]] = {
    nodes.Output: Reader._output,
    nodes.If: Reader._if,
    nodes.For: Reader._for,
    nodes.Assign: Reader._assign,
    nodes.AssignBlock: Reader._block,
    nodes.Macro: Reader._macro,
    nodes.Continue: Reader._passed,
    nodes.Break: Reader._passed,
}
_EXPRESSIONS: dict[type[nodes.Node], Callable[[Reader, Any], Kind]] = {
    nodes.Name: Reader._name,
    nodes.Getattr: Reader._got,
    nodes.Getitem: Reader._got,
    nodes.Add: Reader._sum,
    nodes.Concat: Reader._sum,
    nodes.CondExpr: Reader._chosen,
    nodes.And: Reader._either,
    nodes.Or: Reader._either,
    nodes.Not: Reader._not,
    nodes.Compare: Reader._compared,
    nodes.Test: Reader._tested,
    nodes.Filter: Reader._filtered,
    nodes.Call: Reader._called,
}


def key_of(node: nodes.Getattr | nodes.Getitem) -> str | None:
    """The name that is asked for, where it stands in the template."""
    if isinstance(node, nodes.Getattr):
        return node.attr
    return node.arg.value if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str) else None


def is_named(node: nodes.Node, name: str) -> bool:
    return isinstance(node, nodes.Name) and node.name == name


def _applies_unknown(node: nodes.Filter) -> bool:
    """Whether a filter applies another, and which is not known to be harmless."""
    if node.name not in _BY_NAME:
        return False
    named = [one.value for one in node.args if isinstance(one, nodes.Const)]
    dynamic = len(named) < len(node.args) or node.dyn_args or node.dyn_kwargs
    return bool(dynamic) or not (_ESCAPING | _CHANCE).isdisjoint(map(str, named))
