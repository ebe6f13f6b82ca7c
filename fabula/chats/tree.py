"""The tree of a chat: which path is shown, and which pointers change with it. PURE: knows no database.

Every change of a chat comes down to pointers that get other values; so undo is the same list backwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Self

from fabula.core.errors import MessageNotFound

Table = Literal["chats", "messages"]


@dataclass(frozen=True, slots=True)
class Pointer:
    """One field of one row that changes its value."""

    table: Table
    id: str
    field: str
    before: Any
    after: Any

    def back(self) -> Pointer:
        return replace(self, before=self.after, after=self.before)


class Node(NamedTuple):
    """A message as the tree sees it. `shown_id` is the child that was shown last; `hidden` means deleted."""

    id: str
    parent_id: str
    position: int
    hidden: bool = False
    shown_id: str = ""
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """Pointers that change together. The path stays as it is up to and with `path_from`."""

    pointers: tuple[Pointer, ...]
    path_from: str


class Tree:
    """All messages of a chat, or as many of them as a question needs, and the head. `shown` are ids that are
    known to be on the shown path besides those that lead up from the head.

    Two things hold at all times: no message on the shown path is hidden, and each of them points to the next
    with `shown_id`.
    """

    def __init__(self, chat_id: str, head_id: str, nodes: Iterable[Node], shown: Iterable[str] = ()) -> None:
        self.chat_id = chat_id
        self.head_id = head_id
        self.nodes = {node.id: node for node in nodes}
        self._children: dict[str, list[Node]] = {}
        for node in sorted(self.nodes.values(), key=lambda node: node.position):
            self._children.setdefault(node.parent_id, []).append(node)
        self.shown = {*shown, *self.path(head_id)}

    def find(self, id: str) -> Node:
        """A message that can be reached. Raises MessageNotFound for hidden ones and what is below them."""
        if id not in self.nodes or any(node.hidden for node in self.upwards(id)):
            raise MessageNotFound(id)
        return self.nodes[id]

    def upwards(self, id: str) -> Iterator[Node]:
        """The message and those above it, up to the first (or the last one known)."""
        node = self.nodes.get(id)
        while node:
            yield node
            node = self.nodes.get(node.parent_id)

    def path(self, id: str) -> list[str]:
        return [node.id for node in self.upwards(id)][::-1]

    def children(self, id: str) -> list[Node]:
        """The visible ones, oldest first; `id` "" means the first messages of the chat."""
        return [node for node in self._children.get(id, []) if not node.hidden]

    def leaf_below(self, id: str) -> str:
        """Where the path ends that was last shown through this message, else its newest one."""
        while True:
            below = self.nodes.get(self.nodes[id].shown_id)
            if below is None or below.hidden or below.parent_id != id:
                children = self.children(id)
                if not children:
                    return id
                below = children[-1]
            id = below.id

    def show(self, head_id: str) -> Step:
        """The head moves: the messages above the new one remember that they were left this way."""
        pointers = [Pointer("chats", self.chat_id, "head_id", self.head_id, head_id)]
        child = ""
        for node in self.upwards(head_id):
            if child and node.shown_id != child:
                pointers.append(Pointer("messages", node.id, "shown_id", node.shown_id, child))
            if node.id in self.shown:
                return self._step(pointers, node.id)
            child = node.id
        return self._step(pointers, "")

    def _step(self, pointers: list[Pointer], path_from: str) -> Step:
        return Step(tuple(p for p in pointers if p.before != p.after), path_from)

    def grow(self, *nodes: Node) -> Self:
        """The tree with more messages."""
        return type(self)(self.chat_id, self.head_id, [*self.nodes.values(), *nodes], self.shown)

    def hide(self, id: str) -> Step:
        """The message and all below it go; the head moves to the alternative before (or after), or up."""
        node = self.find(id)
        hidden = Pointer("messages", id, "hidden", False, True)
        if id not in self.shown:
            return Step((hidden,), node.parent_id)
        near = self.neighbour(id)
        step = self.show(self.leaf_below(near) if near else node.parent_id)
        return Step((hidden, *step.pointers), node.parent_id)

    def neighbour(self, id: str) -> str:
        """The visible alternative before a message, else the one after it, else ""."""
        node = self.nodes[id]
        siblings = [other for other in self.children(node.parent_id) if other.id != node.id]
        before = [other.id for other in siblings if other.position < node.position]
        after = [other.id for other in siblings if other.position > node.position]
        return (before[-1:] or after[:1] or [""])[0]

    def take_out(self, id: str) -> Step:
        """The message goes alone: what follows it follows the one before. Alternatives to it stay."""
        node = self.find(id)
        below = self._children.get(id, [])
        if not below:
            return self.hide(id)
        last = max(other.position for other in self._children[node.parent_id])
        pointers = [Pointer("messages", id, "hidden", False, True)]
        for number, child in enumerate(below, last + 1):
            pointers.append(Pointer("messages", child.id, "parent_id", id, node.parent_id))
            pointers.append(Pointer("messages", child.id, "position", child.position, number))
        parent = self.nodes.get(node.parent_id)
        if parent and parent.shown_id == id and node.shown_id:
            pointers.append(Pointer("messages", parent.id, "shown_id", id, node.shown_id))
        if self.head_id == id:
            pointers.append(Pointer("chats", self.chat_id, "head_id", id, node.parent_id))
        return self._step(pointers, node.parent_id)

    def lift(self, id: str) -> Step:
        """The message changes places with the one before it, each with its alternatives and what is below
        these. Raises MessageNotFound for a first message and for one off the shown path."""
        node = self.find(id)
        if id not in self.shown or not node.parent_id:
            raise MessageNotFound(id)
        before = self.nodes[node.parent_id]
        groups = {before.parent_id: id, before.id: before.parent_id, id: before.id}
        pointers = [
            Pointer("messages", child.id, "parent_id", parent_id, new)
            for parent_id, new in groups.items()
            for child in self._children.get(parent_id, [])
        ]
        shown = [(before.parent_id, before.id, id), (id, node.shown_id, before.id)]
        shown.append((before.id, id, node.shown_id))
        pointers += [Pointer("messages", at, "shown_id", old, new) for at, old, new in shown if at]
        if self.head_id == id:
            pointers.append(Pointer("chats", self.chat_id, "head_id", id, before.id))
        return self._step(pointers, before.parent_id)
