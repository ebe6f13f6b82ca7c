"""The policy of a home without one: everything passes. Knows nothing of what the text is about."""

from __future__ import annotations

from collections.abc import Sequence

from fabula.core.messages import Message
from fabula.core.request import Context


class OpenWatch:
    """Lets text through as it comes, holding nothing back."""

    def feed(self, text: str) -> str:
        return text

    def finish(self) -> str:
        return ""


class OpenPolicy:
    """Judges nothing. Implements `core.seams.Guard`."""

    def judge(self, messages: Sequence[Message], context: Context) -> None:
        return None

    def watch(self, messages: Sequence[Message], context: Context) -> OpenWatch:
        return OpenWatch()
