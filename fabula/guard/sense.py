"""What a sentence may hold, before anybody reads it: someone young, something sexual. Errs towards both.

Most sentences of a love story between adults hold no one young: they need no reading. Knows words, no rule.
"""

from __future__ import annotations

import functools
import itertools
import operator
import re
from collections import Counter

from fabula.guard.ages_more import NUMBER_WORDS
from fabula.guard.births import CUES_OF_PARENTS, CUES_OF_YEARS
from fabula.guard.categories import BITS, YOUNG
from fabula.guard.cues import SIGNS, any_of
from fabula.guard.forms import FORMS_THAT_TELL, endings_of_forms, listed
from fabula.guard.kept import Known
from fabula.guard.lexicon import ATOM, lexicon, phrases
from fabula.guard.normalise import HAN_GAP, folded
from fabula.guard.numerals import CARDINALS, ORDINALS, TENS
from fabula.guard.stir import ALERTS, ATOMS, BEFORE, ODD, kind
from fabula.guard.tokens import IS_LONE, IS_WIDE, MARKS, MOST_WORDS, TOKENS, is_word, spelled

NEWS, STIRS, SMALL, BIG, APART = 1, 2, 4, 8, 16
_SMALL = frozenset({"one", "two", "first", "second", *CUES_OF_PARENTS.split()})  # tell beside a number only
_HAN = re.compile("[㐀-䶿一-鿿]")
_DIGITS = SIGNS.need("#")
_GROWN = re.compile(r"[(\"']?(?:1[89]|[2-9]\d)(?:'?s)?[)\"',.;:!?]*")  # of nobody under 18
_HAN_NEWS = "岁零〇○民三四五六七八九十廿减娃"
_MIXED = re.compile(rf"[a-z0-9]|{HAN_GAP.pattern}|{listed('sense.between')}")
_MAY_BE_MIXED = re.compile("[^㐀-䶿一-鿿\u3001-〿,!?:;()\"'「」『』…—]")  # quick: one set


def senses_young(raw: str) -> bool:
    """Whether a sentence may tell of someone young."""
    if not raw.isascii() and _HAN.search(raw) and (said := spelled(raw)).pure:
        return _han_news().search(said.text) is not None or said.forms_tell
    return _sense(raw)[0]


def senses_heat(raw: str) -> bool:
    """Whether it may be sexual."""
    if not raw.isascii() and _HAN.search(raw) and (said := spelled(raw)).pure:
        return _han_stirs().search(said.text) is not None
    return _sense(raw)[1]


def _sense(raw: str) -> tuple[bool, bool]:
    """Both, by what stands between spaces."""
    parts = [*map(_LATIN.__getitem__ if raw.isascii() else _of_part, filter(None, raw.split(" ")))]
    found = functools.reduce(operator.or_, parts, 0)
    if found & APART and any(one & other & APART for one, other in itertools.pairwise(parts)):
        return True, True
    return bool(found & NEWS) or (found & SMALL > 0 and found & BIG > 0), bool(found & STIRS)


def _of_token(part: str) -> int:
    if part[-1] in MARKS and is_word(part[:-1]):
        return _LATIN[part[:-1]]
    plain, atoms, signs = TOKENS[part]
    if signs & IS_WIDE and plain:
        return NEWS | STIRS
    loud = _loudest(part)
    if loud == ODD:
        return NEWS | STIRS
    found = STIRS if loud >= ALERTS else 0
    found |= APART if signs & IS_LONE else 0
    if signs & _DIGITS:
        return found | (BIG if _GROWN.fullmatch(part) else NEWS)
    if not _english_news().isdisjoint(atoms):
        found |= NEWS
    found |= SMALL if not _SMALL.isdisjoint(atoms) else 0
    return found | (BIG if not TENS.keys().isdisjoint(atoms) else 0)


def _loudest(text: str) -> int:
    if is_word(text):
        return kind(text, "")
    kinds = (
        kind(match[0], text[max(0, match.start() - BEFORE) : match.start()]) for match in ATOMS.finditer(text)
    )
    return max(kinds, default=0)


_LATIN = Known(_of_token, MOST_WORDS)


def _of_part(part: str) -> int:
    return _of_han(part) if _HAN.search(part) else _LATIN[part]


def _of_han(part: str) -> int:
    text = folded(part)
    if _MAY_BE_MIXED.search(text) and _MIXED.search(text):
        return NEWS | STIRS
    found = APART | STIRS if _han_stirs().search(text) else APART
    if _han_news().search(text):
        return found | NEWS
    return found | (NEWS if FORMS_THAT_TELL.any(text, SIGNS.among(text)) else 0)


def _young() -> list[str]:
    return [phrase for category, bit in BITS.items() if bit & YOUNG for phrase in phrases(category)]


@functools.cache
def _english_news() -> frozenset[str]:
    """Of every phrase that tells of someone young its least common word; numbers; what is reckoned with."""
    common = phrases("common")
    words = {
        max(atoms, key=lambda atom: (atom not in common, len(atom)))
        for phrase in _young()
        if phrase.isascii() and (atoms := ATOM.findall(phrase))
    }
    words |= {*CARDINALS, *ORDINALS} - _SMALL
    words |= {*CUES_OF_YEARS.split(), *listed("sense.words").split(), *NUMBER_WORDS}
    return frozenset(words)


@functools.cache
def _han_news() -> re.Pattern[str]:
    """Of every Chinese phrase that tells of someone young the two characters that fewest phrases have; those
    that alone tell of an age or a year."""
    young = [phrase for phrase in _young() if not phrase.isascii()]
    pairs = [[one + two for one, two in itertools.pairwise(phrase)] for phrase in young]
    often = Counter(itertools.chain.from_iterable(pairs))
    return any_of({*_HAN_NEWS, *(max(of, key=lambda pair: often[pair]) for of in pairs if of)})


@functools.cache
def _han_stirs() -> re.Pattern[str]:
    """The last two characters of whatever can make a Chinese text sexual."""
    lists = lexicon()
    endings = lists.arming | lists.alerting | lists.completing | endings_of_forms()
    return any_of({ending[-2:] for ending in endings if not ending.isascii()})
