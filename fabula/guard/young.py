"""Who in a sentence is, or may be, under 18. Knows one sentence at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fabula.guard.ages import ADULT, LATER, Age, english_ages
from fabula.guard.ages_more import NUMBER_WORDS, more_ages
from fabula.guard.ages_zh import chinese_ages
from fabula.guard.ages_zh import later as chinese_later
from fabula.guard.categories import HEAT, YOUNG, bits
from fabula.guard.cues import SIGNS
from fabula.guard.forms import TELLING, pattern
from fabula.guard.lexicon import Hit, Phrase
from fabula.guard.numerals import CARDINALS, ORDINALS, TENS, chinese, english
from fabula.guard.past import is_age_then, is_no_longer, is_word_then, may_be_past
from fabula.guard.people import PRONOUNS

_NUMBERED = frozenset([*CARDINALS, *ORDINALS, *TENS, "dozen"]) - {"one", "two", "first", "second"}
_IN_ENGLISH = SIGNS.need(" ".join(["#", "*age*", *sorted(_NUMBERED)]))
_IN_MORE = SIGNS.need(" ".join(sorted(NUMBER_WORDS)))
_IN_CHINESE = SIGNS.need("# 岁 一 二 三 四 五 六 七 八 九 十")
NUMBERS = _IN_ENGLISH | _IN_MORE | _IN_CHINESE  # without one of these no age is told
_LATER = SIGNS.need("year years", "later* passed* on had afterwards*", "<N>")
_LATER_IN_CHINESE = SIGNS.need("年", "后 过", "<ZH>")
_MAY_BE_NOT_YET = SIGNS.need("in not no soon* almost* next 还 再 没 我 等 明")
_MAY_BE_ORDINAL = SIGNS.need(" ".join(["#", *ORDINALS]))


_ADULT, _COLLECTIVE, _ELDER, PASSES, _RECALL = map(bits, ("adult", "collective", "elder", "later", "recall"))
_MINOR3, _MINOR2, _MINOR1 = map(bits, ("minor3", "minor2", "minor1"))
_FIRM = TELLING & ~_MINOR1
_GRADE, _SCHOOL3, _SCHOOL2 = map(bits, ("grade", "school3", "school2"))


class Minor(NamedTuple):
    """Evidence that someone is under 18. Strength 3 stands against any claim, 2 yields to an adult age."""

    strength: int
    who: str
    years: int | None
    start: int
    end: int
    passing: bool = False  # two weak signs in one sentence: not remembered after it
    mere: bool = False  # children as such, of whom nothing is told: "the pupils noticed nothing"
    then: bool = False  # told as of the past: "when she was seven", "a cheerleader in high school"
    recounted: bool = False  # an age of long ago: "after it she told him of a pony, when she was seven"


def may_tell(phrases: list[Phrase], light: int) -> bool:
    """Whether what the lists find can mean someone young, or ask for an age: one weak sign alone cannot."""
    found, weak = light, 0
    for _, _, categories in phrases:
        found |= categories
        weak += categories & _MINOR1 != 0
    return bool(found & _FIRM or weak > 1 or (weak and found & _ELDER))


def ages_of(raw: str, text: str, signs: int, beside: Callable[[], int]) -> list[Age]:
    ages: list[Age] = []
    if signs & _IN_ENGLISH:
        ages = [_with_name(age, raw) for age in english_ages(text, signs, beside)]
    if signs & _IN_MORE:
        ages += [age for age in more_ages(text, signs) if not any(_overlap(age, other) for other in ages)]
    if signs & _IN_CHINESE and not text.isascii():
        ages += chinese_ages(text, signs, beside)
    return ages


def _overlap(one: Age, other: Age) -> bool:
    return one.start < other.end and other.start < one.end


def _with_name(age: Age, raw: str) -> Age:
    """A word before an age is a name when it is written with a capital, or where nothing is."""
    if not age.who or age.who in PRONOUNS or age.who.capitalize() in raw or raw.islower():
        return age
    return age._replace(who="")


def minors_of(text: str, hits: list[Hit], ages: list[Age], words: int) -> tuple[Minor, ...]:
    if not ages and not words & YOUNG:
        return ()
    adult = [age for age in ages if age.is_adult]
    found = [
        Minor(
            3,
            age.who,
            age.years,
            age.start,
            age.end,
            then=is_age_then(text, age.start, age.end) and may_be_past(text, words),
            recounted=_is_recounted(age, text, hits),
        )
        for age in ages
        if age.is_minor
        and not (is_no_longer(text, age.start, age.end) and may_be_past(text, words))
        and not _was(age, text, adult)
        and not (adult and _LONG_AGO.search(text[age.start :]))
        and not _tells_back(age, text, words)
    ]
    for hit in hits:
        if not hit.categories & YOUNG:
            continue
        if is_no_longer(text, hit.start, hit.end) and may_be_past(text, words):
            continue
        strength = _strength(text, hit, words)
        if strength == 3 or (strength == 2 and not _adult_near(text, hit, adult)):
            then = is_word_then(text, hit.start, hit.end, hit.categories) and may_be_past(text, words)
            mere = _is_mere(text, hit)
            found.append(Minor(strength, "", None, hit.start, hit.end, mere=mere, then=then))
    weak = [hit for hit in hits if hit.categories & _MINOR1]
    if weak and not found and not adult and not words & _ADULT:
        several = len({hit.phrase for hit in weak}) > 1 or words & _ELDER
        found += [Minor(2 if several else 1, "", None, hit.start, hit.end, True) for hit in weak]
    return tuple(found)


_LONG_AGO = pattern("young.long_ago")  # "lost her father at six", of someone grown
_NOW = pattern("young.now")


def _was(young: Age, text: str, adult: list[Age]) -> bool:
    """ "They met at 16; now, at 40, …": the same people, grown since."""
    return any(
        young.end <= age.start
        and (age.who == young.who or not age.who or age.who in PRONOUNS & {"they", "both", "他们", "两人"})
        and _NOW.search(text[young.end : age.end + 3])
        for age in adult
    )


_IN_SPEECH = pattern("young.in_speech")
_BACK_THEN = pattern("young.back_then")


def _tells_back(age: Age, text: str, words: int) -> bool:
    """ "I was sixteen when he died," said by someone who is so no longer; Chinese has no past tense."""
    said = _IN_SPEECH.search(text[: age.start]) and _BACK_THEN.search(text[age.end :])
    return bool(said) and not words & HEAT


_RECOUNTS = pattern("young.recounts")
_LATELY = pattern("young.lately")


def _is_recounted(age: Age, text: str, hits: list[Hit]) -> bool:
    """ "She told him of the pony she had when she was seven": what is told is long ago, and not sexual."""
    told = _RECOUNTS.search(text, 0, age.start)
    if told is None or not (told["when"] or _BACK_THEN.search(text[age.end :])):
        return False
    if _LATELY.search(text, told.start()):
        return False
    return not any(hit.categories & HEAT and hit.end > told.start() for hit in hits)


_AT_SCHOOL = pattern("young.at_school")
_WORKS_AT = pattern("young.works_at")
_TEACHES = pattern("young.teaches")
LONGEST_AT_SCHOOL = 48  # characters
_PUPIL = pattern("young.pupil")
_MINOR_NOUN = pattern("young.minor_noun")


def _strength(text: str, hit: Hit, words: int) -> int:
    """How surely a phrase means someone under 18."""
    if hit.categories & _MINOR3:
        return 0 if hit.phrase == "minor" and _MINOR_NOUN.match(text[hit.end :]) else 3
    if hit.categories & _MINOR2:
        return 2
    before, after = text[: hit.start], text[hit.end :]
    if hit.categories & _GRADE:
        return 0 if words & _RECALL or _WORKS_AT.search(before) or _TEACHES.match(after) else 3
    school = 3 if hit.categories & _SCHOOL3 else 2 if hit.categories & _SCHOOL2 else 0
    if school and _PUPIL.match(after):
        return school
    if not school or words & _RECALL or _TEACHES.match(after):
        return 0
    at_school = _AT_SCHOOL.search(text, max(0, hit.start - LONGEST_AT_SCHOOL), hit.start)
    return school if at_school and not _WORKS_AT.search(before) else 0


_PREDICATIVE = pattern("young.predicative")
_PLURAL = ("s", "children", "们")


def _is_mere(text: str, hit: Hit) -> bool:
    """Children as such: many, or any; not "she was a child", nor "the child" of whom the story goes on."""
    if hit.phrase.endswith(_PLURAL) or text.startswith(("'s ", "们"), hit.end):
        return True
    return hit.categories & _COLLECTIVE != 0 and not _PREDICATIVE.search(text[: hit.start])


_WITH = pattern("young.with")


def _adult_near(text: str, hit: Hit, adult: list[Age]) -> bool:
    """An adult age that is told of the same person: close by, and no other person comes in between."""
    for age in adult:
        between = text[hit.end : age.start] if hit.end <= age.start else text[age.end : hit.start]
        if len(between) <= 25 and not _WITH.search(between):
            return True
    return False


def may_pass_years(signs: int) -> bool:
    return signs & _LATER == _LATER or signs & _LATER_IN_CHINESE == _LATER_IN_CHINESE


def years_passed(text: str, words: int, signs: int) -> int | None:
    if signs & _LATER == _LATER and (match := LATER.search(text)):
        return english(match["n"])
    told = signs & _LATER_IN_CHINESE == _LATER_IN_CHINESE
    if told and (years := chinese_later(text)) is not None:
        return years
    return ADULT if words & PASSES else None


_YOUNGER = pattern("young.younger")
_ANSWER = pattern("young.answer")
_ORDINAL_ONLY = pattern("young.ordinal_only")
_NOT_YET = pattern("young.not_yet")
LONGEST_ANSWER = 40  # characters
UNLICENSED = 16  # what a "not yet" about driving or papers is taken for


def younger_by(text: str) -> int | None:
    """ "subtract fifteen from her age" → 15."""
    if not (match := _YOUNGER.search(text)):
        return None
    return english(match["n"] or match["n2"] or "") or chinese(match["n3"] or match["n4"] or "零")


def answer_in(text: str, signs: int) -> int | None:
    """A sentence that is a number, or "not yet": an age, if the one before asked for it."""
    if signs & SIGNS.numbers and len(text) <= LONGEST_ANSWER and (match := _ANSWER.match(text)):
        return english(match["n"]) or chinese(match["n"])
    if signs & _MAY_BE_NOT_YET and _NOT_YET.match(text):
        return -UNLICENSED
    return -UNLICENSED if signs & _MAY_BE_ORDINAL and _ORDINAL_ONLY.match(text) else None
