"""What one message says, sentence by sentence: signals with their evidence. Knows no conversation."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from fabula.guard.ages import english_ages
from fabula.guard.ages_zh import chinese_ages
from fabula.guard.lexicon import ATOM, lexicon
from fabula.guard.normalise import normalise
from fabula.guard.purpose import Frame, are_apart, frame_of, heat_of, is_forbidden
from fabula.guard.young import Minor, ages_of, minors_of, years_passed

LONGEST = 320  # characters after which a sentence counts as ended
_CLOSERS = "”’」』\"')\\]"
BOUNDARY = re.compile(rf"[。!?;…!?;\n]+[{_CLOSERS}]*(?=[^。!?;…!?;\n{_CLOSERS}])|\.+[{_CLOSERS}]*(?=\s)")
_NAMING = re.compile(r"\byou|char|name|play|你|姓名|名字|角色")
_SIGNALS = frozenset({"minor1", "minor2", "minor3", "school2", "school3"})
_MERE = frozenset({"first", "second", "third", "now", "object", "pair", "negator", "void", "recall", "elder"})
_OWNED = re.compile(
    r"\b(?:my|our|your|his|her|their) (?:[\w-]+ ){0,2}"
    r"(?:sons?|daughters?|child|children|kids?|toddler|baby|twins)\b"
    r"|(?:[你我她他]们?|夫妻)的?(?:[大小两三]个?)?(?:孩子|儿子|女儿)"
)
_ALIAS = re.compile(
    r"(?:\b(?:you are|you're|you play|character|name|char|play as)[: ]+|"
    r"(?:你是|你叫|姓名:|名字:|角色:|你扮演))"
    r"(?!an? |the )([a-z]\w+|[一-鿿]{2,3})"
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """Signals of one sentence. `heat`: 0 nothing sexual, 1 a hint, 2 sexual."""

    text: str
    position: int
    minors: tuple[Minor, ...] = ()
    grown: tuple[str, ...] = ()  # whose adult age is stated
    heat: int = 0
    depicts: bool = False
    frame: Frame = frozenset()
    lured: bool = False
    people: frozenset[str] = frozenset()  # first, second, third
    words: frozenset[str] = frozenset()  # categories that occur
    later: int | None = None  # years that pass
    aliases: tuple[str, ...] = ()
    apart: bool = False  # the minor is in a clause of its own, asleep or elsewhere
    denied: bool = False  # a prohibition, not a wish

    @property
    def strong(self) -> tuple[Minor, ...]:
        return tuple(minor for minor in self.minors if minor.strength >= 2)

    @property
    def eventful(self) -> bool:
        return bool(
            self.minors
            or self.grown
            or self.heat
            or self.later is not None
            or self.aliases
            or "break" in self.words
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """A message as read: only the sentences that matter, and the frame of the whole."""

    sentences: tuple[Sentence, ...]
    length: int  # sentences in all
    frame: Frame
    lured: bool


def next_end(text: str, start: int) -> int | None:
    """Where the sentence that begins at `start` ends, or None while only more text can tell."""
    match = BOUNDARY.search(text, start)
    if match and match.end() - start <= LONGEST:
        return match.end()
    if len(text) - start <= LONGEST:
        return None
    limit = start + LONGEST
    gap = max(text.rfind(mark, limit - 80, limit) for mark in " ,,、")
    return gap + 1 if gap >= 0 else limit


def cut(text: str) -> list[int]:
    """Where the sentences of a whole text end."""
    ends: list[int] = []
    start = 0
    while (end := next_end(text, start)) is not None:
        ends.append(end)
        start = end
    return ends if ends and start == len(text) else [*ends, len(text)]


@functools.lru_cache(maxsize=4096)
def read(text: str) -> Reading:
    """All of a message. Kept, so that each turn costs only the messages that are new."""
    ends = cut(text)
    starts = [0, *ends[:-1]]
    sentences = [
        read_sentence(text[start:end], place)
        for place, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
    sentences += _reckoned(text, len(ends) - 1)
    return Reading(
        tuple(sentence for sentence in sentences if sentence.eventful),
        len(ends),
        frozenset().union(*(sentence.frame for sentence in sentences)),
        any(sentence.lured or sentence.depicts for sentence in sentences),
    )


def _reckoned(text: str, place: int) -> list[Sentence]:
    """Ages from a year of birth and the present year, which may stand in different sentences."""
    if "born in" not in text.lower() and "出生" not in text:
        return []
    whole = normalise(text, lexicon().words)
    ages = [
        age
        for age in (*english_ages(whole), *chinese_ages(whole))
        if "born" in whole[age.start : age.end] or "生" in whole[age.start : age.end]
    ]
    minors = tuple(Minor(3, age.who, age.years, 0, 0) for age in ages if age.is_minor)
    return [Sentence(whole, place, minors=minors, words=frozenset({"reckoned"}))] if minors else []


def read_sentence(raw: str, position: int) -> Sentence:
    lists = lexicon()
    text = normalise(raw, lists.words)
    atoms = list(ATOM.finditer(text))
    hits = lists.find(atoms)
    words = frozenset(category for hit in hits for category in hit.categories)
    ages = ages_of(raw, text, atoms)
    if not (words - _MERE or ages or "you" in text or ":" in text):
        return Sentence(text, position, words=words)
    if (words & _SIGNALS or ages) and _OWNED.search(text):
        words |= {"possessive"}
    grown = tuple(age.who for age in ages if age.is_adult)
    minors = minors_of(text, hits, ages, words)
    heat, depicts = heat_of(hits, words)
    return Sentence(
        text,
        position,
        minors=minors,
        grown=grown,
        heat=heat,
        depicts=depicts,
        frame=frame_of(hits),
        lured="lure" in words,
        people=words & {"first", "second", "third"},
        words=words,
        later=years_passed(text, words),
        aliases=tuple(_ALIAS.findall(text)) if _NAMING.search(text) else (),
        apart=bool(heat and minors and "absent" in words and are_apart(text, hits, minors)),
        denied=bool(heat and minors and not ages and is_forbidden(text, hits)),
    )
