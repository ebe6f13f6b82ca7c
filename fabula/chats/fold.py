"""Taking what a turn brought into the tree, once, whatever happened meanwhile. Knows nothing of streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, update

from fabula.chats import changes, rows
from fabula.chats.records import Change, TurnOutcome
from fabula.chats.tree import Node, Tree
from fabula.store.ids import new_id
from fabula.store.schema.chats import messages


def finish_turn(connection: Connection, outcomes: Sequence[TurnOutcome]) -> Change:
    """All alternatives that one turn has written; the first one is shown. A second time for the same turn
    changes nothing. Raises ChatNotFound or MessageNotFound.

    Where the chat was changed meanwhile, the text still goes to its place in the tree; only what is shown
    stays as the person left it, and there is nothing to undo.
    """
    outcome = outcomes[0]
    chat = rows.find_chat(connection, outcome.owner_id, outcome.chat_id, trashed=True)
    taken = rows.turn_message(connection, outcome.owner_id, outcome.turn_id)
    if taken:
        parent_id = rows.find_message(connection, chat, taken).parent_id
        return changes.answer(connection, chat, parent_id, taken)
    if outcome.kind == "continue":
        return _lengthen(connection, chat, outcome)
    return _reply(connection, chat, outcomes)


def _reply(connection: Connection, chat: Row[Any], outcomes: Sequence[TurnOutcome]) -> Change:
    first = outcomes[0]
    if first.parent_id:
        rows.find_message(connection, chat, first.parent_id)
    tree = rows.read_head(connection, chat, first.parent_id)
    shown, *beside = [_insert(connection, chat, outcome) for outcome in outcomes]
    if _is_awaited(tree, first):
        step = changes.appear(tree.grow(shown), shown.id, *(node.id for node in beside))
        return changes.record(connection, chat, first.kind, step, shown.id)
    ids = [node.id for node in (shown, *beside)]
    connection.execute(update(messages).where(messages.c.id.in_(ids)).values(hidden=False))
    rows.touch(connection, chat)
    return changes.answer(connection, chat, first.parent_id, shown.id)


def _insert(connection: Connection, chat: Row[Any], outcome: TurnOutcome) -> Node:
    """The new message, out of sight."""
    version_id = new_id()
    node = rows.insert_message(
        connection, chat, outcome.parent_id, outcome.role, outcome.author, version_id, outcome.message_id
    )
    _insert_version(connection, outcome, node.id, version_id)
    return node


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
