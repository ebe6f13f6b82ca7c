"""Who is who in a conversation, and who of them is young. Knows nothing of what they do.

Binding is by name, pronoun and nearness; the ages that are told last hold, and time in the story passes.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field

from fabula.guard.ages import ADULT
from fabula.guard.categories import bits
from fabula.guard.forms import pattern
from fabula.guard.people import CALLED, FIRST, NOUNS, SECOND, THIRD
from fabula.guard.reading import ASKS, Sentence
from fabula.guard.young import Minor

_LATER, _OWNED = bits("now later"), bits("possessive absent")
_ADULT, _COUPLE, _MEMORY = map(bits, ("adult", "couple", "memory"))
_FIRST, _SECOND, _THIRD = map(bits, ("first", "second", "third"))
NEAR = 4  # sentences over which a pronoun or an ellipsis may reach back
CHAIN = 10  # sentences over which one pronoun after the other may reach back
MOST_UNNAMED = 64  # sentences that are kept until somebody asks for names
CHAR, USER, CAST, SOMEONE = "<char>", "<user>", "<cast>", "<someone>"
SPEAKER = {"user": (USER, CHAR), "assistant": (CHAR, USER), "system": (CHAR, CHAR)}


@dataclass(slots=True)
class Person:
    """Someone under 18: the years if stated, and the sentence in which they were last spoken of."""

    years: int | None
    seen: int
    fixed: bool = False  # told by the system prompt or card: time in the story does not change it
    owned: bool = False  # someone's child, spoken of beside others
    told: int = 0  # the sentence that told the age
    text: str = ""  # what told of them
    recalled: bool = False  # someone thinks back to them, perhaps to a younger self
    mere: bool = False  # children as such
    beside: bool = False  # who came up when others were a pair already
    listed: bool = False  # in a sheet ("Age: 15") that no system prompt holds: one of those it is all about

    def is_called(self, text: str) -> bool:
        """Whether a sentence speaks of "the daughter" who was told of."""
        return any(noun in text and _definite(noun).search(text) for noun in _called(self.text))


@dataclass(slots=True)
class Cast:
    """The people of a conversation after what was read so far; `at` is the number of the last sentence."""

    at: int = 0
    minors: dict[str, Person] = field(default_factory=dict)
    grown: set[str] = field(default_factory=set)
    alias: str = ""  # the name of the character that the model plays
    couple_at: int = -1000  # where two adults were last spoken of together
    pair_at: int = -1000  # where something sexual was last told of people of whom none is young
    asked_at: int = -1000  # where someone was last asked for an age
    years: set[int] = field(default_factory=set)  # adult ages that were stated
    _named: tuple[int, str] = (-1000, "")  # where a sentence with one name was last, and the name
    _unnamed: list[tuple[int, Sentence]] = field(default_factory=list)  # later ones, not yet asked for names

    def has_young_within(self, further: int) -> bool:
        """Whether, that many sentences on, a pronoun or the cast may still mean someone young."""
        reach = self.at + further - CHAIN
        for name, person in self.minors.items():
            if person.seen >= reach or person.told >= reach or name in (CHAR, USER, CAST):
                return True
        return False

    def has_someone_within(self, further: int) -> bool:
        """The same of someone without a name, whose youth no age of others ends."""
        someone = self.minors.get(SOMEONE)
        return self.has_someone and someone is not None and self.at + further - someone.seen <= CHAIN

    @property
    def has_someone(self) -> bool:
        return SOMEONE in self.minors and not self.minors[SOMEONE].recalled

    def named(self, text: str) -> bool:
        """Whether a minor who was named before is named here."""
        return any(is_named(name, text) or person.is_called(text) for name, person in self.minors.items())

    def break_off(self) -> None:
        """Another chapter or place: pronouns no longer reach back."""
        for name in [name for name in self.minors if name[0] == "<" and name not in (CHAR, USER, CAST)]:
            del self.minors[name]
        for person in self.minors.values():
            person.seen = -1000

    def pass_time(self, years: int) -> None:
        for name, person in list(self.minors.items()):
            if person.fixed:
                continue
            person.years = (person.years if person.years is not None else 8) + years
            if person.years >= ADULT:
                del self.minors[name]

    def grow(self, sentence: Sentence, role: str) -> None:
        """People whose adult age is told; those who were young before are so no longer."""
        for who in sentence.grown:
            name = self._name(who, role, sentence)
            if name[0] != "<" or name in (CHAR, USER):
                self.grown.add(name)
                if (young := self.minors.pop(name, None)) is not None and young.listed:
                    self.minors.pop(CAST, None)
            elif not who and _IN_A_SHEET.search(sentence.text) and (heads := self._heads_sheet()):
                self.grown.update(heads)
            else:
                self._outgrow(who in ("both", "all", "两人"), sentence)
        self.years.update(sentence.years)
        told = len(sentence.years) > 1 or (sentence.words & _ADULT and _is_of_several(sentence.text))
        if sentence.words & _COUPLE or (told and not sentence.strong):
            self.couple_at = self.at

    def _outgrow(self, everyone: bool, sentence: Sentence) -> None:
        """An adult age told of nobody by name: of those who were spoken of as they once were."""
        now = everyone or (sentence.words & _LATER and not sentence.strong)
        for name, person in list(self.minors.items()):
            if (person.listed or name not in (CHAR, USER, CAST)) and (now or person.recalled):
                del self.minors[name]

    def meet(self, sentence: Sentence, role: str) -> list[str]:
        """The minors whom the sentence introduces, kept by name."""
        if role == "system" and sentence.aliases and not self.alias:
            self.alias = sentence.aliases[0]
        if sentence.apart or not sentence.minors:
            return []
        fresh: list[str] = []
        for minor in sentence.strong:
            if self._outgrown(minor, sentence):
                continue
            name = self._name(minor.who, role, sentence)
            if not minor.recounted:
                fresh.append(name)
            if name == SOMEONE and not minor.mere and (bearer := self._bearer(minor, sentence)):
                self.minors[bearer] = Person(minor.years, self.at, told=self.at)
            if not minor.passing:
                owned = sentence.words & _OWNED != 0 and name[0] == "<"
                recalled = minor.recounted or sentence.words & _MEMORY != 0
                self.minors[name] = Person(
                    minor.years,
                    self.at,
                    role == "system",
                    owned,
                    self.at,
                    sentence.text,
                    recalled,
                    minor.mere,
                    beside=self.at - self.pair_at <= CHAIN,
                )
                if role != "system" and _IN_A_SHEET.search(sentence.text):
                    of_it = [CAST, *self._heads_sheet()]
                    self.minors |= {
                        of: Person(minor.years, self.at, told=self.at, listed=True) for of in of_it
                    }
        return fresh

    def follow(self, sentence: Sentence) -> None:
        """Who stays in view: a minor who is named again, or whom a pronoun still means."""
        third = sentence.words & _THIRD
        for name, person in self.minors.items():
            meant = third and (name == SOMEONE or name == self._last_named()[1])
            if is_named(name, sentence.text) or (
                meant
                and self.at - person.told <= CHAIN
                and self.at - person.seen <= NEAR
                and self.couple_at < person.seen
            ):
                person.seen = self.at
        if sentence.ends_paragraph:
            for person in self.minors.values():
                person.told = -1000
        self._unnamed.append((self.at, sentence))
        if len(self._unnamed) > MOST_UNNAMED:
            self._last_named()

    def _last_named(self) -> tuple[int, str]:
        """Where the one person was spoken of whom the last sentence with a name speaks of, and the name."""
        for at, sentence in reversed(self._unnamed):
            if len(sentence.names) == 1:
                self._named = at, sentence.names[0]
                break
        self._unnamed.clear()
        return self._named

    def tell_answers(self, sentence: Sentence) -> list[str]:
        """The minors of whom an answer, or a reckoning with ages told before, speaks."""
        years: list[int] = []
        if self.at - self.asked_at <= 2 and sentence.answer is not None:
            years.append(abs(sentence.answer))
        if sentence.younger is not None:
            years += [known - sentence.younger for known in self.years]
        if sentence.words & ASKS:
            self.asked_at = self.at
        if not years:
            return []
        found = [age for age in years if 0 <= age < ADULT]
        if found:
            self.minors[SOMEONE] = Person(found[0], self.at, told=self.at)
        return [SOMEONE] if found else []

    def _bearer(self, minor: Minor, sentence: Sentence) -> str:
        """The name of someone told of without it: in the sentence, or in the one before by a pronoun."""
        if len(sentence.names) == 1:
            return sentence.names[0]
        if sentence.names or minor.who not in THIRD:
            return ""
        at, name = self._last_named()
        return name if self.at - at <= 2 else ""

    def _heads_sheet(self) -> list[str]:
        """The name in the line before that of an age: "Name: Sam"."""
        at, name = self._last_named()
        return [name] if name and self.at - at <= 2 else []

    def _outgrown(self, minor: Minor, sentence: Sentence) -> bool:
        """ "We were ten; twenty years later …" in one sentence."""
        return sentence.later is not None and (minor.years or 8) + sentence.later >= ADULT

    def _name(self, who: str, role: str, sentence: Sentence) -> str:
        first, second = SPEAKER.get(role, (SOMEONE, SOMEONE))
        if who in FIRST:
            return first
        if who in SECOND:
            return second
        if who == "char" or (role == "system" and who == self.alias):
            return CHAR
        if who == "user":
            return USER
        if who and who not in THIRD and who not in NOUNS:
            return who
        if role == "system":
            return (
                CHAR
                if not who and (sentence.words & _SECOND or self.alias or "char" in sentence.text)
                else CAST
            )
        if not who and sentence.people == _FIRST and role == "user" and _is_self(sentence):
            return USER
        return SOMEONE


_IN_A_SHEET = pattern("cast.in_a_sheet")


def introduces(sentence: Sentence) -> bool:
    """Whether a sentence of a story surely tells of someone young without a name."""
    if sentence.apart or sentence.denied or sentence.later is not None or sentence.words & _MEMORY:
        return False
    return any(
        not (minor.passing or minor.recounted)
        and (not minor.who or minor.who in THIRD)
        and minor.who not in ("char", "user")
        for minor in sentence.strong
    )


def is_named(name: str, text: str) -> bool:
    """Whether a name occurs: as a word, or anywhere in Chinese, where words are not set apart."""
    if name[0] == "<" or name not in text:
        return False
    return not name.isascii() or re.search(rf"\b{re.escape(name)}\b", text) is not None


@functools.lru_cache(maxsize=256)
def _called(text: str) -> frozenset[str]:
    """The nouns by which someone was told of: daughter, 妹妹."""
    words = set(re.findall(r"[a-z]+", text))
    return frozenset(noun for noun in CALLED if (noun in words if noun.isascii() else noun in text))


@functools.cache
def _definite(noun: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:the|that|this)(?: \w+)? {noun}\b|'s {noun}\b" if noun.isascii() else noun)


def _is_of_several(text: str) -> bool:
    return any(word in text for word in ("they", "both", "两人", "他们"))


def _is_self(sentence: Sentence) -> bool:
    return any(mark in sentence.text for mark in ("i am", "i'm", "我是", "我今年", "我才", "my character"))
