"""Tool calls told apart from the answer while both come. Knows no format: those are data.

Text is given out as soon as it cannot be the beginning of a call. What began like a call and is none becomes
text again, in which calls may begin. White space around calls is dropped. All of it is the same whatever the
pieces in which a reply comes.
"""

from __future__ import annotations

from fabula.core.stream import Token
from fabula.engine.parsing.events import CallEvent
from fabula.engine.parsing.tape import Tape, first_of, overlap
from fabula.engine.parsing.tools.formats import Format, Reader
from fabula.engine.parsing.tools.kinds import Schemas
from fabula.engine.parsing.tools.reading import NotACall, Reading, Text
from fabula.engine.parsing.tools.telling import Calls


class ToolParser:
    """`schemas` has each tool's parameters; its keys are the names of the tools."""

    def __init__(self, format: Format, schemas: Schemas) -> None:
        self._format = format
        self._schemas = schemas
        self._tape = Tape()
        self._calls = Calls()
        self._text = Text()
        self._block: Reading[None] | None = None
        self._mark = ""  # that the block began with
        self._raw = ""  # the block after it, in case it is no call
        self._begun = 0  # calls before the block
        self._may_be_bare = format.bare is not None
        self._between = True  # nothing but white space has come since the beginning or the last call

    def feed(self, token: Token) -> list[Token | CallEvent]:
        if self._block is None:
            self._tape.push(token)
        else:
            self._add(token.text)
        return self._advance()

    def finish(self, *, complete: bool) -> list[Token | CallEvent]:
        """All that is left. Of a stream that was cut short, half a mark at its end is no text, nor is what
        stands in a call."""
        self._text.closed = True
        if not complete and self._block is not None and (self._mark or self._calls.count > self._begun):
            return [part for part in self._call() or () if not isinstance(part, Token)]
        parts = self._advance()
        if self._block is not None:  # cut off inside a call
            return parts
        held = self._tape.text
        length = len(held) if complete else len(held) - overlap(held, self._format.begins)
        if self._between and self._calls.count and not held[:length].strip():
            return parts
        return [*parts, *self._tape.cut(length)]

    def _advance(self) -> list[Token | CallEvent]:
        parts: list[Token | CallEvent] = []
        while (more := self._answer() if self._block is None else self._call()) is not None:
            parts += more
        return parts

    # ── outside of a block ──────────────────────────────────────────────────────────────────────────

    def _answer(self) -> list[Token | CallEvent] | None:
        text = self._tape.text
        if self._may_be_bare and self._format.bare and (word := text.lstrip()):
            self._may_be_bare = False
            if word.startswith(("{", "[")):
                self._open(self._format.bare, "", len(text))
                return []
        if found := first_of(text, self._format.begins):
            at, mark = found
            before = self._tape.cut(at)
            self._tape.cut(len(mark))
            self._may_be_bare = False
            self._open(self._format.begins[mark], mark, len(self._tape.text))
            return self._told(before) if text[:at].strip() or not self._between else []
        solid = len(text) - overlap(text, self._format.begins)
        if self._between and not text[:solid].strip():
            return None
        return self._told(self._tape.cut(solid)) or None

    def _told(self, text: list[Token]) -> list[Token | CallEvent]:
        self._between = self._between and not text
        return [*text]

    def _open(self, reader: Reader, mark: str, length: int) -> None:
        self._begun = self._calls.count
        self._block = reader(self._text, self._calls, self._schemas)
        self._mark, self._raw, self._text.left = mark, "", ""
        self._add("".join(token.text for token in self._tape.cut(length)))

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────

    def _add(self, text: str) -> None:
        self._raw += text
        self._text.left += text

    def _call(self) -> list[Token | CallEvent] | None:
        assert self._block is not None
        try:
            next(self._block)
        except StopIteration:
            self._close(self._text.left)
            return [*self._calls.drain()]
        except NotACall:
            return self._no_call()
        return [*self._calls.drain()] or None

    def _no_call(self) -> list[Token | CallEvent]:
        """Without any call it was text all along; after one, what follows is. Calls may begin in either."""
        if self._calls.count > self._begun:
            self._calls.end()
            self._close(self._text.left)
            return [*self._calls.drain()]
        self._close(self._raw)
        return self._told([Token(self._mark)] if self._mark else [])

    def _close(self, left: str) -> None:
        self._block = None
        self._text.left = ""
        self._between = self._between or self._calls.count > self._begun
        if left:
            self._tape.push(Token(left))
