"""Which entries' keys may stand in a text, found for all entries at once. Knows no order and no budget.

Nearly all keys of a large lorebook stand nowhere in the few messages that are searched. To ask each entry
costs more than everything else in a turn; a text's words are one set, and are looked up in one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fabula.prompt.lore.entry import Entry
from fabula.prompt.lore.keys import inner_word, kinds_of, lowered, words_of
from fabula.prompt.lore.settings import LoreSettings


class Candidates:
    """For one list of entries; places are places in it."""

    def __init__(self, entries: Sequence[Entry], settings: LoreSettings) -> None:
        self._words: dict[str, list[int]] = {}  # keys that only stand in a text as one of its words
        self._phrases: dict[str, list[tuple[str, int]]] = {}  # keys around a word that the text has too
        self._texts: list[tuple[str, int]] = []  # keys that may stand anywhere
        self._always: list[int] = []  # what only a closer look can tell
        self._found: dict[str, frozenset[int]] = {}
        for place, entry in enumerate(entries):
            if entry.keys:
                self._add(place, entry, settings)

    def _add(self, place: int, entry: Entry, settings: LoreSettings) -> None:
        singles, texts, others = kinds_of(entry.keys)
        if others or (entry.use_regex and settings.v3_regex):
            self._always.append(place)
            return
        whole = settings.whole_words if entry.whole_words is None else entry.whole_words
        if whole and not settings.unicode_words:
            for word in singles:
                self._words.setdefault(word, []).append(place)
        else:
            texts = (*singles, *texts)
        for text in texts:
            if inner := inner_word(text):
                self._phrases.setdefault(inner, []).append((text, place))
            else:
                self._texts.append((text, place))

    def within(self, text: str) -> frozenset[int]:
        """The places of all entries of which a key may stand in `text`; of the others, none does."""
        if text not in self._found:
            self._found[text] = frozenset(self._search(lowered(text)))
        return self._found[text]

    def _search(self, text: str) -> Iterable[int]:
        yield from self._always
        words = words_of(text)
        for word in self._words.keys() & words:
            yield from self._words[word]
        for inner in self._phrases.keys() & words:
            yield from [place for key, place in self._phrases[inner] if key in text]
        yield from [place for key, place in self._texts if key in text]
