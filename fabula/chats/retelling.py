"""Messages of a path as a story has them, made once: each turn of a long chat adds two. Knows no tables."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import zip_longest
from threading import Lock

from fabula.chats.records import PathMessage
from fabula.chats.story_settings import Layout
from fabula.prompt.faithful.model import StoryMessage

KEPT = 4  # chats

Told = tuple[Sequence[PathMessage], Sequence[StoryMessage]]


class Retelling:
    """What was told last in each of a few chats, under the names and for the layout of then."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ...], Told] = OrderedDict()
        self._lock = Lock()

    def messages(
        self, chat_id: str, path: Sequence[PathMessage], user: str, char: str, layout: Layout
    ) -> list[StoryMessage]:
        """`user` and `char` are the names of those who have none."""
        key = chat_id, user, char, layout
        with self._lock:
            before, made = self._kept.get(key, ((), ()))
        found = [
            same if message is old and same else said(message, user, char, layout)
            for message, old, same in zip_longest(path, before[: len(path)], made[: len(path)])
        ]
        with self._lock:
            self._kept[key] = tuple(path), tuple(found)
            self._kept.move_to_end(key)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found


def said(message: PathMessage, user: str, char: str, layout: Layout = "steady") -> StoryMessage:
    """The steady layout sends the thought of a reply that goes on as its ids, beside the text."""
    name = message.name or {"user": user, "assistant": char}.get(message.role, "")
    return StoryMessage(
        id=message.id,
        text=message.text,
        is_user=message.role == "user",
        is_narrator=message.role == "system",
        is_hidden=message.left_out,
        name=name,
        reasoning=message.reasoning if layout != "steady" else "",
        token_ids=message.token_ids,
        tokenizer=message.tokenizer,
    )
