"""The history of a steady prompt: turns that only grow. Knows no head and no budget.

Lore that a message brings in is told with it and stays there. Several messages of the person's side become
one turn, since many templates insist that roles alternate; in a group each reply is announced in the turn
before it, so that the announcement of the next one is all that a new speaker adds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from fabula.core.messages import Message
from fabula.prompt.faithful.model import StoryMessage
from fabula.prompt.faithful.prepare import Prepared
from fabula.prompt.lore.entry import Entry
from fabula.prompt.macros.evaluate import resolved
from fabula.prompt.steady.head import JOINT, is_constant
from fabula.prompt.steady.memory import Told

ANNOUNCED = "({{char}} answers.)"
"""How a group's next speaker is named, unless a setting says it otherwise."""


class Turned(NamedTuple):
    """One turn, and the messages that are in it."""

    message: Message
    ids: tuple[str, ...]


def told_now(
    p: Prepared, told: Mapping[str, tuple[Told, ...]], kept: Sequence[StoryMessage]
) -> dict[str, tuple[Told, ...]]:
    """The lore of all messages that are kept, with what this turn brings in before the person's last message.

    An entry that stands in the window is not told again unless its text has changed. A reply that is
    lengthened and what is written beside the chat bring nothing in: replies would have to be read again.
    """
    ids = {message.id for message in kept}
    standing = {id: lore for id, lore in told.items() if id in ids}
    asked = next((message for message in reversed(kept) if message.is_user), None)
    if asked is None or p.continues or p.turn.kind == "quiet":
        return standing
    known = {(one.entry, one.text) for lore in standing.values() for one in lore}
    fresh = [_told(entry) for entry in _rising(p.activation.entries) if not is_constant(entry)]
    added = tuple(one for one in fresh if one.text.strip() and (one.entry, one.text) not in known)
    return standing | {asked.id: (*standing.get(asked.id, ()), *added)}


def _rising(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.order)


def _told(entry: Entry) -> Told:
    return Told(entry.id, entry.comment or ", ".join(entry.keys), entry.content)


def turned(
    p: Prepared,
    kept: Sequence[StoryMessage],
    told: Mapping[str, tuple[Told, ...]],
    noted: Mapping[str, tuple[Told, ...]],
    announced: str,
) -> list[Turned]:
    """The messages as turns whose roles alternate, oldest first."""
    turns: list[Turned] = []
    for message in kept:
        if _is_theirs(message):
            _add_reply(turns, p, message, announced)
        else:
            _add_asked(turns, message, told.get(message.id, ()), noted.get(message.id, ()))
    return turns


def _is_theirs(message: StoryMessage) -> bool:
    return not message.is_user and not message.is_narrator


def _add_asked(
    turns: list[Turned], message: StoryMessage, lore: Sequence[Told], notes: Sequence[Told]
) -> None:
    text = message.text
    if lore or notes:
        text = JOINT.join([*(one.text for one in lore), text, *(one.text for one in notes)])
    if turns and turns[-1].message.role == "user":
        last = turns[-1]
        joined = replace(last.message, text=last.message.text + JOINT + text, id=message.id)
        turns[-1] = Turned(joined, (*last.ids, message.id))
    else:
        turns.append(Turned(Message(role="user", text=text, id=message.id), (message.id,)))


def _add_reply(turns: list[Turned], p: Prepared, message: StoryMessage, announced: str) -> None:
    if p.members:
        announce(turns, announcement(p, message.name, announced))
    reply = Message(
        role="assistant",
        text=message.text,
        id=message.id,
        token_ids=message.token_ids,
        tokenizer=message.tokenizer,
        before=message.before,
    )
    if turns and turns[-1].message.role == "assistant":
        last = turns[-1]
        text = last.message.text + JOINT + message.text
        joined = replace(last.message, text=text, token_ids=(), id=message.id)
        turns[-1] = Turned(joined, (*last.ids, message.id))
    else:
        turns.append(Turned(reply, (message.id,)))


def announcement(p: Prepared, name: str, announced: str) -> str:
    return resolved(announced, replace(p.scene, char=name))


def announce(turns: list[Turned], text: str) -> None:
    """Say who answers, at the end of the turn that is answered."""
    if not text:
        return
    if turns and turns[-1].message.role == "user":
        last = turns[-1]
        turns[-1] = last._replace(message=replace(last.message, text=last.message.text + JOINT + text))
    else:
        turns.append(Turned(Message(role="user", text=text), ()))
