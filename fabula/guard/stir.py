"""Which pieces of a stream are worth a closer look. Knows atoms, not sentences; built to be fast.

Most text holds no atom that a list ends with; such pieces are told apart by one cached look-up each.
"""

from __future__ import annotations

import functools
import itertools
import re

from fabula.guard.lexicon import lexicon
from fabula.guard.normalise import spellings
from fabula.guard.numerals import CARDINALS, TENS

QUIET, NOTED, ALERTS, STIRS, ODD = range(5)
ALERT_SPAN = 40  # characters that the rest of a phrase may take
ATOMS = re.compile(r"[A-Za-zÀ-ɏ']+|\d+|[^\sA-Za-zÀ-ɏ\d']")
END = re.compile(r"[。!?;…!?;\n.]")
_BEFORE = 6  # characters that may stand between two characters set apart
_AGE_WORDS = frozenset(("old", "olds", "age", "aged", "birthday", "yo", "later"))
_PLAIN = frozenset(',.!?:;()[]{}<>"#%&+=/\\*_-~`^“”‘’「」『』《》〈〉【】—–…·,。!?、:;()')
_HAN = "㐀-䶿一-鿿"
_APART = re.compile(rf"[{_HAN}][ *._~|/\-+·•]{{1,4}}$")
_TAIL = re.compile(
    rf"[{_HAN}]{{1,2}}[ *._~|/\-+·•]{{0,4}}$|[A-Za-zÀ-ɏ']+$|\d+$|[\u2600-\u27bf\U0001f000-\U0001faff]$"
)
_BARE = re.compile("[三四五六七八九十]")


@functools.cache
def _kinds() -> dict[str, int]:
    """The kind of Latin words, and of Han characters together with the one before them."""
    lists = lexicon()
    numbers = set(TENS) | {word for word, value in CARDINALS.items() if value > 2}
    kinds = {form: NOTED for ending in lists.noted for form in _spelled(ending)}
    kinds |= dict.fromkeys(lists.alerting, ALERTS)
    kinds |= {form: STIRS for ending in lists.arming for form in _spelled(ending)}
    return kinds | dict.fromkeys(numbers | _AGE_WORDS, STIRS) | dict.fromkeys(("岁", "歲", "嵗"), STIRS)


def _spelled(ending: str) -> list[str]:
    if ending.isascii():
        return [ending]
    return ["".join(forms) for forms in itertools.product(*(sorted(spellings(char)) for char in ending))]


def kind(atom: str, before: str) -> int:
    """QUIET, NOTED (read the sentence at its end), ALERTS (and after each of the next atoms), STIRS (read it
    now) or ODD (it may be a disguise: after every atom from here on)."""
    kinds = _kinds()
    if atom.isascii():
        if atom.isdigit():
            return STIRS
        if atom in _PLAIN:
            return QUIET
        return kinds.get(atom.lower(), ODD if len(atom) == 1 and atom not in "aiAI'" else QUIET)
    if len(atom) > 1 or "À" <= atom <= "ɏ":
        return NOTED  # accents are read without them
    if "㐀" <= atom <= "鿿":
        if atom in kinds or _APART.search(before):
            return STIRS
        pair, three = kinds.get(before[-1:] + atom, QUIET), kinds.get(before[-2:] + atom, QUIET)
        return max(pair, three, NOTED if _BARE.match(atom) else QUIET)
    if atom in _PLAIN or "\u3000" <= atom <= "\u30ff" or "\u2600" <= atom <= "\u27bf" or atom >= "\U0001f000":
        return QUIET
    return QUIET if atom in "\ufe0f\u200d" and before[-1:] >= "\u2600" else ODD


@functools.lru_cache(maxsize=1 << 16)
def quiet(piece: str) -> str | None:
    """None for a piece that must be looked at; else what of it the next piece has to be seen with."""
    if END.search(piece):
        return None
    for match in ATOMS.finditer(piece):
        atom, start = match[0], match.start()
        if match.end() == len(piece) and may_go_on(atom):
            break
        if kind(atom, piece[max(0, start - _BEFORE) : start]) != QUIET:
            return None
    return tail_of(piece)


def tail_of(text: str) -> str:
    """An open word, or a Han character with what may stand between it and the next one."""
    tail = _TAIL.search(text, max(0, len(text) - 40))
    return tail[0] if tail else ""


def may_go_on(atom: str) -> bool:
    """Whether the next piece could lengthen this atom."""
    return atom[0] == "'" or (atom[0].isalpha() and atom[0] <= "ɏ") or (atom.isascii() and atom.isdigit())
