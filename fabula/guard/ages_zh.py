"""Ages that a sentence states, in Chinese (Simplified, as `normalise` leaves it). Knows no scene."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fabula.guard.ages import OF_A_THING, Age
from fabula.guard.lexicon import phrases
from fabula.guard.normalise import HAN
from fabula.guard.numerals import CHINESE, chinese

N = CHINESE
_STATED = re.compile(
    rf"(?P<below>未满|不满|不到|未及|将近|快)?(?:虚|满|年满)?(?<![\d.{'零一二三四五六七八九十百千'}])(?P<n>{N})(?P<many>多|来|几)?(?:周)?岁"
    r"(?P<after>以上|以下|生日)?(?:的(?P<noun>..?))?(?![月末数])"
)
_BARE = re.compile(
    rf"(?:年仅|年方|芳龄|今年(?:才|只有)?|才|只有|年龄[::]?(?:是|为)?)(?P<n>{N})(?=[,,。.!!?;;\n)]|$)"
)
_BRACKET = re.compile(rf"(?P<who>[{HAN}]{{2,4}})\((?P<n>\d{{1,2}})\)")
_LATIN = re.compile(r"(?<![\w.])(?P<n>\d{1,2})(?:f|m|yo)(?!\w)", re.ASCII)
_SHORT = re.compile(
    rf"离(?P<n>{N})岁还?差(?P<less>{N})年|再过(?P<less2>{N})年[^,。]{{0,3}}才?满?(?P<n2>{N})岁|还?差[^,。]{{1,4}}[月天周][^,。]{{0,3}}才?满?(?P<n3>{N})岁"
)
_YOUNGER = re.compile(rf"比(?P<n>{N})岁[^,。]{{0,8}}小(?P<less>{N})岁")
_HALF = re.compile(r"(?:年纪|年龄|岁数)[^,。]{0,4}(?:是|只有)?(?:他|她|对方)的?一半")
_BORN = re.compile(r"(?:(?P<who>[^,。\s]{2,3}))?(?P<n>(?:19|20)\d\d)年(?:出生|生)")
_YEAR = re.compile(r"(?:现在|今年|发生在|时值|如今)是?(?P<n>(?:19|20)\d\d)年")
_LATER = re.compile(rf"(?P<n>{N})年(?:之?后|过去)")
_GAP = re.compile(r"[ ,、:(]+$")
_NAME = re.compile(rf"[{HAN}·]+$")
_TRIM = re.compile(
    r"(?:今年|现年|明明|已经|其实|实际|才|只有|刚刚|刚满|刚过完|刚|年仅|如今|现在|当时|都|是个|是一个|是|了|有|的|也|还|将|就|虽然|满|一个|那年|夏天|生日|我家)+$"
)
_PRONOUNS = re.compile(r"(?:两人|他们|她们|我们|咱们|我|你|您|他|她|它|谁|这|那|某)")
_LEAD = re.compile(
    r"^.*(?:的|是|叫|和|与|跟|写|那|这|个|名|位|对)(?=.{2})|^(?:学生|主角|角色|女孩|男孩|少女|少年|公主|王子|小孩)(?=.{2})"
)
_FORBIDS = re.compile(r"禁止|请勿|不得|不宜|严禁|勿入|须满|必须")
_DIFFERENCE = re.compile(r"比[^,。]{1,5}[大小]$|相?差$")


def chinese_ages(text: str) -> Iterator[Age]:
    reckoned = list(_reckoned(text))
    yield from reckoned
    for match in _STATED.finditer(text):
        if any(age.start <= match.start() < age.end for age in reckoned):
            continue
        years = chinese(match["n"]) - bool(match["below"])
        if _DIFFERENCE.search(text[: match.start()]) or (match["below"] and _FORBIDS.search(text)):
            continue  # how far apart two people are, or a notice: not a person
        if match["many"] and years < 20:
            years = 15  # "十几岁", "十多岁": somewhere in the teens
        if _is_object(text, match):
            yield Age(OF_A_THING, "", *match.span())
        else:
            yield Age(years, _who(text[: match.start()]), *match.span())
    for pattern in (_BARE, _BRACKET, _LATIN):
        for match in pattern.finditer(text):
            who = match.groupdict().get("who") or _who(text[: match.start()])
            yield Age(chinese(match["n"]), who, *match.span())


def later(text: str) -> int | None:
    """ "二十年后" → 20."""
    match = _LATER.search(text)
    return chinese(match["n"]) if match else None


def _is_object(text: str, match: re.Match[str]) -> bool:
    noun = match["noun"] or ""
    before = text[max(0, match.start() - 4) : match.start()]
    objects = phrases("object")
    return any(noun.startswith(word) for word in objects if not word[0].isascii()) or any(
        before.endswith(word) for word in objects if not word[0].isascii()
    )


def _who(before: str) -> str:
    """The name or pronoun that stands right before an age."""
    match = _NAME.search(_TRIM.sub("", _GAP.sub("", before)))
    run = _LEAD.sub("", match[0]) if match else ""
    if pronoun := _PRONOUNS.match(run):
        return pronoun[0]
    return run if 2 <= len(run) <= 4 else ""


def _reckoned(text: str) -> Iterator[Age]:
    """Ages that must be worked out from two numbers of one passage."""
    for match in _SHORT.finditer(text):
        full = match["n"] or match["n2"] or match["n3"]
        less = match["less"] or match["less2"]
        years = chinese(full) - (chinese(less) if less else 1)
        yield Age(years, _who(text[: match.start()]), *match.span())
    for match in _YOUNGER.finditer(text):
        years = chinese(match["n"]) - chinese(match["less"])
        yield Age(years, _who(text[: match.start()]), *match.span())
    if (half := _HALF.search(text)) and (other := re.search(rf"(?P<n>{N})岁", text)):
        yield Age(chinese(other["n"]) // 2, "", *half.span())
    if (born := _BORN.search(text)) and (year := _YEAR.search(text)):
        yield Age(int(year["n"]) - int(born["n"]), born["who"] or "", *born.span())
