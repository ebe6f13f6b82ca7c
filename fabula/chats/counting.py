"""Token counts that survive: by message version, or by text for what templates add. Knows no engine."""

from __future__ import annotations

from collections.abc import Mapping

from fabula.chats.book import Chats
from fabula.chats.records import PathMessage
from fabula.core.messages import Message

MAX_TEXTS = 10_000  # of template glue and system prompts that are remembered
MAX_VERSIONS = 400_000  # of messages whose counts are at hand
UNCOUNTED = -1  # the store was asked for it, and knows none


class RememberedCounts:
    """Implements `turn.telling.CountCache`. A version never changes: what the store once said of it holds."""

    def __init__(self, chats: Chats):
        self._chats = chats
        self._texts: dict[tuple[str, str], int] = {}
        self._versions: dict[str, dict[str, int]] = {}  # by tokenizer

    async def recall(self, tokenizer: str, messages: tuple[Message, ...]) -> dict[str, int]:
        """What is known of these messages' texts and of what templates add."""
        texts = {message.version_id: message.text for message in messages if isinstance(message, PathMessage)}
        known = self._known(tokenizer)
        if fresh := [version for version in texts if version not in known]:
            stored = await self._chats.counts(tokenizer, fresh)
            for version in fresh:
                known.setdefault(version, stored.get(version, UNCOUNTED))
        glue = {text: count for (of, text), count in self._texts.items() if of == tokenizer}
        counted = ((text, known[version]) for version, text in texts.items())
        return glue | {text: count for text, count in counted if count != UNCOUNTED}

    async def remember(
        self, tokenizer: str, messages: tuple[Message, ...], counts: Mapping[str, int]
    ) -> None:
        versions = {
            message.version_id: counts[message.text]
            for message in messages
            if isinstance(message, PathMessage) and message.text in counts
        }
        await self._chats.remember_counts(tokenizer, versions)
        self._known(tokenizer).update(versions)
        written = {message.text for message in messages if isinstance(message, PathMessage)}
        if len(self._texts) > MAX_TEXTS:
            self._texts.clear()
        self._texts |= {(tokenizer, text): count for text, count in counts.items() if text not in written}

    def _known(self, tokenizer: str) -> dict[str, int]:
        """Who has it may go on with it, also when it is dropped here."""
        if sum(map(len, self._versions.values())) > MAX_VERSIONS:
            self._versions = {}
        return self._versions.setdefault(tokenizer, {})
