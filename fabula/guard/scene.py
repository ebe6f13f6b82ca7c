"""Who is who in a conversation, and when a minor and something sexual come together. Knows no stream.

Binding is by sentence, name, pronoun and nearness: a child in one chapter and lovers in another do not meet.
"""

from __future__ import annotations

import copy
import functools
import re
from dataclasses import dataclass, field

from fabula.guard.ages import ADULT
from fabula.guard.people import CALLED, FIRST, NOUNS, SECOND, THIRD
from fabula.guard.purpose import TO_THEM, Frame, is_clear
from fabula.guard.reading import Reading, Sentence
from fabula.guard.young import Minor

NEAR = 4  # sentences over which a pronoun or an ellipsis may reach back
CHAIN = 10  # sentences over which one pronoun after the other may reach back
WARM = 3  # sentences for which something sexual stays present
CHAR, USER, CAST, SOMEONE = "<char>", "<user>", "<cast>", "<someone>"
_SPEAKER = {"user": (USER, CHAR), "assistant": (CHAR, USER), "system": (CHAR, CHAR)}


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
    mere: bool = False  # children as such, who came up when others were a pair already

    def is_called(self, text: str) -> bool:
        """Whether a sentence speaks of "the daughter" who was told of."""
        return any(noun in text and _definite(noun).search(text) for noun in _called(self.text))


