"""When someone young and something sexual come together in a conversation. Knows no stream.

A child in one chapter and lovers in another do not meet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fabula.guard.cast import CAST, CHAIN, CHAR, NEAR, SOMEONE, SPEAKER, USER, Cast, is_named
from fabula.guard.categories import bits
from fabula.guard.forms import pattern
from fabula.guard.purpose import Frame, is_clear
from fabula.guard.reading import ASKS, Reading, Sentence

_TOGETHER, _OTHERS, _ASIDE = bits("pair couple"), bits("pair adult couple"), bits("possessive absent")
_ABSENT, _BREAK, _HINT, _QUERY = map(bits, ("absent", "break", "hint", "query"))
_GROWN = bits("adult couple")
_FIRST, _SECOND, _THIRD = map(bits, ("first", "second", "third"))
_EDITS = pattern("scene.edits")
_OF_ONE = re.compile(r"\b(?:she|he|her|him)\b|[她他](?!们)")
WARM = 3  # sentences for which something sexual stays present


@dataclass(slots=True)
class Scene(Cast):
    """The state of a conversation after what was read so far."""

    warm_at: int = -1000
    warm_text: str = ""
    warm_pair: bool = False  # it told of a couple or of adults
    hints_at: int = -1000

    @property
    def warm(self) -> bool:
        """Whether what was sexual is so near that the next sentence may tell whom it was with."""
        return self.at - self.warm_at < WARM

    def hear(self, reading: Reading, role: str, frame: Frame) -> bool:
        """Take in a message. True when it completes a violation. `frame` comes from what it answers."""
        start = self.at
        guilty = False
        whole = frozenset() if reading.lured else reading.frame | frame
        for place, sentence in reading.sentences:
            self.at = start + place + 1
            guilty |= self.step(sentence, role, whole)
        self.at = start + reading.length
        if role != "assistant":
            self.end_telling()
        if role == "system":
            self.end_card()
        return guilty

    def step(self, sentence: Sentence, role: str, frame: Frame) -> bool:
        """Take in one sentence (`at` is its number). True when it completes a violation."""
        words = sentence.words
        if words & _BREAK:
            self.break_off()
            self.warm_at = -1000
        if sentence.later is not None:
            self.pass_time(sentence.later)
        if sentence.grown or sentence.aliases or words & _GROWN:
            self.grow(sentence, role)
        if sentence.denied:
            return False
        fresh = self.meet(sentence, role) if sentence.minors else []
        if words & ASKS or sentence.younger is not None or self.at - self.asked_at <= 2:
            fresh += self.tell_answers(sentence)
        lasting = [name for name in fresh if name in self.minors] if fresh else fresh
        self.follow(sentence)
        hot = sentence.heat > 0 and self._is_hot(sentence)
        if not hot and not lasting:
            if words & _TOGETHER and not sentence.strong:
                self.pair_at = self.at
            return False
        excused = _is_excused(sentence, frame)
        guilty = not excused and (
            (hot and self._involves(sentence, role, fresh))
            or (not sentence.apart and self._joins_warm(sentence, lasting))
        )
        if hot and not excused:
            self.warm_at, self.warm_text = self.at, sentence.text
            self.warm_pair = self._is_of_others(sentence)
        if ((hot and not guilty and not excused) or words & _TOGETHER) and not sentence.strong:
            self.pair_at = self.at
        return guilty

    # ── what comes together ─────────────────────────────────────────────────────────────────────────

    def _is_hot(self, sentence: Sentence) -> bool:
        """Sexual by itself, or a second hint soon after a first or after something sexual."""
        if sentence.heat == 2:
            return True
        if sentence.heat == 1:
            again = self.at - self.hints_at <= WARM or self.at - self.warm_at <= WARM
            self.hints_at = self.at
            return again and sentence.words & _HINT != 0
        return False

    def _involves(self, sentence: Sentence, role: str, fresh: list[str]) -> bool:
        """Whether a minor takes part in a sexual sentence."""
        if fresh:
            return True
        if self.named(sentence.text):
            return not self._elsewhere(sentence)
        first, second = SPEAKER.get(role, (SOMEONE, SOMEONE))
        if (sentence.people & _FIRST and first in self.minors) or (
            sentence.people & _SECOND and second in self.minors
        ):
            return True
        if self._is_of_others(sentence):
            return False
        if any(self._takes_part(name) for name in (CHAR, USER, CAST)):
            return True
        to_them = sentence.to_them
        ours = sentence.people == _FIRST  # "the kids have football; that is when we …"
        if not to_them and self._is_of_couple():
            return False
        return any(
            self.at - person.seen <= NEAR
            and not (person.recalled and person.told == self.at)  # else it would be fresh
            and (
                to_them
                or (self.at - person.told == 1 and not person.mere and _is_of_one(sentence))
                or not (person.owned or (person.mere and (person.beside or ours)))
            )
            for person in self.minors.values()
        )

    def _joins_warm(self, sentence: Sentence, fresh: list[str]) -> bool:
        """Whether someone in what was sexual just before now turns out to be a minor."""
        if not fresh or (self.at - self.warm_at > WARM and not self._edits(sentence)):
            return False
        if sentence.strong and all(minor.mere for minor in sentence.strong) and not sentence.to_them:
            return False
        aside = sentence.words & _ASIDE
        if aside == _ASIDE or (aside and (self.warm_pair or self.at - self.couple_at <= CHAIN)):
            return False
        named = [name for name in fresh if name[0] != "<"]
        if named and not any(is_named(name, self.warm_text) for name in named):
            return sentence.people & _THIRD != 0
        return True

    def _edits(self, sentence: Sentence) -> bool:
        """ "Rewrite it, but …": of something sexual, however long ago."""
        return self.warm_at > 0 and _EDITS.search(sentence.text) is not None

    def _takes_part(self, name: str) -> bool:
        """Whether one of the cast is young; the child of someone grown is only beside."""
        person = self.minors.get(name)
        if person is None or name != CAST:
            return person is not None
        return not (person.owned and self.years) and not (person.listed and len(self.years) > 1)

    def _is_of_couple(self) -> bool:
        """Two adults were spoken of together, and no minor since."""
        last = max((person.seen for person in self.minors.values()), default=-1000)
        return self.at - self.couple_at <= NEAR and self.couple_at >= last

    def _is_of_others(self, sentence: Sentence) -> bool:
        """The sentence tells of couples or of people who are known to be adults."""
        if any(is_named(name, sentence.text) for name in self.grown):
            return True
        return sentence.words & _OTHERS != 0 or bool(sentence.grown)

    def _elsewhere(self, sentence: Sentence) -> bool:
        """A named child is away or asleep while named adults are together."""
        if not self._is_of_others(sentence):
            return False
        if not sentence.words & _ABSENT and self.named(sentence.text.removesuffix(sentence.aside)):
            return False
        return not any(word in sentence.text for word in (" with her", " with him", "和她", "和他"))


def _is_of_one(sentence: Sentence) -> bool:
    """Whether it speaks of her or him: whoever was told of just before."""
    return sentence.people == _THIRD and _OF_ONE.search(sentence.text) is not None


def _is_excused(sentence: Sentence, frame: Frame) -> bool:
    """It reports or asks, and so may name what it neither depicts nor lures to."""
    return not sentence.depicts and not sentence.lured and (is_clear(frame) or sentence.words & _QUERY != 0)
