"""Who is who in a conversation, and when a minor and something sexual come together. Knows no stream.

Binding is by sentence, name, pronoun and nearness: a child in one chapter and lovers in another do not meet.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field

from fabula.guard.ages import ADULT
from fabula.guard.people import FIRST, NOUNS, SECOND, THIRD
from fabula.guard.purpose import TO_THEM, Frame, is_clear
from fabula.guard.reading import Reading, Sentence
from fabula.guard.young import Minor

NEAR = 4  # sentences over which a pronoun or an ellipsis may reach back
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
    hints_at: int = -1000

    def copy(self) -> Scene:
        twin = copy.copy(self)
        twin.minors = {name: copy.copy(person) for name, person in self.minors.items()}
        twin.grown = set(self.grown)
        return twin

    @property
    def live(self) -> bool:
        """Whether the next sentence could complete a violation together with what was said."""
        return self.at - self.warm_at < WARM or any(
            name in (CHAR, USER, CAST) or self.at - person.seen < NEAR for name, person in self.minors.items()
        )

    def named(self, text: str) -> bool:
        """Whether a minor who was named before is named here."""
        return any(_names(name, text) for name in self.minors)

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
        fresh = self._meet(sentence, role)
        lasting = [name for name in fresh if name in self.minors]
        excused = not sentence.depicts and not sentence.lured and is_clear(frame)
        hot = self._is_hot(sentence)
        guilty = not excused and (
            (hot and self._involves(sentence, role, fresh))
            or (not sentence.apart and self._joins_warm(sentence, lasting))
        )
        if hot and not excused:
            self.warm_at, self.warm_text = self.at, sentence.text
            self.warm_pair = self._is_of_others(sentence)
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
            elif who in ("both", "all", "两人") or (
                {"now", "later"} & sentence.words and not sentence.strong
            ):
                for near in [near for near, person in self.minors.items() if near not in (CHAR, USER, CAST)]:
                    del self.minors[near]

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
            if not minor.passing:
                owned = bool({"possessive", "absent"} & sentence.words) and name[0] == "<"
                self.minors[name] = Person(minor.years, self.at, role == "system", owned)
        return fresh

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
        if any(name in self.minors for name in (CHAR, USER, CAST)):
            return True
        to_them = TO_THEM.search(sentence.text)
        return any(
            self.at - person.seen <= NEAR and (not person.owned or to_them) for person in self.minors.values()
        )

    def _joins_warm(self, sentence: Sentence, fresh: list[str]) -> bool:
        """Whether someone in what was sexual just before now turns out to be a minor."""
        if not fresh or self.at - self.warm_at > WARM:
            return False
        aside = {"possessive", "absent"} & sentence.words
        if len(aside) == 2 or (aside and self.warm_pair):
            return False
        named = [name for name in fresh if name[0] != "<"]
        if named and not any(_names(name, self.warm_text) for name in named):
            return "third" in sentence.people
        return True

    def _is_of_others(self, sentence: Sentence) -> bool:
        """The sentence tells of couples or of people who are known to be adults."""
        if any(_names(name, sentence.text) for name in self.grown):
            return True
        return bool({"pair", "adult"} & sentence.words) or bool(sentence.grown)

    def _elsewhere(self, sentence: Sentence) -> bool:
        """A named child is away or asleep while named adults are together."""
        if "absent" not in sentence.words or not self._is_of_others(sentence):
            return False
        return not any(word in sentence.text for word in (" with her", " with him", "和她", "和他"))


def _names(name: str, text: str) -> bool:
    """Whether a name occurs: as a word, or anywhere in Chinese, where words are not set apart."""
    if name[0] == "<" or name not in text:
        return False
    return not name.isascii() or re.search(rf"\b{re.escape(name)}\b", text) is not None


def _is_self(sentence: Sentence) -> bool:
    return any(mark in sentence.text for mark in ("i am", "i'm", "我是", "我今年", "我才", "my character"))
