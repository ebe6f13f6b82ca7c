"""The tokens of a prompt and of the reply so far, and what samplers remember of them. Knows no sampler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fabula.engine.sampling.candidates import Ints

Spell = Callable[[int], bytes]
"""The text of a token, special ones too, as UTF-8 that may be cut within a character."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What samplers may know of tokens: how many there are, which end a reply, how each is written."""

    size: int
    ends: frozenset[int]
    spell: Spell


class History:
    """Grows by one token at a time, and can be taken back."""

    def __init__(self, prompt: Sequence[int], spell: Spell, breakers: Sequence[str]) -> None:
        self._tokens = np.empty(max(2 * len(prompt), 1024), np.int64)
        self._tokens[: len(prompt)] = prompt
        self._length = self.prompt_length = len(prompt)
        self._spell = spell
        self._breakers = tuple(breaker.encode() for breaker in breakers if breaker)
        self._breaks: list[bool] = []  # by token: whether the text of a breaker ends in it; made when asked

    @property
    def tokens(self) -> Ints:
        return self._tokens[: self._length]

    @property
    def prompt(self) -> Ints:
        return self._tokens[: self.prompt_length]

    @property
    def written(self) -> Ints:
        return self._tokens[self.prompt_length : self._length]

    def window(self, length: int) -> Ints:
        """The latest tokens; 0 = none, −1 = all."""
        return self.tokens[len(self.tokens) - length :] if 0 <= length < self._length else self.tokens

    def add(self, token: int) -> None:
        if self._length == len(self._tokens):
            self._tokens = np.concatenate([self._tokens, np.empty_like(self._tokens)])
        self._tokens[self._length] = token
        self._length += 1

    def back_to(self, written: int) -> None:
        """Only the first `written` tokens of the reply are left."""
        self._length = self.prompt_length + written
        del self._breaks[self._length :]

    def since_breaker(self, window: int) -> int:
        """How many of the latest tokens have nothing of a sequence breaker in them."""
        for place in range(len(self._breaks), self._length):
            self._breaks.append(self._ends_breaker(place))
        count = 0
        while count < window and not self._breaks[self._length - 1 - count]:
            count += 1
        return count

    def is_breaker(self, token: int) -> bool:
        """Whether a whole breaker stands in the token."""
        text = self._spell(token)
        return any(breaker in text for breaker in self._breakers)

    def _ends_breaker(self, place: int) -> bool:
        """Whether a breaker ends within this token; it may have begun in those before."""
        if not self._breakers:
            return False
        own = self._spell(int(self._tokens[place]))
        longest = max(map(len, self._breakers)) - 1
        before = b""
        while len(before) < longest and place:
            place -= 1
            before = self._spell(int(self._tokens[place])) + before
        before = before[len(before) - longest :] if longest else b""
        text = before + own
        return any(_ends_after(text, breaker, len(before)) for breaker in self._breakers)


def _ends_after(text: bytes, part: bytes, start: int) -> bool:
    """Whether `part` occurs in `text` and ends behind `start`."""
    return text.find(part, max(0, start - len(part) + 1)) >= 0