@dataclass(slots=True)
class Scene:
    """The state of a conversation after what was read so far."""

    at: int = 0
    minors: dict[str, Person] = field(default_factory=dict)
    grown: set[str] = field(default_factory=set)
    alias: str = ""  # the name of the character that the model plays
    warm_at: int = -1000
    warm_text: str = ""
    warm_pair: bool = False  # it told of a couple or of adults
    pair_at: int = -1000  # where something sexual was last told of people of whom none is young
    hints_at: int = -1000
    couple_at: int = -1000  # where two adults were last spoken of together
    asked_at: int = -1000  # where someone was last asked for an age
    years: set[int] = field(default_factory=set)  # adult ages that were stated
    named_last: str = ""  # the one person whom the last sentence with a name spoke of
    named_at: int = -1000

    def copy(self) -> Scene:
        twin = copy.copy(self)
        twin.minors = {name: copy.copy(person) for name, person in self.minors.items()}
        twin.grown, twin.years = set(self.grown), set(self.years)
        return twin

    @property
    def warm(self) -> bool:
        """Whether what was sexual is so near that the next sentence may tell whom it was with."""
        return self.at - self.warm_at < WARM

    def named(self, text: str) -> bool:
        """Whether a minor who was named before is named here."""
        return any(_names(name, text) or person.is_called(text) for name, person in self.minors.items())

    def hear(self, reading: Reading, role: str, frame: Frame) -> bool:
        """Take in a message. True when it completes a violation. `frame` comes from what it answers."""
        start = self.at
        guilty = False
        whole = frozenset() if reading.lured else reading.frame | frame
        for sentence in reading.sentences:
            self.at = start + sentence.position + 1
            guilty |= self.step(sentence, role, whole)
        self.at = start + reading.length
        return guilty

    def step(self, sentence: Sentence, role: str, frame: Frame) -> bool:
        """Take in one sentence (`at` is its number). True when it completes a violation."""
        if "break" in sentence.words:
            self._break()
        self._pass_time(sentence)
        self._grow(sentence, role)
        if sentence.denied:
            return False
        fresh = self._meet(sentence, role) + self._told(sentence)
        lasting = [name for name in fresh if name in self.minors]
        excused = (
            not sentence.depicts and not sentence.lured and (is_clear(frame) or "query" in sentence.words)
        )
        self._follow(sentence)
        hot = self._is_hot(sentence)
        guilty = not excused and (
            (hot and self._involves(sentence, role, fresh))
            or (not sentence.apart and self._joins_warm(sentence, lasting))
        )
        if hot and not excused:
            self.warm_at, self.warm_text = self.at, sentence.text
            self.warm_pair = self._is_of_others(sentence)
        if not sentence.strong and (
            (hot and not guilty and not excused) or {"pair", "couple"} & sentence.words
        ):
            self.pair_at = self.at
        return guilty

    # ── who there is ────────────────────────────────────────────────────────────────────────────────

    def _break(self) -> None:
        """Another chapter or place: pronouns no longer reach back."""
        self.warm_at = -1000
        for name in [name for name in self.minors if name[0] == "<" and name not in (CHAR, USER, CAST)]:
            del self.minors[name]
        for person in self.minors.values():
            person.seen = -1000

    def _pass_time(self, sentence: Sentence) -> None:
        if sentence.later is None:
            return
        for name, person in list(self.minors.items()):
            if person.fixed:
                continue
            person.years = (person.years if person.years is not None else 8) + sentence.later
            if person.years >= ADULT:
                del self.minors[name]

    def _grow(self, sentence: Sentence, role: str) -> None:
        """People whose adult age is told; those who were young before are so no longer."""
        for who in sentence.grown:
            name = self._name(who, role, sentence)
            if name[0] != "<" or name in (CHAR, USER):
                self.grown.add(name)
                self.minors.pop(name, None)
            else:
                self._outgrow(who in ("both", "all", "两人"), sentence)
        self.years.update(sentence.years)
        several = any(word in sentence.text for word in ("they", "both", "两人", "他们"))
        told = len(sentence.years) > 1 or ("adult" in sentence.words and several)
        if "couple" in sentence.words or (told and not sentence.strong):
            self.couple_at = self.at

    def _outgrow(self, everyone: bool, sentence: Sentence) -> None:
        """An adult age told of nobody by name: of those who were spoken of as they once were."""
        now = everyone or ({"now", "later"} & sentence.words and not sentence.strong)
        for name, person in list(self.minors.items()):
            if name not in (CHAR, USER, CAST) and (now or person.recalled):
                del self.minors[name]

    def _meet(self, sentence: Sentence, role: str) -> list[str]:
        """The minors whom the sentence introduces, kept by name."""
        for alias in sentence.aliases:
            if role == "system" and not self.alias:
                self.alias = alias
        if sentence.apart:
            return []
        fresh: list[str] = []
        for minor in sentence.strong:
            if self._outgrown(minor, sentence):
                continue
            name = self._name(minor.who, role, sentence)
            fresh.append(name)
            if name == SOMEONE and (bearer := self._bearer(minor, sentence)):
                self.minors[bearer] = Person(minor.years, self.at, told=self.at)
            if not minor.passing:
                owned = bool({"possessive", "absent"} & sentence.words) and name[0] == "<"
                recalled = "memory" in sentence.words
                mere = minor.mere and self.at - self.pair_at <= CHAIN
                self.minors[name] = Person(
                    minor.years, self.at, role == "system", owned, self.at, sentence.text, recalled, mere
                )
        return fresh

    def _follow(self, sentence: Sentence) -> None:
        """Who stays in view: a minor who is named again, or whom a pronoun still means."""
        for name, person in self.minors.items():
            meant = "third" in sentence.people and name in (SOMEONE, self.named_last)
            if self.named_in(name, sentence.text) or (
                meant
                and self.at - person.told <= CHAIN
                and self.at - person.seen <= NEAR
                and self.couple_at < person.seen
            ):
                person.seen = self.at
        if sentence.ends_paragraph:
            for person in self.minors.values():
                person.told = -1000
        if len(sentence.names) == 1:
            self.named_last, self.named_at = sentence.names[0], self.at

    def named_in(self, name: str, text: str) -> bool:
        return _names(name, text)

    def _told(self, sentence: Sentence) -> list[str]:
        """The minors of whom an answer, or a reckoning with ages told before, speaks."""
        years: list[int] = []
        if sentence.answer is not None and self.at - self.asked_at <= 2:
            years.append(abs(sentence.answer))
        if sentence.younger is not None:
            years += [known - sentence.younger for known in self.years]
        if {"asks", "asks_license"} & sentence.words:
            self.asked_at = self.at
        found = [age for age in years if 0 <= age < ADULT]
        if found:
            self.minors[SOMEONE] = Person(found[0], self.at, told=self.at)
        return [SOMEONE] if found else []

    def _bearer(self, minor: Minor, sentence: Sentence) -> str:
        """The name of someone told of without it: in the sentence, or in the one before by a pronoun."""
        if len(sentence.names) == 1:
            return sentence.names[0]
        before = not sentence.names and minor.who in THIRD and self.at - self.named_at <= 2
        return self.named_last if before else ""

    def _outgrown(self, minor: Minor, sentence: Sentence) -> bool:
        """ "We were ten; twenty years later …" in one sentence."""
        return sentence.later is not None and (minor.years or 8) + sentence.later >= ADULT

    def _name(self, who: str, role: str, sentence: Sentence) -> str:
        first, second = _SPEAKER.get(role, (SOMEONE, SOMEONE))
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
                if not who and ("second" in sentence.words or self.alias or "char" in sentence.text)
                else CAST
            )
        if (
            not who
            and "first" in sentence.people
            and len(sentence.people) == 1
            and role == "user"
            and _is_self(sentence)
        ):
            return USER
        return SOMEONE

    # ── what comes together ─────────────────────────────────────────────────────────────────────────

    def _is_hot(self, sentence: Sentence) -> bool:
        """Sexual by itself, or a second hint soon after a first or after something sexual."""
        if sentence.heat == 2:
            return True
        if sentence.heat == 1:
            again = self.at - self.hints_at <= WARM or self.at - self.warm_at <= WARM
            self.hints_at = self.at
            return again and "hint" in sentence.words
        return False

    def _involves(self, sentence: Sentence, role: str, fresh: list[str]) -> bool:
        """Whether a minor takes part in a sexual sentence."""
        if fresh:
            return True
        if self.named(sentence.text):
            return not self._elsewhere(sentence)
        first, second = _SPEAKER.get(role, (SOMEONE, SOMEONE))
        if ("first" in sentence.people and first in self.minors) or (
            "second" in sentence.people and second in self.minors
        ):
            return True
        if self._is_of_others(sentence):
            return False
        if any(self._takes_part(name) for name in (CHAR, USER, CAST)):
            return True
        to_them = TO_THEM.search(sentence.text)
        if not to_them and self._is_of_couple():
            return False
        return any(
            self.at - person.seen <= NEAR and (to_them or not (person.owned or person.mere))
            for person in self.minors.values()
        )

    def _joins_warm(self, sentence: Sentence, fresh: list[str]) -> bool:
        """Whether someone in what was sexual just before now turns out to be a minor."""
        if not fresh or self.at - self.warm_at > WARM:
            return False
        if (
            sentence.strong
            and all(minor.mere for minor in sentence.strong)
            and not TO_THEM.search(sentence.text)
        ):
            return False
        aside = {"possessive", "absent"} & sentence.words
        if len(aside) == 2 or (aside and (self.warm_pair or self.at - self.couple_at <= CHAIN)):
            return False
        named = [name for name in fresh if name[0] != "<"]
        if named and not any(_names(name, self.warm_text) for name in named):
            return "third" in sentence.people
        return True

    def _takes_part(self, name: str) -> bool:
        """Whether one of the cast is young; the child of someone grown is only beside."""
        person = self.minors.get(name)
        return person is not None and not (name == CAST and person.owned and self.years)

    def _is_of_couple(self) -> bool:
        """Two adults were spoken of together, and no minor since."""
        last = max((person.seen for person in self.minors.values()), default=-1000)
        return self.at - self.couple_at <= NEAR and self.couple_at >= last

    def _is_of_others(self, sentence: Sentence) -> bool:
        """The sentence tells of couples or of people who are known to be adults."""
        if any(_names(name, sentence.text) for name in self.grown):
            return True
        return bool({"pair", "adult", "couple"} & sentence.words) or bool(sentence.grown)

    def _elsewhere(self, sentence: Sentence) -> bool:
        """A named child is away or asleep while named adults are together."""
        if not self._is_of_others(sentence):
            return False
        if "absent" not in sentence.words and self.named(sentence.text.removesuffix(sentence.aside)):
            return False
        return not any(word in sentence.text for word in (" with her", " with him", "和她", "和他"))


def _names(name: str, text: str) -> bool:
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


def _is_self(sentence: Sentence) -> bool:
    return any(mark in sentence.text for mark in ("i am", "i'm", "我是", "我今年", "我才", "my character"))
