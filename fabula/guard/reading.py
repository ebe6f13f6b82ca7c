"""What one message says, sentence by sentence: signals with their evidence. Knows no conversation."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from fabula.guard.births import CUES_OF_PARENTS, CUES_OF_YEARS, may_reckon, minors_by_birth, tells_births
from fabula.guard.cues import Cues
from fabula.guard.forms import find_forms, pattern
from fabula.guard.lexicon import ATOM, HEAT, Hit, lexicon
from fabula.guard.normalise import normalise
from fabula.guard.people import names_in
from fabula.guard.purpose import Frame, are_apart, aside_of, frame_of, heat_of, is_forbidden
from fabula.guard.young import Minor, ages_of, answer_in, minors_of, tells_numbers, years_passed, younger_by

LONGEST = 320  # characters after which a sentence counts as ended
_CLOSERS = "”’」』\"')\\]"
_TITLES = "".join(
    rf"(?<!\b{title}\.)"
    for title in ("[Mm]r", "[Mm]s", "[Mm]rs", "[Dd]r", "[Pp]rof", "[Ss]t", "[Ff]", "[Jj]r")
)
_ENDS = "。!?;…\uff01\uff1f\uff1b\n"  # the full-width ! ? ; too: what is cut is text as it came
BOUNDARY = re.compile(rf"[{_ENDS}]+[{_CLOSERS}]*(?=[^{_ENDS}{_CLOSERS}])|\.{_TITLES}\.*[{_CLOSERS}]*(?=\s)")
_SIGNALS = frozenset({"minor1", "minor2", "minor3", "school2", "school3"})
_PARAGRAPH = re.compile(r"\n\s*\n\s*$")
PERSONS = frozenset({"first", "second", "third"})
_VOIDABLE = frozenset({*_SIGNALS, *HEAT, "grade", "later"})
_TURNS = frozenset({"break", "asks", "asks_license", "couple", "pair"})
_OWNED = pattern("reading.owned")
_ALIAS = pattern("reading.alias")


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
    years: tuple[int, ...] = ()  # the adult ages that are stated
    younger: int | None = None  # years that ages are to be lessened by
    answer: int | None = None  # the age that it tells if the one before it asked for one
    names: tuple[str, ...] = ()  # of people, as far as they show
    aside: str = ""  # what it says in other clauses after what is sexual
    ends_paragraph: bool = False
    dated: bool = False  # it may tell of a birth, a year, or the age of a parent

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
            or self.younger is not None
            or self.answer is not None
            or self.words & _TURNS
            or self.names
            or "third" in self.people
            or self.ends_paragraph
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
    minors = minors_by_birth(text) if tells_births(text) else ()
    return [Sentence("", place, minors=minors, words=frozenset({"reckoned"}))] if minors else []


_CALLED = pattern("reading.called")
_CALLING = ("called", "named", "known as", "brand", "叫", "喊", "号", "名", "昵", "牌")


def _without_names(text: str) -> str:
    """ "a bar called 'Kindergarten'": what stands in quotation marks is a name and says nothing of people."""
    if not any(word in text for word in _CALLING):
        return text
    return _CALLED.sub(lambda match: match[0].replace(match[1], "_" * len(match[1])), text)


class Words:
    """One sentence as the lists see it: its text without disguise, its atoms, and what they hit.

    `only`: forms of these categories are looked for and no others. What lies within a void phrase is no hit.
    """

    __slots__ = ("atoms", "categories", "hits", "text")

    def __init__(self, raw: str, only: frozenset[str] = frozenset()):
        lists = lexicon()
        self.text = _without_names(normalise(raw, lists.words))
        self.atoms: list[str] = ATOM.findall(self.text)
        hits, light = lists.find(self.text, self.atoms)
        hits += find_forms(self.text, self.atoms, only)
        self.hits = _without_void(hits)
        self.categories = frozenset(light.union(*[hit.categories for hit in self.hits]))


def _without_void(hits: list[Hit]) -> list[Hit]:
    void = [hit for hit in hits if "void" in hit.categories]
    if not void:
        return hits
    return [
        hit
        for hit in hits
        if not hit.categories & _VOIDABLE
        or not any(other.start < hit.end and hit.start < other.end for other in void)
    ]


def _is_void(place: int, hits: list[Hit]) -> bool:
    return any("void" in hit.categories and hit.start <= place < hit.end for hit in hits)


def heat_in(raw: str) -> int:
    """How sexual a sentence is (`Sentence.heat`): the part of `read_sentence` that a stream asks for most."""
    words = Words(raw, HEAT)
    return heat_of(words.text, words.hits, words.categories)[0]


_YOUNGER, _NAMING, _OWNING, _YEARS, _PARENTS = range(5)
_TWO_DIGITS = re.compile(r"\d\d")
_MAY = Cues(
    [
        "subtract younger 减 变 改 调",
        "you character name char play 你 姓 名 角",
        "baby child children daughter daughters kid kids son sons toddler twins 儿 孩 妈 爸 母 父",
        CUES_OF_YEARS,
        CUES_OF_PARENTS,
    ]
)


def read_sentence(raw: str, position: int) -> Sentence:
    said = Words(raw)
    text, hits, words = said.text, said.hits, said.categories
    told = tells_numbers(text, said.atoms)
    ages = [age for age in ages_of(raw, text, said.atoms) if not _is_void(age.start, hits)] if told else []
    may = _MAY.possible(said.atoms)
    if (words & _SIGNALS or ages) and _OWNING in may and _OWNED.search(text):
        words |= {"possessive"}
    grown = [age for age in ages if age.is_adult]
    minors = minors_of(text, hits, ages, words)
    heat, depicts = heat_of(text, hits, words)
    names = names_in(raw, text)
    return Sentence(
        text,
        position,
        minors=minors,
        grown=tuple(age.who for age in grown),
        heat=heat,
        depicts=depicts,
        frame=frame_of(hits, words),
        lured="lure" in words and "scholarly" not in words,
        people=words & PERSONS,
        words=words,
        later=years_passed(text, words),
        aliases=tuple(_ALIAS.findall(text)) if _NAMING in may else (),
        apart=bool(heat and minors and are_apart(text, hits, minors, grown, names)),
        denied=bool(heat and minors and is_forbidden(text, hits, bool(ages))),
        years=tuple(age.years for age in grown),
        younger=younger_by(text) if _YOUNGER in may else None,
        answer=answer_in(text),
        names=names,
        aside=aside_of(text, hits) if heat else "",
        ends_paragraph="\n" in raw and _PARAGRAPH.search(raw) is not None,
        dated=_YEARS in may or _TWO_DIGITS.search(text) is not None or (_PARENTS in may and told),
    )


@functools.lru_cache(maxsize=4096)
def tells_young(raw: str) -> bool:
    """Whether a sentence tells of someone young by itself, or of what an age may be reckoned from."""
    sentence = read_sentence(raw, 0)
    reckons = sentence.younger is not None or bool(_ASKS & sentence.words)
    return bool(sentence.strong) or reckons or (sentence.dated and may_reckon(raw))


_ASKS = frozenset({"asks", "asks_license"})
