"""The history of a steady prompt: turns that only grow. Knows no head and no budget.

Lore that a message brings in is told with it and stays there. Several messages of the person's side become
one turn, since many templates insist that roles alternate; in a group each reply is announced in the turn
before it, so that the announcement of the next one is all that a new speaker adds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from fabula.core.messages import Message, Role, ToolCall
from fabula.prompt.faithful.model import StoryMessage
from fabula.prompt.faithful.prepare import Prepared
from fabula.prompt.lore.entry import Entry
from fabula.prompt.macros.evaluate import resolved
from fabula.prompt.steady.head import JOINT, is_constant
from fabula.prompt.steady.memory import Told

ANNOUNCED = "({{char}} answers.)"
"""How a group's next speaker is named, unless a setting says it otherwise."""


class Turned(NamedTuple):
    """One turn, as a template is told it, and the messages that are in it; `id` is the last one's.

    A tuple, since there is one for each message: a Message, a frozen dataclass, takes five times as long to
    make.
    """

    role: Role
    text: str
    id: str = ""
    ids: tuple[str, ...] = ()
    token_ids: tuple[int, ...] = ()
    tokenizer: str = ""
    before: tuple[str | tuple[int, ...], ...] = ()
    name: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""

    def message(self) -> Message:
        return Message(
            role=self.role,
            text=self.text,
            id=self.id,
            token_ids=self.token_ids,
            tokenizer=self.tokenizer,
            before=self.before,
        )


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
    members = bool(p.members)
    for message in kept:
        if message.is_user or message.is_narrator:
            _add_asked(turns, message, told.get(message.id, ()), noted.get(message.id, ()))
            continue
        if members:
            announce(turns, announcement(p, message.name, announced))
        _add_reply(turns, message)
    return turns


def _add_asked(
    turns: list[Turned], message: StoryMessage, lore: Sequence[Told], notes: Sequence[Told]
) -> None:
    text, id = message.text, message.id
    if lore or notes:
        text = JOINT.join([*(one.text for one in lore), text, *(one.text for one in notes)])
    if turns and turns[-1].role == "user":
        last = turns[-1]
        turns[-1] = last._replace(text=last.text + JOINT + text, id=id, ids=(*last.ids, id))
    else:
        turns.append(Turned("user", text, id, (id,)))


def _add_reply(turns: list[Turned], message: StoryMessage) -> None:
    text, id = message.text, message.id
    if turns and turns[-1].role == "assistant":
        last = turns[-1]
        text = last.text + JOINT + text
        turns[-1] = last._replace(text=text, token_ids=(), id=id, ids=(*last.ids, id))
    else:
        sampled = message.token_ids, message.tokenizer, message.before
        turns.append(Turned("assistant", text, id, (id,), *sampled))


def announcement(p: Prepared, name: str, announced: str) -> str:
    return resolved(announced, replace(p.scene, char=name))


def announce(turns: list[Turned], text: str) -> None:
    """Say who answers, at the end of the turn that is answered."""
    if not text:
        return
    if turns and turns[-1].role == "user":
        turns[-1] = turns[-1]._replace(text=turns[-1].text + JOINT + text)
    else:
        turns.append(Turned("user", text))
