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
from fabula.guard.past import is_of_one
from fabula.guard.people import CALLED, FIRST, NOUNS, PARENTS, PRONOUNS, SECOND, THIRD
from fabula.guard.reading import ASKS, Sentence
from fabula.guard.young import Minor

_LATER, _OWNED, _POSSESSIVE = map(bits, ("now later", "possessive absent", "possessive"))
_ADULT, _COUPLE, _MEMORY, _RECKONED = map(bits, ("adult", "couple", "memory", "reckoned"))
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
    then: bool = False  # told as of the past: gone as soon as they are known to be grown
    central: bool = False  # not told of in passing, as of the past or as children as such
    listed: bool = False  # one of those it is all about (in a sheet: "Age: 15"), unless two adults are

    @property
    def leads(self) -> bool:
        """Whether they may be whom it is all about: nobody's child or sibling."""
        return self.central and _kin_in(self.text) < 0

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
    _once: Person | None = None  # who was young once, and is grown
    _passed_at: int = -1000  # where years passed in the story
    _grown_at: int = -1000  # where an adult age was last told
    _named: tuple[int, str] = (-1000, "")  # where a sentence with one name was last, and the name
    _unnamed: list[tuple[int, Sentence]] = field(default_factory=list)  # later ones, not yet asked for names

    def end_telling(self) -> None:
        """After what a user or a system prompt says: whoever was told of as they once were is grown."""
        someone = self.minors.get(SOMEONE)
        if someone is not None and someone.then and someone.recalled:
            self._once = self.minors.pop(SOMEONE)

    def go_back(self, sentence: Sentence) -> None:
        """To when somebody was young of whom that was told."""
        if self._once is not None and SOMEONE not in self.minors and _GOES_BACK.search(sentence.text):
            self.minors[SOMEONE] = Person(self._once.years, self.at, told=self.at, text=self._once.text)

    def end_card(self) -> None:
        """After a system prompt: who is young in it, and nobody's child, is one of those it is all about,
        unless two adults are."""
        if SOMEONE in self.minors:
            self.minors[SOMEONE].told = -1000  # a pronoun of what follows means somebody else
        young = [person for name, person in self.minors.items() if person.leads and name[0] != "<"]
        if young and CAST not in self.minors:
            self.minors[CAST] = Person(young[0].years, self.at, True, told=self.at, listed=True)

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
        self._passed_at = self.at
        for name, person in list(self.minors.items()):
            if person.fixed:
                continue
            person.years = (person.years if person.years is not None else 8) + years
            if person.years >= ADULT:
                del self.minors[name]

    def grow(self, sentence: Sentence, role: str) -> None:
        """Whom the model plays, and people whose adult age is told: young before, they are so no longer."""
        if sentence.aliases and not self.alias and (role == "system" or _casts(sentence, role)):
            self.alias = sentence.aliases[0]
        for who in sentence.grown:
            name = self._name(who, role, sentence)
            heads = self._heads_sheet(sentence) if not who and _IN_A_SHEET.search(sentence.text) else []
            if not who and name == CHAR and self._is_young(CHAR):
                continue  # somebody else in the card of somebody young
            if name[0] != "<" or name in (CHAR, USER):
                heads += [name, self.alias] if name == CHAR and self.alias else [name]
            self.grown.update(heads)
            for head in heads:
                self._forget_youth(head)
            if not heads:
                self._outgrow(who in ("both", "all", "两人"), sentence)
        if sentence.years:
            self._grown_at = self.at
        self.years.update(sentence.years)
        told = len(sentence.years) > 1 or (sentence.words & _ADULT and _is_of_several(sentence.text))
        if sentence.words & _COUPLE or (told and not sentence.strong):
            self.couple_at = self.at

    def _is_young(self, name: str) -> bool:
        return name in self.minors and not self.minors[name].then

    def _forget_youth(self, name: str) -> None:
        """Of one who grew, also as they were told of without the name."""
        young = self.minors.pop(name, None)
        for other in (CAST, SOMEONE):
            same = self.minors.get(other)
            if same is None:
                continue
            at_once = young is not None and same.told == young.told
            of_it = same.then and (name == CHAR or is_named(name, same.text))
            if at_once or of_it or (young is not None and other == CAST and same.listed):
                del self.minors[other]

    def _has_grown(self, minor: Minor, name: str, sentence: Sentence) -> bool:
        """Whether the last whose age was told is an adult, and nobody else is spoken of here."""
        last = max((person.told for person in self.minors.values() if person.leads), default=-1000)
        if self._grown_at <= last:
            return False
        if minor.who in FIRST | SECOND or name == USER:
            if name not in self.grown:
                return False
        elif minor.who and minor.who not in PRONOUNS | self.grown | PARENTS:
            return False
        others = [name for name in sentence.names if name not in self.grown]
        return is_of_one(sentence.text, minor.start, minor.end, others)

    def _outgrow(self, everyone: bool, sentence: Sentence) -> None:
        """An adult age told of nobody by name: of those who were spoken of as they once were."""
        all_of_them = everyone and self.at - self._passed_at <= NEAR
        now = everyone or (sentence.words & _LATER and not sentence.strong)
        for name, person in list(self.minors.items()):
            told = person.then or person.listed or name not in (CHAR, USER, CAST)
            if all_of_them or (told and (now or person.recalled or person.then)):
                del self.minors[name]

    def meet(self, sentence: Sentence, role: str) -> list[str]:
        """The minors whom the sentence introduces, kept by name."""
        if sentence.apart or not sentence.minors:
            return []
        fresh: list[str] = []
        for minor in sentence.strong:
            if self._outgrown(minor, sentence):
                continue
            name = self._name(minor.who, role, sentence)
            aside = self._is_aside(minor, name, sentence)
            name = SOMEONE if aside else name
            if minor.then and self._has_grown(minor, name, sentence):
                once = Person(
                    minor.years, self.at, told=self.at, text=sentence.text, recalled=True, then=True
                )
                self.minors.setdefault(SOMEONE, once)
                continue
            if not minor.recounted:
                fresh.append(name)
            self._remember(minor, name, sentence, role, aside)
        return fresh

    def _is_aside(self, minor: Minor, name: str, sentence: Sentence) -> bool:
        """In a card: a child whom somebody has or looks after, or children as such beside somebody grown."""
        played = name == CHAR and CHAR in self.grown and (not minor.who or minor.who in NOUNS)
        if not (name == CAST or played) or (not minor.mere and _IS_LABELLED.match(sentence.text)):
            return False
        if sentence.words & _POSSESSIVE or _OF_OTHERS.search(sentence.text, 0, minor.start):
            return True
        as_such = minor.mere and not _PREDICATIVE.search(sentence.text, 0, minor.start)
        near = _IS_CHILD.search(sentence.text, 0, minor.start) is not None
        return bool(self.years) and (as_such or near or _kin_in(sentence.text) >= 0)

    def _remember(self, minor: Minor, name: str, sentence: Sentence, role: str, aside: bool) -> None:
        in_a_card = name in (CAST, CHAR) and not (minor.then or minor.passing)
        if (name == SOMEONE or in_a_card) and not (minor.mere or aside):
            bearer = self._bearer(minor, sentence)
            if bearer and not (in_a_card and bearer in self.grown):
                self.minors[bearer] = Person(minor.years, self.at, in_a_card, told=self.at)
        if minor.passing:
            return
        recalled = minor.recounted or sentence.words & _MEMORY != 0
        self.minors[name] = Person(
            minor.years,
            self.at,
            role == "system",
            sentence.words & _OWNED != 0 and name[0] == "<" and not aside,
            self.at,
            sentence.text,
            recalled,
            minor.mere,
            beside=self.at - self.pair_at <= CHAIN,
            then=minor.then,
            central=not (minor.mere or recalled or minor.then or aside),
        )
        if role != "system" and _IN_A_SHEET.search(sentence.text):
            for of in (CAST, *self._heads_sheet(sentence)):
                self.minors[of] = Person(minor.years, self.at, told=self.at, listed=True)

    def follow(self, sentence: Sentence) -> None:
        """Who stays in view: a minor who is named again, or whom a pronoun still means."""
        self.go_back(sentence)
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
            named = sentence.names or sentence.aliases
            if len(named) == 1:
                self._named = at, named[0]
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
        if sentence.names:
            return _bearer_in(sentence, minor)
        if not (minor.who in THIRD or sentence.words & _RECKONED):
            return ""
        at, name = self._last_named()
        return name if self.at - at <= 2 else ""

    def _heads_sheet(self, sentence: Sentence) -> list[str]:
        """The name beside an age, or in the line before: "Name: Sam"."""
        if named := sentence.names or sentence.aliases:
            return [named[0]]
        at, name = self._last_named()
        return [name] if name and self.at - at <= 2 else []

    def _outgrown(self, minor: Minor, sentence: Sentence) -> bool:
        """ "We were ten; twenty years later …" in one sentence."""
        return sentence.later is not None and (minor.years or 8) + sentence.later >= ADULT

    def _name(self, who: str, role: str, sentence: Sentence) -> str:
        first, second = SPEAKER.get(role, (SOMEONE, SOMEONE))
        if _is_of_the_user(sentence, role):
            return USER
        if who in FIRST:
            return first
        if who in SECOND:
            return second
        if who == "char" or (who and who == self.alias and role != "assistant"):
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
        if who not in THIRD and sentence.aliases and _casts(sentence, role):
            return CHAR
        return SOMEONE


