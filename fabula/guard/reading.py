"""What one message says, sentence by sentence: signals with their evidence. Knows no conversation."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from fabula.guard.ages import ADULT, LATER, Age, english_ages
from fabula.guard.ages_zh import chinese_ages
from fabula.guard.ages_zh import later as chinese_later
from fabula.guard.lexicon import ATOM, Hit, lexicon
from fabula.guard.normalise import normalise
from fabula.guard.numerals import CARDINALS, ORDINALS, TENS, english

LONGEST = 320  # characters after which a sentence counts as ended
OLDEST_HUMAN = 110  # "900 years old" says nothing about the body that is shown
_CLOSERS = "”’」』\"')\\]"
BOUNDARY = re.compile(
    rf"[。!?;…!?;\n]+[{_CLOSERS}]*(?=[^。!?;…!?;\n{_CLOSERS}])|\.+[{_CLOSERS}]*(?=\s)"
)
PRONOUNS = frozenset("i me my we us our you your she he her him his they them their it both all user char".split())
_NUMBERED = frozenset([*CARDINALS, *ORDINALS, *TENS]) - {"one", "two", "first", "second"}
_CHINESE_AGE = re.compile(r"岁|年仅|年方|芳龄|今年|才|只有|年龄|一半|出生|\d")
_CLAUSE = re.compile(r"[,,、::]|\b(?:while|when|whose|after|before|but)\b")
_ALIAS = re.compile(
    r"(?:\b(?:you are|you're|you play|character|name|char|play as)[: ]+|(?:你是|你叫|姓名:|名字:|角色:|你扮演))"
    r"(?!an? |the )([a-z]\w+|[一-鿿]{2,3})"
)


Frame = frozenset[tuple[int, str]]
"""Phrases that show that a text reports, treats, judges or teaches, with their weights."""
CLEAR = 3  # the weight from which a text is taken for a report


def is_clear(frame: Frame) -> bool:
    return sum(weight for weight, _ in frame) >= CLEAR


@dataclass(frozen=True, slots=True)
class Minor:
    """Evidence that someone is under 18. Strength 3 stands against any claim, 2 yields to an adult age."""

    strength: int
    who: str
    years: int | None
    start: int
    end: int
    passing: bool = False  # two weak signs in one sentence: not remembered after it


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
            self.minors or self.grown or self.heat or self.later is not None or self.aliases or "break" in self.words
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
    sentences = [read_sentence(text[start:end], place) for place, (start, end) in enumerate(zip(starts, ends, strict=True))]
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
    ages = [age for age in (*english_ages(whole), *chinese_ages(whole)) if "born" in whole[age.start : age.end] or "生" in whole[age.start : age.end]]
    minors = tuple(Minor(3, age.who, age.years, 0, 0) for age in ages if 0 <= age.years < ADULT)
    return [Sentence(whole, place, minors=minors, words=frozenset({"reckoned"}))] if minors else []


def read_sentence(raw: str, position: int) -> Sentence:
    lists = lexicon()
    text = normalise(raw, lists.words)
    atoms = list(ATOM.finditer(text))
    hits = lists.find(atoms)
    words = frozenset(category for hit in hits for category in hit.categories)
    ages = _ages(raw, text, atoms)
    if not (hits or ages):
        return Sentence(text, position)
    grown = tuple(age.who for age in ages if ADULT <= age.years <= OLDEST_HUMAN)
    minors = _minors(text, hits, ages, words)
    heat, depicts = _heat(hits, words)
    return Sentence(
        text,
        position,
        minors=minors,
        grown=grown,
        heat=heat,
        depicts=depicts,
        frame=_frame(hits),
        lured="lure" in words,
        people=words & {"first", "second", "third"},
        words=words,
        later=_later(text, words),
        aliases=tuple(_ALIAS.findall(text)),
        apart=bool(heat and minors and "absent" in words and _apart(text, hits, minors)),
        denied=bool(heat and "negator" in words and not ages and _denied(hits)),
    )


def _ages(raw: str, text: str, atoms: Iterable[re.Match[str]]) -> list[Age]:
    ages: list[Age] = []
    if any(atom[0] in _NUMBERED or atom[0].isdigit() for atom in atoms):
        ages = [_with_name(age, raw) for age in english_ages(text)]
    if not text.isascii() and _CHINESE_AGE.search(text):
        ages += chinese_ages(text)
    return ages


def _with_name(age: Age, raw: str) -> Age:
    """A word before an age is a name when it is written with a capital, or where nothing is."""
    if not age.who or age.who in PRONOUNS or age.who.capitalize() in raw or raw.islower():
        return age
    return replace(age, who="")


def _minors(text: str, hits: list[Hit], ages: list[Age], words: frozenset[str]) -> tuple[Minor, ...]:
    found = [Minor(3, age.who, age.years, age.start, age.end) for age in ages if 0 <= age.years < ADULT]
    adult = [age for age in ages if ADULT <= age.years <= OLDEST_HUMAN]
    for hit in hits:
        strength = _strength(text, hit, words)
        if strength == 3 or (strength == 2 and not _adult_near(text, hit, adult)):
            found.append(Minor(strength, "", None, hit.start, hit.end))
    weak = [hit for hit in hits if "minor1" in hit.categories]
    if weak and not found and not adult and "adult" not in words:
        several = len({hit.phrase for hit in weak}) > 1 or "elder" in words
        found += [Minor(2 if several else 1, "", None, hit.start, hit.end, True) for hit in weak]
    return tuple(found)


_AT_SCHOOL = re.compile(r"(?:\b(?:in|at|to|attends?|starts?|enter(?:s|ed)|joins?)(?: the| her| his| my| an?)? |[在上读念进])$")
_WORKS_AT = re.compile(r"\b(?:teach\w*|teachers?|staff|principal|nurse|works?|working|job)\b[^,.;]{0,12}$")
_TEACHES = re.compile(r"的?(?:老师|教师|校长|任教|教书)| (?:teacher|principal|nurse|staff)")
_MINOR_NOUN = re.compile(r" (?!is|was|has|and|or|who|with|in|to|having|on|by|for|under|at|engag|from|without|that)[a-z]")


def _strength(text: str, hit: Hit, words: frozenset[str]) -> int:
    """How surely a phrase means someone under 18."""
    before, after = text[: hit.start], text[hit.end :]
    if "minor3" in hit.categories:
        return 0 if hit.phrase == "minor" and _MINOR_NOUN.match(after) else 3
    if "minor2" in hit.categories:
        return 2
    school = 3 if "school3" in hit.categories else 2 if "school2" in hit.categories else 0
    if not school or "recall" in words or _WORKS_AT.search(before) or _TEACHES.match(after):
        return 0
    return school if _AT_SCHOOL.search(before) else 0


_WITH = re.compile(r"\b(?:and|with|her|his|by)\b|[和与跟对]")


def _adult_near(text: str, hit: Hit, adult: list[Age]) -> bool:
    """An adult age that is told of the same person: close by, and no other person comes in between."""
    for age in adult:
        between = text[hit.end : age.start] if hit.end <= age.start else text[age.end : hit.start]
        if len(between) <= 25 and not _WITH.search(between):
            return True
    return False


def _heat(hits: list[Hit], words: frozenset[str]) -> tuple[int, bool]:
    """How sexual, and whether it depicts rather than names."""
    hints = {hit.phrase for hit in hits if "hint" in hit.categories}
    body = {hit.phrase for hit in hits if "body" in hit.categories}
    depicts = "depict" in words or len(hints) > 1 or bool(hints and "act" in words)
    if depicts or "act" in words or (hints and body):
        return 2, depicts or bool(hints and body)
    return (1, False) if hints or body else (0, False)


def _frame(hits: list[Hit]) -> Frame:
    frame = {(2, hit.phrase) for hit in hits if "frame" in hit.categories}
    frame |= {(1, hit.phrase) for hit in hits if "frame_weak" in hit.categories}
    return frozenset(frame | {(1, "condemn") for hit in hits if "condemn" in hit.categories})


def _later(text: str, words: frozenset[str]) -> int | None:
    if match := LATER.search(text):
        return english(match["n"])
    if (years := chinese_later(text)) is not None:
        return years
    return ADULT if "later" in words else None


def _clause_of(text: str, place: int) -> int:
    return sum(match.start() < place for match in _CLAUSE.finditer(text))


TO_THEM = re.compile(r"\b(?:with|to|on|inside|for) (?:her|him|them)\b|[和跟对与][她他]")


def _apart(text: str, hits: list[Hit], minors: tuple[Minor, ...]) -> bool:
    """The young one sleeps or is away in one clause; grown-ups are together in another."""
    if not any(hit.categories & {"pair", "adult"} for hit in hits) or TO_THEM.search(text):
        return False
    warm = {_clause_of(text, hit.start) for hit in hits if hit.categories & {"act", "depict", "hint"}}
    away = {_clause_of(text, hit.start) for hit in hits if "absent" in hit.categories}
    young = {_clause_of(text, minor.start) for minor in minors}
    return not warm & young and young <= away


def _denied(hits: list[Hit]) -> bool:
    """One negation shortly before the first signal: "never write sexual content about minors"."""
    signals = [hit for hit in hits if hit.categories & {"act", "depict", "minor3", "minor2"}]
    negations = [hit for hit in hits if "negator" in hit.categories]
    return len(negations) == 1 and bool(signals) and 0 < signals[0].first - negations[0].last <= 4
