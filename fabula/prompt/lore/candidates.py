"""Which entries' keys may stand in a text, found for all entries at once. Knows no order and no budget.

Nearly all keys of a large lorebook stand nowhere in the few messages that are searched. To ask each entry
costs more than everything else in a turn; a text's words are one set, and are looked up in one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fabula.prompt.lore.entry import Entry
from fabula.prompt.lore.keys import inner_word, kinds_of, lowered, words_of
from fabula.prompt.lore.settings import LoreSettings

KEPT = 8  # lists of entries whose keys stay sorted from turn to turn

Sought = tuple[tuple[str, ...], bool, bool]
"""What of an entry decides where it is looked up: its keys, whether these are expressions, whether they only
stand in a text as whole words."""


class Candidates:
    """For one list of entries; places are places in it."""

    def __init__(self, entries: Sequence[Entry], settings: LoreSettings) -> None:
        self._sorted = _sorted(tuple(_sought(entry, settings) for entry in entries))
        self._found: dict[str, frozenset[int]] = {}

    def within(self, text: str) -> frozenset[int]:
        """The places of all entries of which a key may stand in `text`; of the others, none does."""
        if text not in self._found:
            self._found[text] = frozenset(self._sorted.search(lowered(text)))
        return self._found[text]


def _sought(entry: Entry, settings: LoreSettings) -> Sought:
    whole = settings.whole_words if entry.whole_words is None else entry.whole_words
    return entry.keys, entry.use_regex and settings.v3_regex, whole and not settings.unicode_words


@dataclass(frozen=True, slots=True)
class _Sorted:
    """The keys of many entries by how they are found, each with the places of its entries."""

    words: dict[str, list[int]] = field(default_factory=dict)  # only stand in a text as one of its words
    phrases: dict[str, list[tuple[str, int]]] = field(default_factory=dict)  # by a word that the text has too
    texts: list[tuple[str, int]] = field(default_factory=list)  # may stand anywhere
    always: list[int] = field(default_factory=list)  # only a closer look can tell

    def add(self, place: int, keys: tuple[str, ...], expressions: bool, whole_words: bool) -> None:
        singles, texts, others = kinds_of(keys)
        if others or expressions:
            self.always.append(place)
            return
        if whole_words:
            for word in singles:
                self.words.setdefault(word, []).append(place)
        else:
            texts = (*singles, *texts)
        for text in texts:
            if inner := inner_word(text):
                self.phrases.setdefault(inner, []).append((text, place))
            else:
                self.texts.append((text, place))

    def search(self, text: str) -> Iterable[int]:
        yield from self.always
        words = words_of(text)
        for word in self.words.keys() & words:
            yield from self.words[word]
        for inner in self.phrases.keys() & words:
            yield from [place for key, place in self.phrases[inner] if key in text]
        yield from [place for key, place in self.texts if key in text]


@functools.lru_cache(maxsize=KEPT)
def _sorted(sought: tuple[Sought, ...]) -> _Sorted:
    """Sorting takes ten times as long as to see that the keys are the last turn's."""
    found = _Sorted()
    for place, one in enumerate(sought):
        if one[0]:
            found.add(place, *one)
    return found
