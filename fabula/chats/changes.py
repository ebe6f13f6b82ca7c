"""Changes of the tree, and undo. Each is one transaction's work. Knows no events and no turns."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from fabula.chats import pages, rows, shelf
from fabula.chats.records import Change, Chat
from fabula.chats.tree import Pointer, Step, Tree
from fabula.core.errors import MessageNotFound, NothingToUndo
from fabula.core.messages import Role
from fabula.store.ids import new_id
from fabula.store.schema.chats import chat_changes, versions


def add(
    connection: Connection,
    owner: str,
    id: str,
    revision: int,
    role: Role,
    text: str,
    author: str,
    parent_id: str | None,
) -> Change:
    chat = rows.expect(connection, owner, id, revision)
    parent = chat.head_id if parent_id is None else parent_id
    tree = rows.read_head(connection, chat, parent)
    if parent:
        tree.find(parent)
    return _write(connection, chat, tree, parent, role, text, author, kind="add")


def edit(connection: Connection, owner: str, id: str, revision: int, message_id: str, text: str) -> Change:
    chat = rows.expect(connection, owner, id, revision)
    message = rows.find_message(connection, chat, message_id)
    if message.hidden:
        raise MessageNotFound(message_id)
    old = connection.execute(
        select(versions.c.text, versions.c.reasoning).where(versions.c.id == message.version_id)
    ).one()
    if text == old.text:
        return record(connection, chat, "edit", Step((), message.parent_id), message_id)
    version_id = new_id()
    rows.insert_version(connection, owner, message_id, version_id, text, "edited", reasoning=old.reasoning)
    return record(connection, chat, "edit", point_at(message, version_id), message_id)


def branch(
    connection: Connection, owner: str, id: str, revision: int, message_id: str, text: str | None
) -> Change:
    chat = rows.expect(connection, owner, id, revision)
    tree = rows.read_tree(connection, chat, message_id)
    tree.find(message_id)
    if text is None:
        return record(connection, chat, "branch", tree.show(message_id), message_id)
    message = rows.find_message(connection, chat, message_id)
    return _write(
        connection, chat, tree, message.parent_id, message.role, text, message.author, kind="branch"
    )


def move_head(connection: Connection, owner: str, id: str, revision: int, message_id: str) -> Change:
    chat = rows.expect(connection, owner, id, revision)
    tree = rows.read_tree(connection, chat, message_id)
    tree.find(message_id)
    tree = rows.with_descent(connection, chat, tree, message_id)
    return record(connection, chat, "head", tree.show(tree.leaf_below(message_id)), message_id)


def hide(
    connection: Connection, owner: str, id: str, revision: int, message_id: str, alone: bool = False
) -> Change:
    """With all below it, or `alone`."""
    chat = rows.expect(connection, owner, id, revision)
    tree = rows.read_tree(connection, chat, message_id)
    tree.find(message_id)
    if near := tree.neighbour(message_id):
        tree = rows.with_descent(connection, chat, tree, near)
    if alone:
        return record(connection, chat, "hide", tree.take_out(message_id))
    return record(connection, chat, "hide", tree.hide(message_id))


def move(
    connection: Connection, owner: str, id: str, revision: int, message_id: str, later: bool = False
) -> Change:
    """The message changes places with the one before it on the shown path, or with the one after it."""
    chat = rows.expect(connection, owner, id, revision)
    lifted = message_id
    if later:
        lifted = rows.find_message(connection, chat, message_id).shown_id
    before = rows.find_message(connection, chat, lifted).parent_id
    step = rows.read_tree(connection, chat, lifted, before).lift(lifted)
    return record(connection, chat, "move", step, message_id)


def leave_out(
    connection: Connection, owner: str, id: str, revision: int, message_ids: Sequence[str], out: bool
) -> Change:
    """Prompts go without these messages, or with them again. They stay where they are."""
    return _mark(connection, owner, id, revision, "leave_out", message_ids, "left_out", out)


def checkpoint(
    connection: Connection, owner: str, id: str, revision: int, message_id: str, name: str
) -> Change:
    """Names a message as a place to come back to; "" takes the name away."""
    return _mark(connection, owner, id, revision, "checkpoint", [message_id], "checkpoint", name)


def _mark(
    connection: Connection,
    owner: str,
    id: str,
    revision: int,
    kind: str,
    message_ids: Sequence[str],
    field: str,
    value: Any,
) -> Change:
    chat = rows.expect(connection, owner, id, revision)
    found = [rows.find_message(connection, chat, message_id) for message_id in message_ids]
    if not found:
        return answer(connection, chat, chat.head_id)
    for message in found:
        if message.hidden:
            raise MessageNotFound(message.id)
    pointers = [
        Pointer("messages", message.id, field, message._mapping[field], value)
        for message in found
        if message._mapping[field] != value
    ]
    first = min(found, key=lambda message: message.depth)
    return record(connection, chat, kind, Step(tuple(pointers), first.parent_id), first.id)


def merge(connection: Connection, owner: str, id: str, revision: int, message_id: str) -> Change:
    """What another path has of its own, down to a message, is told again after the head. The branch stays."""
    chat = rows.expect(connection, owner, id, revision)
    tree = rows.read_tree(connection, chat, message_id)
    tree.find(message_id)
    own = [node for node in tree.path(message_id) if node not in tree.shown]
    if not own:
        return answer(connection, chat, chat.head_id)
    nodes = rows.copy_messages(connection, chat, own, chat.head_id)
    grown = rows.read_head(connection, chat, chat.head_id).grow(*nodes)
    step = grown.show(nodes[-1].id)
    seen = Pointer("messages", nodes[0].id, "hidden", True, False)
    return record(connection, chat, "merge", Step((seen, *step.pointers), chat.head_id), nodes[0].id)


def update_fields(
    connection: Connection, owner: str, id: str, revision: int, fields: Mapping[str, Any]
) -> Chat:
    """What a chat is called and told with. Turning the same knobs again makes one step of both."""
    shelf.check(fields)
    chat = rows.expect(connection, owner, id, revision)
    pointers = tuple(
        Pointer("chats", chat.id, name, chat._mapping[name], value)
        for name, value in fields.items()
        if chat._mapping[name] != value
    )
    last = connection.execute(_last_change(chat, "done")).first()
    if last and last.kind == "fields" and last.revision == chat.revision:
        before = {pointer.field: pointer.before for pointer in _pointers(last)}
        if before.keys() == {pointer.field for pointer in pointers}:
            pointers = tuple(dataclasses.replace(p, before=before[p.field]) for p in pointers)
            same = chat_changes.c.chat_id == chat.id, chat_changes.c.revision == last.revision
            connection.execute(delete(chat_changes).where(*same))
    return record(connection, chat, "fields", Step(pointers, chat.head_id)).chat


def undo(connection: Connection, owner: str, id: str, revision: int) -> Change:
    chat = rows.expect(connection, owner, id, revision)
    row = _last(connection, chat, "done")
    return _replay(connection, chat, row, [p.back() for p in reversed(_pointers(row))], "undone")


def redo(connection: Connection, owner: str, id: str, revision: int) -> Change:
    chat = rows.expect(connection, owner, id, revision)
    row = _last(connection, chat, "undone")
    return _replay(connection, chat, row, _pointers(row), "done")


def appear(tree: Tree, node_id: str, *beside: str) -> Step:
    """A new message comes into sight and becomes the head; its new alternatives come into sight with it."""
    step = tree.show(node_id)
    seen = (Pointer("messages", id, "hidden", True, False) for id in (node_id, *beside))
    return Step((*seen, *step.pointers), step.path_from)


def point_at(message: Row[Any], version_id: str) -> Step:
    """Another version of a message is shown."""
    pointer = Pointer("messages", message.id, "version_id", message.version_id, version_id)
    return Step((pointer,), message.parent_id)


def record(connection: Connection, chat: Row[Any], kind: str, step: Step, message_id: str = "") -> Change:
    """Makes a step and writes it down for undo. What had been undone can no longer be redone."""
    if step.pointers:
        rows.apply(connection, chat, step.pointers)
        tail = chat_changes.c.chat_id == chat.id, chat_changes.c.state == "undone"
        connection.execute(update(chat_changes).where(*tail).values(state="dropped"))
        connection.execute(
            insert(chat_changes).values(
                chat_id=chat.id,
                revision=rows.touch(connection, chat),
                owner_id=chat.owner_id,
                kind=kind,
                message_id=message_id,
                path_from=step.path_from,
                patch=[dataclasses.asdict(pointer) for pointer in step.pointers],
                state="done",
                created_at=time.time(),
            )
        )
    return answer(connection, chat, step.path_from, message_id)


def answer(connection: Connection, chat: Row[Any], path_from: str, message_id: str = "") -> Change:
    view = shelf.get(connection, chat.owner_id, chat.id, trashed=True)
    message = pages.show(connection, chat, message_id) if message_id else None
    return Change(view, message, path_from)


def _write(
    connection: Connection,
    chat: Row[Any],
    tree: Tree,
    parent_id: str,
    role: Role,
    text: str,
    author: str,
    kind: str,
) -> Change:
    version_id = new_id()
    node = rows.insert_message(connection, chat, parent_id, role, author, version_id)
    rows.insert_version(connection, chat.owner_id, node.id, version_id, text, "written")
    return record(connection, chat, kind, appear(tree.grow(node), node.id), node.id)


def _last(connection: Connection, chat: Row[Any], state: str) -> Row[Any]:
    """The next change to undo (the newest done) or to redo (the oldest undone)."""
    row = connection.execute(_last_change(chat, state)).first()
    if row is None:
        raise NothingToUndo(chat.id)
    return row


def _last_change(chat: Row[Any], state: str) -> Select[Any]:
    number = chat_changes.c.revision
    query = select(chat_changes).where(chat_changes.c.chat_id == chat.id, chat_changes.c.state == state)
    query = query.where(chat_changes.c.owner_id == chat.owner_id)
    return query.order_by(number.desc() if state == "done" else number).limit(1)


def _pointers(row: Row[Any]) -> list[Pointer]:
    return [Pointer(**pointer) for pointer in row.patch]


def _replay(
    connection: Connection, chat: Row[Any], row: Row[Any], pointers: list[Pointer], state: str
) -> Change:
    rows.apply(connection, chat, pointers)
    same = chat_changes.c.chat_id == chat.id, chat_changes.c.revision == row.revision
    connection.execute(update(chat_changes).where(*same).values(state=state))
    rows.touch(connection, chat)
    return answer(connection, chat, row.path_from)
