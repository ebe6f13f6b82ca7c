"""Token counts that survive: by message version, or by text for what templates add. Knows no engine."""

from __future__ import annotations

from collections.abc import Mapping

from fabula.chats.book import Chats
from fabula.chats.records import PathMessage
from fabula.core.messages import Message

MAX_TEXTS = 10_000  # of template glue and system prompts that are remembered


class RememberedCounts:
    """Implements `turn.telling.CountCache`."""

    def __init__(self, chats: Chats):
        self._chats = chats
        self._texts: dict[tuple[str, str], int] = {}

    async def recall(self, tokenizer: str, messages: tuple[Message, ...]) -> dict[str, int]:
        """What is known of these messages' texts and of what templates add."""
        texts = {message.version_id: message.text for message in messages if isinstance(message, PathMessage)}
        stored = await self._chats.counts(tokenizer, list(texts)) if texts else {}
        glue = {text: count for (known, text), count in self._texts.items() if known == tokenizer}
        return glue | {texts[version]: count for version, count in stored.items()}

    async def remember(
        self, tokenizer: str, messages: tuple[Message, ...], counts: Mapping[str, int]
    ) -> None:
        versions = {
            message.version_id: counts[message.text]
            for message in messages
            if isinstance(message, PathMessage) and message.text in counts
        }
        await self._chats.remember_counts(tokenizer, versions)
        written = {message.text for message in messages if isinstance(message, PathMessage)}
        if len(self._texts) > MAX_TEXTS:
            self._texts.clear()
        self._texts |= {(tokenizer, text): count for text, count in counts.items() if text not in written}
