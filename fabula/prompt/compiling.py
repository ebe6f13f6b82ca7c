"""The code that a template becomes: Jinja's, with what it builds and what it does told to the sandbox.

`~` goes through the sandbox like the operators, as does what macros give, and `a + b + c` goes once.
What goes round, is called again or goes through something long says how much that is. Knows no limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame

COSTLY: dict[type[nodes.Node], int] = {nodes.Call: 6, nodes.Filter: 12, nodes.Test: 4}
"""Steps of what takes more than one."""
TOLD = "concat, shown, step, counted, within, weighed, sliced"
"""What `told` of the environment gives for one rendering."""
CALLED = 40
"""Of what is called again, beside its body: a macro, a block, a loop."""


class Generator(CodeGenerator):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bodies: dict[int, tuple[Any, int]] = {}
        """By a body's id: it, and the steps that are paid when it begins."""
        self._around: dict[int, tuple[nodes.Node, str, str]] = {}
        """By an expression's id: it, and what stands around it."""

    def _pay(self, body: list[nodes.Node], steps: int) -> None:
        self._bodies[id(body)] = body, steps

    def _wrap(self, node: nodes.Node, name: str, *more: int) -> None:
        self._around[id(node)] = node, f"{name}(", "".join(f", {one}" for one in more) + ")"

    def write_commons(self) -> None:
        super().write_commons()
        self.writeline(f"{TOLD} = environment.told(context)")

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        if id(node) not in self._around:
            return super().visit(node, *args, **kwargs)
        _, before, behind = self._around.pop(id(node))
        self.write(before)
        super().visit(node, *args, **kwargs)
        self.write(behind)
        return None

    def blockvisit(self, nodes: Iterable[nodes.Node], frame: Frame) -> None:
        if id(nodes) in self._bodies:
            self.writeline(f"step({self._bodies.pop(id(nodes))[1]})")
        super().blockvisit(nodes, frame)

    # ── what is done ────────────────────────────────────────────────────────────────────────────────────

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:  # noqa: N802
        for block in node.find_all(nodes.Block):
            self._pay(block.body, CALLED + steps(block.body))
        super().visit_Template(node, frame)

    def macro_body(self, node: nodes.Macro | nodes.CallBlock, frame: Frame) -> Any:
        self._pay(node.body, CALLED + steps([*node.defaults, *node.body]))
        return super().macro_body(node, frame)

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802  # jinja's name
        each = 1 + steps([node.target, *node.body, *([node.test] if node.test else [])])
        if node.recursive:  # what it is called with has not come through here
            self._pay(node.body, CALLED + each)
        self._wrap(node.iter, "counted", 1 if node.recursive else each)
        super().visit_For(node, frame)

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802  # jinja's name
        asked, left = node.ops[0], node.expr
        if len(node.ops) == 1 and asked.op in ("in", "notin") and not _is_fixed(asked.expr):
            self.write("(not within(" if asked.op == "notin" else "(within(")
            self.visit(left, frame)
            self.write(", ")
            self.visit(asked.expr, frame)
            self.write("))")
            return
        for operand in node.ops:
            if not (_is_fixed(left) or _is_fixed(operand.expr)):
                self._wrap(operand.expr, "weighed")
            left = operand.expr
        super().visit_Compare(node, frame)

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802  # jinja's name
        if isinstance(node.arg, nodes.Slice):
            self._wrap(node.node, "sliced")
        super().visit_Getitem(node, frame)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:  # noqa: N802  # jinja's name
        """One that holds others many times over takes as long to be looked for as all of them."""
        weighs = node.ctx == "load" and not _is_fixed(node)
        self.write("weighed(" * weighs)
        super().visit_Tuple(node, frame)
        self.write(")" * weighs)

    # ── what is built ───────────────────────────────────────────────────────────────────────────────────

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if _is_shown(frame, finalize):
            self.write("shown(")
        else:
            super()._output_child_pre(node, frame, finalize)

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if _is_shown(frame, finalize):
            self.write(")")
        else:
            super()._output_child_post(node, frame, finalize)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802  # jinja's name
        self._call("join", node.nodes, frame)

    def visit_Add(self, node: nodes.BinExpr, frame: Frame) -> None:  # noqa: N802  # jinja's name
        self._call("add", _added(node), frame)

    def visit_Sub(self, node: nodes.BinExpr, frame: Frame) -> None:  # noqa: N802  # jinja's name
        """What cannot make a number twice as long needs no leave."""
        if not (_is_small(node.left) or _is_small(node.right)):
            super().visit_Sub(node, frame)
            return
        self.write("(")
        self.visit(node.left, frame)
        self.write(" - ")
        self.visit(node.right, frame)
        self.write(")")

    def _call(self, name: str, parts: Sequence[nodes.Expr], frame: Frame) -> None:
        self.write(f"environment.{name}(context, (")
        for part in parts:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


def steps(parts: Iterable[nodes.Node]) -> int:
    """The most that these take once, without what is paid for where it begins: loops' bodies and macros'."""
    return sum(map(_steps, parts))


def _steps(node: nodes.Node) -> int:
    own = COSTLY.get(type(node), 1)
    match node:
        case nodes.If():
            tests = [node.test, *(other.test for other in node.elif_)]
            bodies = [node.body, *(other.body for other in node.elif_), node.else_]
            return own + steps(tests) + max(map(steps, bodies))
        case nodes.CondExpr():
            ways = [node.expr1, *([node.expr2] if node.expr2 else [])]
            return own + _steps(node.test) + max(map(_steps, ways))
        case nodes.For():
            return own + steps([node.iter, *node.else_])
        case nodes.CallBlock():
            return own + _steps(node.call)
        case nodes.Macro():
            return own
    return own + steps(node.iter_child_nodes())


def _is_shown(frame: Frame, finalize: Any) -> bool:
    """Whether what the sandbox makes of it is written as it is."""
    return not (frame.eval_ctx.volatile or frame.eval_ctx.autoescape) and finalize.src is not None


def _is_fixed(node: nodes.Node) -> bool:
    """Whether it is as large as it stands there, or true or false."""
    if isinstance(node, (nodes.List, nodes.Tuple)):
        return all(isinstance(item, nodes.Const) for item in node.items)
    return isinstance(node, (nodes.Const, nodes.Compare, nodes.Not, nodes.Test)) or _is_small(node)


def _is_small(node: nodes.Node) -> bool:
    """A number as it stands there, or of things."""
    if isinstance(node, (nodes.Sub, nodes.Add)):
        return _is_small(node.left) and _is_small(node.right)
    return isinstance(node, nodes.Const) or (
        isinstance(node, nodes.Filter) and node.name in ("length", "count")
    )


def _added(node: nodes.Expr) -> list[nodes.Expr]:
    """The parts of a chain of `+`, from left to right."""
    parts: list[nodes.Expr] = []
    while isinstance(node, nodes.Add):
        parts.append(node.right)
        node = node.left
    return [node, *reversed(parts)]
