"""Numbers as people write ages: digits, English words, Chinese numerals. Knows no sentence."""

from __future__ import annotations

import functools

_ONES = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
_HAN = "零一二三四五六七八九"

CARDINALS = {word: value for value, word in enumerate(_ONES.split(), 1)}
TENS = {word: value * 10 for value, word in enumerate(_TENS.split(), 2)}
ORDINALS = {word: value for value, word in enumerate(_ORDINALS.split(), 1)}

ENGLISH = (
    rf"(?:\d{{1,4}}|(?:{'|'.join(TENS)})(?:[ -]?(?:{'|'.join(_ONES.split()[:9])})\b)?"
    rf"|(?:{'|'.join(sorted(CARDINALS, key=len, reverse=True))})\b)"
)
ORDINAL = rf"(?:\d{{1,3}}(?:st|nd|rd|th)|{'|'.join(sorted(ORDINALS, key=len, reverse=True))})"
ROMAN = {"i": 1, "v": 5, "x": 10}
PINYIN = {"yi": 1, "er": 2, "san": 3, "si": 4, "wu": 5, "liu": 6, "qi": 7, "ba": 8, "jiu": 9}
SPELLED = rf"(?:shi(?:{'|'.join(PINYIN)})?|{'|'.join(PINYIN)})"  # Chinese numerals in Latin letters
NUMERALS = "零一二两三四五六七八九十廿百千"
CHINESE = rf"(?:\d{{1,4}}|[{NUMERALS}]{{1,6}})"

MOST_KNOWN = 1 << 12  # numbers, of which a story has few
_SIGNS = {"plus": "+", "minus": "-", "times": "*", "x": "*", "×": "*", "divided by": "/"}


@functools.lru_cache(maxsize=MOST_KNOWN)
def english(text: str) -> int:
    """ "15", "fifteen", "twenty-one" → the number."""
    if text.isdigit():
        return int(text)
    return sum(TENS.get(word) or CARDINALS.get(word, 0) for word in text.replace("-", " ").split())


def ordinal(text: str) -> int:
    return ORDINALS.get(text) or int(text.rstrip("stndrh"))


@functools.lru_cache(maxsize=MOST_KNOWN)
def chinese(text: str) -> int:
    """ "15", "十五", "二十一", "一百零三", "一五" → the number."""
    if text.isdigit():
        return int(text)
    text = _lower_of_two(text)
    if not any(char in "十百千廿" for char in text):
        return int("".join(str(_digit(char)) for char in text))
    total, digit = 0, 0
    for char in text:
        unit = {"十": 10, "百": 100, "千": 1000, "廿": 20}.get(char)
        if char == "廿":
            total += 20
        elif unit:
            total, digit = total + max(digit, 1) * unit, 0
        else:
            digit = _digit(char)
    return total + digit


def _lower_of_two(text: str) -> str:
    """ "十三四" (thirteen or fourteen) → "十三", "八九" → "八"."""
    if len(text) > 1 and text[-1] in _HAN and text[-2] in _HAN and _digit(text[-1]) == _digit(text[-2]) + 1:
        return text[:-1]
    return text


def spelled(text: str) -> int:
    """ "shisan" → 13."""
    rest = text.removeprefix("shi")
    return (10 if rest != text else 0) + PINYIN.get(rest, 0)


def roman(text: str) -> int:
    values = [ROMAN[letter] for letter in text]
    return sum(-value if value < max(values[place:]) else value for place, value in enumerate(values))


def reckon(first: int, sign: str, second: int) -> int:
    """ "6 squared", "20 + 15", "4 × 9"."""
    results = {
        "+": first + second,
        "-": first - second,
        "*": first * second,
        "/": first // second if second else first,
        "squared": first * first,
        "doubled": first * 2,
        "twice": first * 2,
        "tripled": first * 3,
        "halved": first // 2,
    }
    return results[_SIGNS.get(sign, sign)]


def _digit(char: str) -> int:
    return 2 if char == "两" else _HAN.index(char)
