"""Taking what a turn brought into the tree, once, whatever happened meanwhile. Knows nothing of streams."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, update

from fabula.chats import changes, rows
from fabula.chats.records import Change, TurnOutcome
from fabula.chats.tree import Tree
from fabula.store.ids import new_id
from fabula.store.schema.chats import messages


def finish_turn(connection: Connection, outcome: TurnOutcome) -> Change:
    """A second time for the same turn changes nothing. Raises ChatNotFound or MessageNotFound.

    Where the chat was changed meanwhile, the text still goes to its place in the tree; only what is shown
    stays as the person left it, and there is nothing to undo.
    """
    chat = rows.find_chat(connection, outcome.owner_id, outcome.chat_id, trashed=True)
    taken = rows.turn_message(connection, outcome.owner_id, outcome.turn_id)
    if taken:
        parent_id = rows.find_message(connection, chat, taken).parent_id
        return changes.answer(connection, chat, parent_id, taken)
    return (_lengthen if outcome.kind == "continue" else _reply)(connection, chat, outcome)


def _reply(connection: Connection, chat: Row[Any], outcome: TurnOutcome) -> Change:
    if outcome.parent_id:
        rows.find_message(connection, chat, outcome.parent_id)
    tree = rows.read_tree(connection, chat, outcome.parent_id)
    version_id = new_id()
    node = rows.insert_message(
        connection, chat, outcome.parent_id, outcome.role, outcome.author, version_id, outcome.message_id
    )
    _insert_version(connection, outcome, node.id, version_id)
    if _is_awaited(tree, outcome):
        return changes.record(
            connection, chat, outcome.kind, changes.appear(tree.grow(node), node.id), node.id
        )
    connection.execute(update(messages).where(messages.c.id == node.id).values(hidden=False))
    rows.touch(connection, chat)
    return changes.answer(connection, chat, outcome.parent_id, node.id)


def _lengthen(connection: Connection, chat: Row[Any], outcome: TurnOutcome) -> Change:
    message = rows.find_message(connection, chat, outcome.message_id)
    version_id = new_id()
    _insert_version(connection, outcome, message.id, version_id)
    if message.version_id == outcome.base_version_id and not message.hidden:
        return changes.record(connection, chat, "continue", changes.point_at(message, version_id), message.id)
    rows.touch(connection, chat)
    return changes.answer(connection, chat, message.parent_id, message.id)


def _is_awaited(tree: Tree, outcome: TurnOutcome) -> bool:
    """Whether the person still looks where the turn began."""
    if outcome.head_id is not None:
        return tree.head_id == outcome.head_id
    if outcome.kind == "swipe" and tree.head_id in [node.id for node in tree.children(outcome.parent_id)]:
        return True
    return tree.head_id == outcome.parent_id


def _insert_version(connection: Connection, outcome: TurnOutcome, message_id: str, version_id: str) -> None:
    rows.insert_version(
        connection,
        outcome.owner_id,
        message_id,
        version_id,
        outcome.text,
        outcome.reason,
        outcome.turn_id,
        outcome.token_ids,
        outcome.tokenizer,
        outcome.facts,
        outcome.reasoning,
        outcome.reasoning_ids,
    )