_IN_A_SHEET = pattern("cast.in_a_sheet")
_KIN = pattern("cast.kin")
_OF_SOMEBODY = pattern("cast.of_somebody")
REACH = 64  # characters before a child, a brother, … that may tell whose
_IS_LABELLED = pattern("cast.is_labelled")
_OF_THE_USER = pattern("cast.of_the_user")
_NAMES_ITSELF = pattern("cast.names_itself")
_GOES_BACK = pattern("cast.goes_back")
_IS_CHILD = pattern("cast.is_child")
_OF_OTHERS = pattern("cast.of_others")
_PREDICATIVE = pattern("young.predicative")
_CALLED = re.compile(r"^(?:[ ,]|named |called |叫|名叫)+")
_IS_ONE = pattern("cast.is_one")


def _kin_in(text: str) -> int:
    """Where somebody's child, brother or sister ends ("her little brother"), or -1."""
    for kin in _KIN.finditer(text):
        if kin["always"] or _OF_SOMEBODY.search(text, max(0, kin.start() - REACH), kin.start()):
            return kin.end()
    return -1


def _bearer_in(sentence: Sentence, minor: Minor) -> str:
    """Who of those whom it names is the one it tells of; not who has, teaches or meets them."""
    text, names = sentence.text, sentence.names
    if _OF_OTHERS.search(text, 0, minor.start):
        return ""
    if (end := _kin_in(text)) >= 0:
        called = _CALLED.sub("", text[end:])
        if told := [name for name in names if called.startswith(name)]:
            return told[0]
        if sentence.grown or sentence.words & _OWNED or not _IS_ONE.match(text):
            return ""
    # The subject: "Sam is in tenth grade at Hill High School".
    return names[0] if len(names) == 1 or is_named(names[0], text.split(" ", 1)[0]) else ""


def introduces(sentence: Sentence) -> bool:
    """Whether a sentence of a story surely tells of someone young without a name."""
    if sentence.apart or sentence.denied or sentence.later is not None or sentence.words & _MEMORY:
        return False
    return any(
        not (minor.passing or minor.recounted or minor.then)
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


def _casts(sentence: Sentence, role: str) -> bool:
    """ "You are Sam, …", said by the user."""
    return role == "user" and sentence.words & _SECOND != 0 and not sentence.words & _FIRST


def _is_of_the_user(sentence: Sentence, role: str) -> bool:
    """A line of a card about the user, or "my name is Sam, …"."""
    if role == "assistant":
        return False
    itself = role == "user" and sentence.words & _FIRST and _NAMES_ITSELF.search(sentence.text)
    return bool(itself) or _OF_THE_USER.match(sentence.text) is not None


def _is_self(sentence: Sentence) -> bool:
    return any(mark in sentence.text for mark in _OF_ONESELF)


_OF_ONESELF = ("i am", "i'm", "我是", "我今年", "我才", "我国", "我初", "我高", "my character")
