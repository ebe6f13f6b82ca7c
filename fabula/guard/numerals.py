"""Numbers as people write ages: digits, English words, Chinese numerals. Knows no sentence."""

from __future__ import annotations

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
CHINESE = r"(?:\d{1,4}|[零一二两三四五六七八九十廿百千]{1,6})"


def english(text: str) -> int:
    """ "15", "fifteen", "twenty-one" → the number."""
    if text.isdigit():
        return int(text)
    return sum(TENS.get(word) or CARDINALS.get(word, 0) for word in text.replace("-", " ").split())


def ordinal(text: str) -> int:
    return ORDINALS.get(text) or int(text.rstrip("stndrh"))


def chinese(text: str) -> int:
    """ "15", "十五", "二十一", "一百零三", "一五" → the number."""
    if text.isdigit():
        return int(text)
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


def _digit(char: str) -> int:
    return 2 if char == "两" else _HAN.index(char)
