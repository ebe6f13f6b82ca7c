"""Changes of the tree, and undo. Each is one transaction's work. Knows no events and no turns."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from fabula.chats import pages, rows, shelf
from fabula.chats.records import Change
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
    tree = rows.read_tree(connection, chat, parent)
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
    tree = rows.read_tree(connection, chat)
    tree.find(message_id)
    if text is None:
        return record(connection, chat, "branch", tree.show(message_id), message_id)
    message = rows.find_message(connection, chat, message_id)
    return _write(
        connection, chat, tree, message.parent_id, message.role, text, message.author, kind="branch"
    )


def move_head(connection: Connection, owner: str, id: str, revision: int, message_id: str) -> Change:
    chat = rows.expect(connection, owner, id, revision)
    tree = rows.read_tree(connection, chat)
    tree.find(message_id)
    return record(connection, chat, "head", tree.show(tree.leaf_below(message_id)), message_id)


def hide(connection: Connection, owner: str, id: str, revision: int, message_id: str) -> Change:
    chat = rows.expect(connection, owner, id, revision)
    return record(connection, chat, "hide", rows.read_tree(connection, chat).hide(message_id))


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
    number = chat_changes.c.revision
    query = select(chat_changes).where(chat_changes.c.chat_id == chat.id, chat_changes.c.state == state)
    query = query.where(chat_changes.c.owner_id == chat.owner_id)
    row = connection.execute(query.order_by(number.desc() if state == "done" else number).limit(1)).first()
    if row is None:
        raise NothingToUndo(chat.id)
    return row


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
