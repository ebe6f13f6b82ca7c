"""Reasoning told apart from the answer while both come. Knows no engine and no tool.

A piece of text is given out as soon as it is certain what it is: only what may still become a tag is held
back, and white space at the edges of a block. Tags and that white space are parts too, of the channel
`mark`, so that the parts together are exactly what came in, with all ids.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from fabula.core.stream import Token
from fabula.engine.parsing.families import Family
from fabula.engine.parsing.tape import Tape, first_of, overlap

Channel = Literal["text", "reasoning", "mark"]
Part = tuple[Channel, Token]


class Parser(Protocol):
    """What reads a stream of one format. `thinks`: the model is inside a block of reasoning now."""

    thinks: bool

    def feed(self, token: Token) -> list[Part]: ...
    def finish(self, *, complete: bool) -> list[Part]:
        """All that is left. Of a stream that was cut short, half a tag at its end is no text."""
        ...

    def close(self) -> list[Part]:
        """The block of reasoning is ended for the model: gives what was held of it."""
        ...


class TagParser:
    """One block of reasoning between two tags, at the start of a reply.

    Later tags are text: an answer may speak of them. With `opened` the prompt has opened the block already.
    """

    def __init__(self, family: Family, *, opened: bool = False, answers: bool = False) -> None:
        """With `answers` the reply is a continued answer, and no block can come."""
        self._family = family
        self._tape = Tape()
        start = self._edge if opened else self._before
        self._step: Callable[[], list[Part] | None] = self._text if answers else start
        self.thinks = opened

    def feed(self, token: Token) -> list[Part]:
        if self._step == self._text and not self._family.drops and not self._tape.text:
            return [("text", token)]
        self._tape.push(token)
        return self._advance()

    def finish(self, *, complete: bool) -> list[Part]:
        parts = self._advance()
        if self.thinks:
            length = len(self._tape.text) if complete else self._solid((self._family.end,))
            return [*parts, *self._take("reasoning", len(self._tape.text[:length].rstrip())), *self._marks()]
        if self._step == self._gap:
            return [*parts, *self._marks()]
        marks = (self._family.start, *self._family.drops)
        length = len(self._tape.text) if complete else self._solid(marks)
        return [*parts, *self._take("text", length), *self._marks()]

    def close(self) -> list[Part]:
        held = self._take("reasoning", len(self._tape.text))
        self._enter(self._gap)
        return held

    # ── states: each gives parts, or None when it needs more ────────────────────────────────────────

    def _advance(self) -> list[Part]:
        parts: list[Part] = []
        while (more := self._step()) is not None:
            parts += more
        return parts

    def _before(self) -> list[Part] | None:
        """Nothing but white space has come, or the beginning of a tag."""
        text, start = self._tape.text, self._family.start
        word = text.lstrip()
        if word.startswith(start):
            self._enter(self._edge)
            return self._take("mark", len(text) - len(word) + len(start))
        if start.startswith(word):
            return None
        return self._enter(self._text)

    def _edge(self) -> list[Part] | None:
        """White space after the opening tag."""
        return self._space(self._reasoning)

    def _reasoning(self) -> list[Part] | None:
        text, end = self._tape.text, self._family.end
        if end in text:
            length = text.index(end)
            thought = self._take("reasoning", len(text[:length].rstrip()))
            self._enter(self._gap)
            return [*thought, *self._take("mark", length + len(end) - len(text[:length].rstrip()))]
        length = len(text[: self._solid((end,))].rstrip())
        return self._take("reasoning", length) or None

    def _gap(self) -> list[Part] | None:
        """White space between reasoning and answer, and tags before the answer."""
        word = self._tape.text.lstrip()
        if drop := next((drop for drop in self._family.drops if word.startswith(drop)), ""):
            return self._take("mark", len(self._tape.text) - len(word) + len(drop))
        if any(drop.startswith(word) for drop in self._family.drops):
            return None
        return self._space(self._text)

    def _text(self) -> list[Part] | None:
        drops = self._family.drops
        if found := first_of(self._tape.text, drops):
            at, drop = found
            return [*self._take("text", at), *self._take("mark", len(drop))]
        return self._take("text", self._solid(drops)) or None

    # ────────────────────────────────────────────────────────────────────────────────────────────────

    def _enter(self, step: Callable[[], list[Part] | None]) -> list[Part]:
        self._step = step
        self.thinks = step in (self._edge, self._reasoning)
        return []

    def _space(self, then: Callable[[], list[Part] | None]) -> list[Part] | None:
        """White space is a mark; something else enters the next state."""
        text = self._tape.text
        word = text.lstrip()
        if word:
            self._enter(then)
        return self._take("mark", len(text) - len(word)) or ([] if word else None)

    def _solid(self, marks: tuple[str, ...]) -> int:
        """How much of the text cannot become one of the marks any more."""
        return len(self._tape.text) - overlap(self._tape.text, marks)

    def _take(self, channel: Channel, length: int) -> list[Part]:
        return [(channel, token) for token in self._tape.cut(length)]

    def _marks(self) -> list[Part]:
        return [("mark", token) for token in self._tape.rest()]
