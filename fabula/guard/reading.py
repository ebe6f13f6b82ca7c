"""What one message says, sentence by sentence: signals with their evidence. Knows no conversation."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from fabula.guard.births import minors_by_birth, tells_births
from fabula.guard.forms import find_forms, pattern
from fabula.guard.lexicon import ATOM, Hit, lexicon
from fabula.guard.normalise import normalise
from fabula.guard.people import names_in
from fabula.guard.purpose import HEAT, Frame, are_apart, aside_of, frame_of, heat_of, is_forbidden
from fabula.guard.young import Minor, ages_of, answer_in, minors_of, years_passed, younger_by

LONGEST = 320  # characters after which a sentence counts as ended
_CLOSERS = "”’」』\"')\\]"
_TITLES = "".join(
    rf"(?<!\b{title}\.)"
    for title in ("[Mm]r", "[Mm]s", "[Mm]rs", "[Dd]r", "[Pp]rof", "[Ss]t", "[Ff]", "[Jj]r")
)
_ENDS = "。!?;…\uff01\uff1f\uff1b\n"  # the full-width ! ? ; too: what is cut is text as it came
BOUNDARY = re.compile(rf"[{_ENDS}]+[{_CLOSERS}]*(?=[^{_ENDS}{_CLOSERS}])|\.{_TITLES}\.*[{_CLOSERS}]*(?=\s)")
_NAMING = pattern("reading.naming")
_SIGNALS = frozenset({"minor1", "minor2", "minor3", "school2", "school3"})
_MERE = frozenset(
    {"collective", "first", "second", "third", "now", "object", "pair", "negator", "void", "recall", "elder"}
)
_PARAGRAPH = re.compile(r"\n\s*\n\s*$")
PERSONS = frozenset({"first", "second", "third"})
_VOIDABLE = frozenset({*_SIGNALS, *HEAT, "grade", "later"})
_TURNS = frozenset({"break", "asks", "asks_license", "couple"})
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


def _without_names(text: str) -> str:
    """ "a bar called 'Kindergarten'": what stands in quotation marks is a name and says nothing of people."""
    return _CALLED.sub(lambda match: match[0].replace(match[1], "x" * len(match[1])), text)


def _hits(text: str, atoms: list[re.Match[str]], only: frozenset[str] = frozenset()) -> list[Hit]:
    """Phrases and forms (or `only` forms of these categories); what lies within a void one is none."""
    hits = [*lexicon().find(atoms), *find_forms(text, only)]
    void = [hit for hit in hits if "void" in hit.categories]
    return [
        hit
        for hit in hits
        if not hit.categories & _VOIDABLE
        or not any(other.start < hit.end and hit.start < other.end for other in void)
    ]


def _is_void(place: int, hits: list[Hit]) -> bool:
    return any("void" in hit.categories and hit.start <= place < hit.end for hit in hits)


def is_warm(raw: str) -> bool:
    """Whether anything sexual is said: the part of `read_sentence` that a stream asks for most."""
    text = _without_names(normalise(raw, lexicon().words))
    hits = _hits(text, list(ATOM.finditer(text)), HEAT)
    heat, _ = heat_of(text, hits, frozenset(category for hit in hits for category in hit.categories))
    return heat > 0


def read_sentence(raw: str, position: int) -> Sentence:
    text = _without_names(normalise(raw, lexicon().words))
    atoms = list(ATOM.finditer(text))
    hits = _hits(text, atoms)
    words = frozenset(category for hit in hits for category in hit.categories)
    ages = [age for age in ages_of(raw, text, atoms) if not _is_void(age.start, hits)]
    answer, younger = answer_in(text), younger_by(text)
    if not (words - _MERE or ages or answer is not None or younger or "you" in text or ":" in text):
        return Sentence(
            text,
            position,
            words=words,
            people=words & PERSONS,
            names=names_in(raw, text),
            ends_paragraph=_PARAGRAPH.search(raw) is not None,
        )
    if (words & _SIGNALS or ages) and _OWNED.search(text):
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
        frame=frame_of(hits),
        lured="lure" in words and "scholarly" not in words,
        people=words & PERSONS,
        words=words,
        later=years_passed(text, words),
        aliases=tuple(_ALIAS.findall(text)) if _NAMING.search(text) else (),
        apart=bool(heat and minors and are_apart(text, hits, minors, grown, names)),
        denied=bool(heat and minors and is_forbidden(text, hits, bool(ages))),
        years=tuple(age.years for age in grown),
        younger=younger,
        answer=answer,
        names=names,
        aside=aside_of(text, hits),
        ends_paragraph=_PARAGRAPH.search(raw) is not None,
    )
