"""Watch a text that grows and shrinks at its end for what is banned. Knows no tokens and no engine.

bans = Bans.of(strings, regexes)     compiled once, and kept for the next who ask the same
watch = bans.watch()                 one for each text
match = watch.feed(" tapes")         the match that begins first, or None
watch.held                           from this character on, the text may still become a match
watch.rewind(12)                     the text is 12 characters long again
watch.allow(17)                      matches that begin before this character no longer count
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

from fabula.core.errors import BadParameter
from fabula.core.texts import phrase
from fabula.engine.bans.patterns import HELD, Pattern, compiled
from fabula.engine.bans.phrases import ROOT, Phrases, fold

MOST_STRINGS, MOST_REGEXES = 20_000, 500
LONGEST = 400  # characters of one string or regex
MOST_CHARACTERS = 400_000  # of all strings together: about 100 MB when compiled
REMEMBERED = 4096  # characters of the text; patterns may look back
FORGOTTEN_AT = 4 * REMEMBERED
NEVER = 1 << 60  # where the matches of a pattern begin that is no longer looked for
KEPT = 4  # lists that are kept compiled; one of 5,000 phrases takes about 20 MB


@dataclass(frozen=True, slots=True)
class Match:
    """What was found, by its characters in the text."""

    start: int
    end: int
    text: str


class Bans:
    """What must not occur, compiled. Two texts may be watched with it at the same time."""

    def __init__(self, strings: tuple[str, ...], regexes: tuple[str, ...]) -> None:
        self.phrases = Phrases(strings) if strings else None
        self.patterns = compiled(regexes)

    @staticmethod
    def of(strings: tuple[str, ...], regexes: tuple[str, ...] = ()) -> Bans:
        """Empty strings are left out. Raises BadParameter for what is too much, too long, or no regex."""
        check(strings, regexes)
        wanted = tuple(dict.fromkeys(string for string in strings if string))
        return _compiled(wanted, tuple(dict.fromkeys(pattern for pattern in regexes if pattern)))

    @property
    def empty(self) -> bool:
        return self.phrases is None and not self.patterns

    def watch(self) -> Watch:
        return Watch(self)


@lru_cache(maxsize=KEPT)
def _compiled(strings: tuple[str, ...], regexes: tuple[str, ...]) -> Bans:
    return Bans(strings, regexes)


def check(strings: tuple[str, ...], regexes: tuple[str, ...]) -> None:
    """Raises BadParameter. Compiles no phrases, so that it may be asked before anything is waited for."""
    for name, texts, most in (
        ("banned_strings", strings, MOST_STRINGS),
        ("banned_regexes", regexes, MOST_REGEXES),
    ):
        if len(texts) > most:
            raise BadParameter(name, f"{len(texts)}", phrase("expected.fewer", most=most))
        for text in texts:
            if len(text) > LONGEST:
                raise BadParameter(name, f"{text[:60]}…", phrase("expected.shorter", most=LONGEST))
    if (total := sum(map(len, strings))) > MOST_CHARACTERS:
        raise BadParameter("banned_strings", f"{total}", phrase("expected.shorter", most=MOST_CHARACTERS))
    compiled(tuple(pattern for pattern in regexes if pattern))


class Watch:
    """One text. Places are characters from its beginning."""

    def __init__(self, bans: Bans) -> None:
        self._phrases, self._patterns = bans.phrases, bans.patterns
        self._reach = self._phrases.longest if self._phrases else 0
        self._text = ""  # its end; what came before is forgotten
        self._forgotten = 0
        self._floors = [0]  # what begins before the last of them is no match
        self._state = ROOT
        self._grown: list[int] = []  # places, in folded characters, that a grown character added
        self._live = [0] * len(self._patterns)

    def __len__(self) -> int:
        return self._forgotten + len(self._text)

    @property
    def too_slow(self) -> bool:
        """Whether a pattern took too long, and is no longer looked for."""
        return NEVER in self._live

    @property
    def held(self) -> int:
        """The first character that may still become part of a match."""
        length = len(self)
        held = length
        if self._state:
            assert self._phrases
            held = self._unfolded(length + len(self._grown) - self._phrases.depths[self._state])
        for live in self._live:
            held = min(held, live)
        return held

    # ── forward ─────────────────────────────────────────────────────────────────────────────────────

    def feed(self, piece: str) -> Match | None:
        """The match that begins first among those that this piece completes."""
        if len(self._text) > FORGOTTEN_AT:
            self._forgotten += len(self._text) - REMEMBERED
            self._text = self._text[-REMEMBERED:]
        begin = len(self)
        self._text += piece
        match = self._phrase(piece, begin) if self._phrases else None
        return self._first(match, self._pattern(final=False)) if self._live else match

    def finish(self) -> Match | None:
        """What is a match now that nothing follows."""
        return self._pattern(final=True)

    def skip(self, piece: str) -> None:
        """Text that is not looked at, like the tag of a tool call: no match reaches into it or over it."""
        self._text += piece
        self._floors.append(len(self))
        self._begin_at(len(self))

    def _phrase(self, piece: str, begin: int) -> Match | None:
        if self._phrases is None:
            return None
        folded, grown = fold(piece)
        origin = begin + len(self._grown)
        if grown:
            self._grown += [origin + place for place in grown]
        self._state, found = self._phrases.read(self._state, folded)
        if found is None:
            return None
        start, last = self._unfolded(origin + found[0]), self._unfolded(origin + found[1] - 1)
        return self._match(start, last + 1)

    def _pattern(self, *, final: bool) -> Match | None:
        first: Match | None = None
        for index, pattern in enumerate(self._patterns):
            if self._live[index] != NEVER and (found := self._searched(index, pattern, final)):
                first = self._first(first, self._match(found[0], found[1]))
        return first

    def _searched(self, index: int, pattern: Pattern, final: bool) -> tuple[int, int] | None:
        base = self._forgotten
        try:
            found, live = pattern.search(self._text, self._live[index] - base, final=final)
        except TimeoutError:
            self._live[index] = NEVER
            return None
        self._live[index] = max(live + base, len(self) - HELD)
        return (found[0] + base, found[1] + base) if found else None

    # ── back ────────────────────────────────────────────────────────────────────────────────────────

    def rewind(self, length: int) -> Match | None:
        """The text is only so long again. A match that is complete in what is left was not told so far."""
        self._text = self._text[: max(0, length - self._forgotten)]
        while self._floors[-1] > length:
            self._floors.pop()
        return self._read_again()

    def allow(self, end: int) -> Match | None:
        """What begins before `end` is no match; the next one after it that is complete already, if any."""
        self._floors.append(max(self._floors[-1], end))
        return self._read_again()

    def _read_again(self) -> Match | None:
        """The end of the text, as far as a match that is not complete can reach back."""
        begin = max(self._floors[-1], len(self) - max(self._reach, HELD), self._forgotten)
        self._begin_at(begin)
        phrase = self._phrase(self._text[begin - self._forgotten :], begin)
        return self._first(phrase, self._pattern(final=False))

    def _begin_at(self, place: int) -> None:
        self._state, self._grown = ROOT, []
        self._live = [live if live == NEVER else place for live in self._live]

    # ── places ──────────────────────────────────────────────────────────────────────────────────────

    def _unfolded(self, place: int) -> int:
        """The character that a place among the folded ones belongs to."""
        return place - bisect_right(self._grown, place)

    def _match(self, start: int, end: int) -> Match:
        return Match(start, end, self._text[max(0, start - self._forgotten) : end - self._forgotten])

    @staticmethod
    def _first(one: Match | None, other: Match | None) -> Match | None:
        if one is None or other is None:
            return one or other
        return one if one.start <= other.start else other
