"""What one message says, sentence by sentence: signals with their evidence. Knows no conversation."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from fabula.guard.ages import Age
from fabula.guard.births import CUES_OF_PARENTS, CUES_OF_YEARS, may_reckon, minors_by_birth, tells_births
from fabula.guard.categories import HEAT, YOUNG, bits
from fabula.guard.cues import SIGNS
from fabula.guard.forms import pattern
from fabula.guard.kept import kept
from fabula.guard.lexicon import Hit
from fabula.guard.purpose import (
    FRAMES,
    KEEPS_OUT,
    NO_FRAME,
    Frame,
    are_apart,
    aside_of,
    end_of_heat,
    frame_of,
    heat_of,
    is_forbidden,
    is_to_them,
)
from fabula.guard.tokens import Spelled, spelled
from fabula.guard.words import Words
from fabula.guard.young import (
    NUMBERS,
    PASSES,
    Minor,
    ages_of,
    answer_in,
    may_tell,
    minors_of,
    years_passed,
    younger_by,
)

LONGEST = 320  # characters after which a sentence counts as ended
_CLOSERS = "”’」』\"')\\]"
_TITLES = "".join(
    rf"(?<!\b{title}\.)"
    for title in ("[Mm]r", "[Mm]s", "[Mm]rs", "[Dd]r", "[Pp]rof", "[Ss]t", "[Ff]", "[Jj]r")
)
_ENDS = "。!?;…\uff01\uff1f\uff1b\n"  # the full-width ! ? ; too: what is cut is text as it came
BOUNDARY = re.compile(  # begins with one set of characters, which most text has none of: that is quick to see
    rf"[{_ENDS}.](?:(?<!\.)[{_ENDS}]*[{_CLOSERS}]*(?=[^{_ENDS}{_CLOSERS}])|(?<=\.){_TITLES}\.*[{_CLOSERS}]*(?=\s))"
)
WAITS = re.compile(rf"[^{_ENDS}.]*(?:[{_ENDS}.][{_CLOSERS}]*)?")  # of these only what follows can be the end
_SIGNALS = YOUNG & ~bits("grade")
_PARAGRAPH = re.compile(r"\n\s*\n\s*$")
PERSONS = bits("first second third")
_EVENTS = bits("break asks asks_license couple pair third")
_LURE, _POSSESSIVE, _RECKONED, _SCHOLARLY, _VOID = map(
    bits, ("lure", "possessive", "reckoned", "scholarly", "void")
)
ASKS = bits("asks asks_license")
_OWNED = pattern("reading.owned")
_ALIAS = pattern("reading.alias")


@dataclass(slots=True)
class Sentence:
    """Signals of one sentence. `heat`: 0 nothing sexual, 1 a hint, 2 sexual."""

    text: str
    minors: tuple[Minor, ...] = ()
    grown: tuple[str, ...] = ()  # whose adult age is stated
    heat: int = 0
    depicts: bool = False
    frame: Frame = frozenset()
    lured: bool = False
    words: int = 0  # categories that occur
    later: int | None = None  # years that pass
    aliases: tuple[str, ...] = ()
    apart: bool = False  # the minor is in a clause of its own, asleep or elsewhere
    denied: bool = False  # a prohibition, not a wish
    years: tuple[int, ...] = ()  # the adult ages that are stated
    younger: int | None = None  # years that ages are to be lessened by
    ends_paragraph: bool = False
    dated: bool = False  # it may tell of a birth, a year, or the age of a parent
    to_them: bool = False  # something is done "with her", or with someone else who was spoken of
    said: Spelled | None = None  # with `found`, until it is settled: what follows is asked of few sentences
    found: Words | None = None
    _names: tuple[str, ...] | None = None
    _answer: int | None = None
    _heated: int = -1

    @property
    def names(self) -> tuple[str, ...]:
        """Of people, as far as they show."""
        if self._names is None:
            self._names = () if self.said is None else self.said.names
        return self._names

    @property
    def answer(self) -> int | None:
        """The age that it tells if the one before it asked for one."""
        return self._answer if self.said is None else answer_in(self.text, self.said.signs)

    @property
    def heated(self) -> int:
        """Where what is sexual ends in it, or -1."""
        return end_of_heat(self.found.hits) if self.found is not None and self.heat else self._heated

    def settle(self) -> None:
        """Find all that may be asked of it, and keep no more of how it is spelled."""
        self._names, self._answer, self._heated = self.names, self.answer, self.heated
        self.said = self.found = None

    @property
    def strong(self) -> tuple[Minor, ...]:
        return tuple([minor for minor in self.minors if minor.strength >= 2]) if self.minors else ()

    @property
    def people(self) -> int:
        """Of the categories first, second and third those that occur."""
        return self.words & PERSONS

    @property
    def aside(self) -> str:
        """What it says in other clauses after what is sexual."""
        heated = self.heated
        return aside_of(self.text, heated) if heated >= 0 else ""

    @property
    def eventful(self) -> bool:
        return bool(
            self.words & _EVENTS
            or self.minors
            or self.grown
            or self.heat
            or self.later is not None
            or self.aliases
            or self.younger is not None
            or self.answer is not None
            or self.ends_paragraph
            or self.names
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """A message as read: only the sentences that matter, and the frame of the whole."""

    sentences: tuple[tuple[int, Sentence], ...]  # by their numbers
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


@kept(most=1 << 15)
def read(text: str) -> Reading:
    """All of a message. Kept, so that each turn costs only the messages that are new."""
    ends = cut(text)
    starts = [0, *ends[:-1]]
    sentences = [read_sentence(text[start:end]) for start, end in zip(starts, ends, strict=True)]
    events = [(place, sentence) for place, sentence in enumerate(sentences) if sentence.eventful]
    for _, sentence in events:
        sentence.settle()
    return Reading(
        (*events, *((len(ends) - 1, reckoned) for reckoned in _reckoned(text))),
        len(ends),
        frozenset().union(*(sentence.frame for sentence in sentences)),
        any(sentence.lured or sentence.depicts for sentence in sentences),
    )


def _reckoned(text: str) -> list[Sentence]:
    """Ages from a year of birth and the present year, which may stand in different sentences."""
    minors = minors_by_birth(text) if tells_births(text) else ()
    return [Sentence("", minors=minors, words=_RECKONED)] if minors else []


def _is_void(place: int, hits: list[Hit]) -> bool:
    return any(hit.categories & _VOID and hit.start <= place < hit.end for hit in hits)


def heat_in(raw: str) -> int:
    """How sexual a sentence is (`Sentence.heat`): the part of `read_sentence` that a stream asks for most."""
    said = spelled(raw)
    return heat_of(said, Words(said, hot=True))[0]


_WARMS = bits("act depict hint body")


def is_heated(raw: str) -> bool:
    """Whether it is sexual at all: known by the lists alone where nothing takes a meaning away."""
    said = spelled(raw)
    phrases, words = said.phrases
    for _, _, categories in phrases:
        words |= categories
    if words & _WARMS and not words & _VOID and not said.signs & KEEPS_OUT:
        return True
    return heat_in(raw) > 0


_YOUNGER = SIGNS.need("subtract younger junior 减 变 改 调")
_YOUNGER_THAN = SIGNS.need("比", "小 轻", "岁")
_NAMING = (
    SIGNS.need("you", "are 're play"),
    SIGNS.need("character name char"),
    SIGNS.need("play", "as"),
    SIGNS.need("你", "是 叫 扮"),
    SIGNS.need(":", "姓 名 角"),
)
_MAY_NAME = SIGNS.need("you character name char play 你 姓 名 角")
_OWNING = SIGNS.need(
    "baby child children daughter daughters kid kids son sons toddler twins 儿 孩 妈 爸 母 父",
)
_DATING = SIGNS.need("##") | SIGNS.need(CUES_OF_YEARS)
_PARENTS = SIGNS.need(CUES_OF_PARENTS)


def _may_name(signs: int) -> bool:
    return any(signs & needs == needs for needs in _NAMING)


def _may_be_younger(signs: int) -> bool:
    return bool(signs & _YOUNGER) or signs & _YOUNGER_THAN == _YOUNGER_THAN


def _is_dated(signs: int) -> bool:
    return bool(signs & _DATING or (signs & _PARENTS and signs & NUMBERS))


@functools.lru_cache(maxsize=16)
def ages_in(raw: str) -> list[Age]:
    """Asked for before a sentence is read, and again when it is."""
    said = spelled(raw)
    return ages_of(raw, said.text, said.signs, said.beside)


@functools.lru_cache(maxsize=64)
def read_sentence(raw: str) -> Sentence:
    """A sentence of a stream may be asked for its people before it is weighed."""
    said = spelled(raw)
    found = Words(said)
    text, signs, words = said.text, said.signs, found.categories
    ages = ages_in(raw) if signs & NUMBERS else []
    if ages and words & _VOID:
        ages = [age for age in ages if not _is_void(age.start, found.hits)]
    if signs & _OWNING and (ages or words & _SIGNALS) and _OWNED.search(text):
        words |= _POSSESSIVE
    minors = minors_of(text, found.hits, ages, words) if ages or words & YOUNG else ()
    heat, depicts = heat_of(said, found) if words & HEAT else (0, False)
    grown = [age for age in ages if age.is_adult] if ages else []
    to_them = bool(heat or minors) and is_to_them(text, signs)
    both = bool(heat and minors)
    return Sentence(
        text,
        minors,
        tuple([age.who for age in grown]) if grown else (),
        heat,
        depicts,
        frame_of(found) if words & FRAMES else NO_FRAME,
        words & _LURE != 0 and not words & _SCHOLARLY,
        words,
        years_passed(text, words, signs) if words & PASSES or signs & SIGNS.numbers else None,
        tuple(_ALIAS.findall(text)) if signs & _MAY_NAME and _may_name(signs) else (),
        both and not to_them and are_apart(said, found.hits, words, minors, grown),
        both and is_forbidden(said, found.hits, words, bool(ages)),
        tuple([age.years for age in grown]) if grown else (),
        younger_by(text) if _may_be_younger(signs) else None,
        "\n" in raw and _PARAGRAPH.search(raw) is not None,
        _is_dated(signs),
        to_them,
        said,
        found,
    )


def tells_young(raw: str) -> bool:
    """Whether a sentence tells of someone young by itself, or of what an age may be reckoned from. Most of
    those with a number or a weak sign do not, and are not read to their end."""
    said = spelled(raw)
    if _may_tell_young(raw, said):
        sentence = read_sentence(raw)
        if sentence.strong or sentence.younger is not None or sentence.words & ASKS:
            return True
    return _is_dated(said.signs) and may_reckon(raw)


def _may_tell_young(raw: str, said: Spelled) -> bool:
    """By its words and ages alone."""
    signs = said.signs
    told = may_tell(*said.phrases) or _may_be_younger(signs) or said.forms_tell
    return bool(told) or any(age.is_minor for age in ages_in(raw))
