"""The texts of a card as a prompt holds them, and when it does. Counts nothing and knows no layout."""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fabula.chats import narrating
from fabula.chats.characters import book
from fabula.chats.characters.card import Card
from fabula.prompt.macros.evaluate import resolved
from fabula.prompt.macros.scene import Scene

When = Literal["always", "greeting", "room", "key", "never"]
ALWAYS = ("description", "personality", "scenario", "system_prompt", "post_history_instructions")
GREETINGS = ("alternate_greetings", "group_only_greetings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`field` as in the card, lists with a number behind a dot; `text` with its macros resolved.

    `when`: in every prompt; one of the greetings, until it is cut; while there is room; when a key is found;
    never.
    """

    field: str
    text: str
    when: When


def parts(card: Card, user: str) -> list[Part]:
    """Those that say something, in the order of the card."""
    scene = Scene(
        user=user,
        char=card.called,
        card=narrating.texts(card),
        now=datetime.datetime.now().astimezone(),
        draw=random.random,
    )
    found = (Part(field=field, text=resolved(text, scene), when=when) for field, text, when in _told(card))
    return [part for part in found if part.text.strip()]


def _told(card: Card) -> Iterator[tuple[str, str, When]]:
    for field in ALWAYS[:3]:
        yield field, card.text(field), "always"
    yield "first_mes", card.text("first_mes"), "greeting"
    for field in GREETINGS:
        for number, text in enumerate(card.texts(field)):
            yield f"{field}.{number}", text, "greeting"
    yield "mes_example", card.text("mes_example"), "room"
    for field in ALWAYS[3:]:
        yield field, card.text(field), "always"
    note = card.depth_note
    yield "depth_prompt", note.text if note else "", "always"
    for number, entry in enumerate(book.entries(card)):
        if not entry.disabled:
            yield f"character_book.{number}", entry.content, "always" if entry.constant else "key"
    yield "creator_notes", card.text("creator_notes"), "never"
