"""Harmony, the format of gpt-oss: a reply is messages with headers, each for a channel.

    <|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…
    <|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{…}<|call|>

Knows no engine. As in `reasoning`, the parts together are all that came in; calls are told beside them.
"""

from __future__ import annotations

import re

from fabula.core.stream import Token
from fabula.engine.parsing.events import Argued, Called, CallEvent
from fabula.engine.parsing.reasoning import Channel, Part
from fabula.engine.parsing.tape import Tape, first_of, overlap

MESSAGE = "<|message|>"
ENDS = ("<|end|>", "<|call|>", "<|return|>", "<|start|>", "<|channel|>")
HEADER_BEGINS = ("<|channel|>", "<|start|>", "<|constrain|>", MESSAGE, "to=")
CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")
RECIPIENT = re.compile(r"\bto=([^\s<]+)")
HEADER_LIMIT = 400  # characters; what is longer is no header


class HarmonyParser:
    """With `answers` the prompt ends after the header of an answer."""

    def __init__(self, *, answers: bool = False) -> None:
        self._tape = Tape()
        self._in_header = not answers
        self._channel: Channel | None = "text"  # None = a tool call
        self.thinks = False
        self._argued = False  # the call has arguments

    def feed(self, token: Token) -> list[Part | CallEvent]:
        self._tape.push(token)
        return self._advance()

    def finish(self, *, complete: bool) -> list[Part | CallEvent]:
        parts = self._advance()
        if self._in_header:
            is_text = complete and "<|" not in self._tape.text
            return [*parts, *_parts("text" if is_text else "mark", self._tape.rest())]
        length = len(self._tape.text) if complete else self._solid()
        body = [*self._body(length), *(self._unargued() if complete else [])]
        return [*parts, *body, *_parts("mark", self._tape.rest())]

    def close(self) -> list[Part | CallEvent]:
        """The header of the answer is written for the model."""
        held = _parts("reasoning", self._tape.rest())
        self._in_header, self.thinks, self._channel = False, False, "text"
        return held

    def _advance(self) -> list[Part | CallEvent]:
        parts: list[Part | CallEvent] = []
        while (more := self._header() if self._in_header else self._message()) is not None:
            parts += more
        return parts

    def _header(self) -> list[Part | CallEvent] | None:
        text = self._tape.text
        header, message, _ = text.partition(MESSAGE)
        if not _is_header(header if message else text[: len(text) - overlap(text, (MESSAGE,))]):
            self._in_header, self._channel = False, "text"
            return []
        if not message:
            return None
        self._in_header = False
        marks: list[Part | CallEvent] = [*_parts("mark", self._tape.cut(len(header) + len(MESSAGE)))]
        return marks + self._begin(header)

    def _begin(self, header: str) -> list[CallEvent]:
        recipient, channel = RECIPIENT.search(header), CHANNEL.search(header)
        name = recipient[1].removeprefix("functions.") if recipient else ""
        self._channel = None if name else "text"
        if not name and channel and channel[1] == "analysis":
            self._channel = "reasoning"
        self.thinks, self._argued = self._channel == "reasoning", False
        return [Called(name)] if name else []

    def _message(self) -> list[Part | CallEvent] | None:
        found = first_of(self._tape.text, ENDS)
        if found is None:
            return self._body(self._solid()) or None
        at, mark = found
        body = [*self._body(at), *self._unargued()]
        self._in_header, self.thinks = True, False
        if mark not in ("<|start|>", "<|channel|>"):  # those belong to the next header
            body += _parts("mark", self._tape.cut(len(mark)))
        return body

    def _body(self, length: int) -> list[Part | CallEvent]:
        tokens = self._tape.cut(length)
        if self._channel is not None:
            return _parts(self._channel, tokens)
        told = "".join(token.text for token in tokens)
        self._argued = self._argued or bool(told.strip())
        return [*_parts("mark", tokens), *([Argued(told)] if told else [])]

    def _unargued(self) -> list[Part | CallEvent]:
        """A call without arguments has an empty object of them."""
        return [Argued("{}")] if self._channel is None and not self._argued else []

    def _solid(self) -> int:
        return len(self._tape.text) - overlap(self._tape.text, ENDS)


def _is_header(text: str) -> bool:
    """Whether this is a header without `<|message|>`, or may become one when more comes."""
    word = text.removeprefix("assistant").lstrip()
    begins = any(word.startswith(mark) or mark.startswith(word) for mark in HEADER_BEGINS)
    return len(text) < HEADER_LIMIT and (begins or "assistant".startswith(text))


def _parts(channel: Channel, tokens: list[Token]) -> list[Part | CallEvent]:
    return [(channel, token) for token in tokens]
