"""A reply whose end may still be taken back: what may be shown, and where to go back to. Knows no engine.

    verdict = draft.add(token)      "on"; "back": write again from token `len(draft)` on, without
                                    `draft.forbidden`; "stop": a stop string is complete
    draft.ready()                   tokens that nobody will take back any more
    draft.finish()                  "back" or "stop", when nothing follows

Tokens are shown whole, because a match can begin inside of one, and it is the whole token that has to be
another. What was shown because of what followed it stays shown when that is taken back: should a match begin
there after all, the first token that is not shown has to be another. A position has `ALTERNATIVES`; when all
were tried, the match is let pass and told. The same for every worker: over HTTP going back is a new request,
in the direct worker a cut of its memory.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fabula.core.stream import Token
from fabula.engine.bans.matcher import Bans, Match
from fabula.engine.parsing.tape import first_of, overlap

ALTERNATIVES = 20  # tokens that are tried at one position

Verdict = Literal["on", "back", "stop"]


@dataclass(slots=True)
class _Position:
    """What was tried where a match began."""

    forbidden: set[int]
    tries: int = 0


class Draft:
    """`marks` are tags in which nothing is looked for; after one of `triggers`, a tool call, nothing at all.

    Stop strings are found here, because a worker that goes back has an engine that sees only the rest.
    """

    def __init__(
        self,
        bans: Bans,
        *,
        stops: Sequence[str] = (),
        marks: Sequence[str] = (),
        triggers: Sequence[str] = (),
    ) -> None:
        self._watch = bans.watch()
        self._stops = tuple(stop for stop in stops if stop)
        self._marks, self._triggers = frozenset(marks), tuple(triggers)
        self._off = False
        self._tokens: list[Token] = []
        self._starts: list[int] = []  # of each token, in characters
        self._shown = 0  # tokens
        self._positions: dict[int, _Position] = {}
        self._unavoided: list[Match] = []
        self._longest_stop = max(map(len, self._stops), default=0)
        self._clean: list[bool] = []  # whether no stop string may begin at the end of a token
        self.stop_string = ""
        self.rewrites = 0
        self.wasted_tokens = 0

    def __len__(self) -> int:
        """Tokens that stand."""
        return len(self._tokens)

    @property
    def tokens(self) -> Sequence[Token]:
        return self._tokens

    @property
    def forbidden(self) -> frozenset[int]:
        """Token ids that must not come next."""
        position = self._positions.get(len(self._tokens))
        return frozenset(position.forbidden) if position else frozenset()

    @property
    def unavoided(self) -> tuple[str, ...]:
        """Matches that stand in the reply, because every alternative was one as well."""
        return tuple(match.text for match in self._unavoided)

    @property
    def too_slow(self) -> bool:
        return self._watch.too_slow

    # ── forward ─────────────────────────────────────────────────────────────────────────────────────

    def add(self, token: Token) -> Verdict:
        """The next token, or several that cannot be told apart."""
        self._starts.append(len(self._watch))
        self._tokens.append(token)
        match, stop = self._seen(token.text), self._stop(token.text)
        if stop is None:
            return "back" if self._goes_back(match) else "on"
        if match and match.end <= stop and self._goes_back(match):
            return "back"
        return self._end_at(stop)

    def finish(self) -> Verdict:
        """Nothing follows: what was held back stands, unless it is a match now."""
        return "back" if self._goes_back(self._watch.finish()) else "stop"

    def ready(self, *, all: bool = False) -> list[Token]:
        """Tokens that were not given yet and may be shown."""
        end = len(self._tokens)
        if not all:
            held = len(self._watch) if self._off else self._watch.held
            while end > self._shown and (self._ends(end - 1) > held or not self._clean[end - 1]):
                end -= 1
        given = self._tokens[self._shown : end]
        self._shown = end
        return given

    def _ends(self, index: int) -> int:
        return self._starts[index + 1] if index + 1 < len(self._starts) else len(self._watch)

    def _seen(self, text: str) -> Match | None:
        if self._off or text in self._marks:
            self._watch.skip(text)
            return None
        match = self._watch.feed(text)
        if self._triggers and not match:
            longest = max(map(len, self._triggers))
            self._off = first_of(self._end(longest + len(text)), self._triggers) is not None
        return match

    def _end(self, length: int) -> str:
        """At least so many characters of the text's end, where it has them."""
        parts: list[str] = []
        for token in reversed(self._tokens):
            if length <= 0:
                break
            parts.append(token.text)
            length -= len(token.text)
        return "".join(reversed(parts))

    # ── stop strings ────────────────────────────────────────────────────────────────────────────────

    def _stop(self, text: str) -> int | None:
        """Where a stop string begins that is complete now."""
        tail = self._end(self._longest_stop + len(text)) if self._stops else ""
        self._clean.append(not overlap(tail, self._stops))
        found = first_of(tail, self._stops)
        if found is None:
            return None
        self.stop_string = found[1]
        return len(self._watch) - len(tail) + found[0]

    def _end_at(self, end: int) -> Verdict:
        """The text ends there; a token that reaches into the stop string loses its ids."""
        if self._goes_back(self._watch.rewind(end) or self._watch.finish()):
            return "back"
        kept = max(self._shown, bisect_left(self._starts, end))  # tokens that begin before it
        del self._tokens[kept:], self._starts[kept:], self._clean[kept:]
        if kept and len(text := self._tokens[-1].text) > (length := end - self._starts[-1]):
            self._tokens[-1] = replace(self._tokens[-1], text=text[:length], ids=())
        return "stop"

    # ── back ────────────────────────────────────────────────────────────────────────────────────────

    def _goes_back(self, match: Match | None) -> bool:
        """Whether a match is taken back; those that cannot be are let pass, one after the other."""
        while match:
            place = max(self._shown, bisect_right(self._starts, match.start) - 1)
            position = self._positions.setdefault(place, _Position(set()))
            if position.tries < ALTERNATIVES:
                self._take_back(place, position)
                return True
            self._unavoided.append(match)
            match = self._watch.allow(match.end)
        return False

    def _take_back(self, place: int, position: _Position) -> None:
        dropped, length = self._tokens[place:], self._starts[place]
        position.tries += 1
        position.forbidden.update(dropped[0].ids[:1])
        self._positions = {at: position for at, position in self._positions.items() if at <= place}
        self._unavoided = [match for match in self._unavoided if match.end <= length]
        del self._tokens[place:], self._starts[place:], self._clean[place:]
        self._watch.rewind(length)
        self.stop_string = ""
        self.rewrites += 1
        self.wasted_tokens += sum(len(token.ids) or 1 for token in dropped)
