"""Notes that stand at a depth: told behind the person's last message, where they stay. Knows no template.

A note that moved along with the end would be read again every turn, and with it the reply that followed it.
So it stays where it was told, and is told again when it has come to lie twice as deep as it should: on
average it stands at its depth. Its copies go when the window is cut, or when the note is changed. A note that
comes and goes by itself, a long one and what has to be last of all is told in the tail instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fabula.prompt.faithful import injections as keys
from fabula.prompt.faithful.model import Injection, Place, StoryMessage
from fabula.prompt.faithful.prepare import Prepared, _note_text
from fabula.prompt.lore.entry import Role
from fabula.prompt.steady.memory import Told

DRIFT = 2  # times its depth
LONGEST = 480  # characters, about 120 tokens: copies of a longer one would take the place of what was said
LABEL = "note"
_ORDER = (Role.ASSISTANT, Role.USER, Role.SYSTEM)
_IN_HEAD = ("1_", "3_", "4_", keys.PERSONA)  # summaries, retrieved texts and the persona


@dataclass(frozen=True, slots=True)
class Note:
    """One note. It is told again when more than `reach` messages have come behind it; 0: always anew."""

    told: Told
    reach: float


def notes(p: Prepared) -> list[Note]:
    """All texts that stand behind the story or at a depth, but lore's, which the history tells."""
    given = [item for item in p.injections if _is_note(item)]
    given.sort(key=lambda item: (item.place, -item.depth, _ORDER.index(Role(item.role)), item.key))
    found = [Note(Told(item.key, LABEL, _text(p, item)), _reach(p, item)) for item in given]
    return [note for note in found if note.told.text]


def _is_note(item: Injection) -> bool:
    placed = item.place in (Place.AFTER_STORY, Place.IN_CHAT)
    return placed and not item.key.startswith((*_IN_HEAD, keys.LORE))


def _text(p: Prepared, item: Injection) -> str:
    """The author's note without the lore and the persona around it."""
    is_own = item.key == keys.NOTE and p.note_told
    return p.resolve(_note_text(p.story.note) if is_own else item.text).strip()


def _reach(p: Prepared, item: Injection) -> float:
    comes_and_goes = item.key == keys.NOTE and p.story.note.interval != 1
    if comes_and_goes or len(_text(p, item)) > LONGEST:
        return 0
    return math.inf if item.place == Place.AFTER_STORY else DRIFT * item.depth


def noted_now(
    p: Prepared, noted: Mapping[str, tuple[Told, ...]], kept: Sequence[StoryMessage]
) -> tuple[dict[str, tuple[Told, ...]], tuple[str, ...]]:
    """The copies that stand, by the message that they stand behind, and the notes that the tail tells.

    Nothing is put behind a message that was answered already, nor into a prompt that lengthens a reply.
    """
    wanted = notes(p)
    lasting = {note.told: note.reach for note in wanted if note.reach}
    told = [(place, message.id) for place, message in enumerate(kept) if message.id in noted]
    still = [(place, id, tuple(one for one in noted[id] if one in lasting)) for place, id in told]
    standing = {id: copies for _, id, copies in still if copies}
    behind = {one: place for place, _, copies in still for one in copies}
    due = [one for one, reach in lasting.items() if len(kept) - 1 - behind.get(one, -math.inf) > reach]
    stays = bool(kept) and kept[-1].is_user and not p.continues
    last = tuple(note.told.text for note in wanted if not note.reach or (note.told in due and not stays))
    if due and stays:
        standing[kept[-1].id] = (*standing.get(kept[-1].id, ()), *due)
    return standing, last
