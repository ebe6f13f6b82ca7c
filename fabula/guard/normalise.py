"""One spelling for many: text as the rules read it. Knows no word's meaning.

Undoes full-width and circled forms, accents, invisible characters, look-alikes of Latin letters, letters
replaced by digits (only where a word of the lists comes out), letters set apart, and Traditional characters.
"""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from fabula.guard.kept import Known
from fabula.guard.spelled import unspelled

HAN = "㐀-䶿一-鿿"
ROUNDS = 8  # each round shortens the text or leaves it; more would only matter for text built to be slow

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]|[\U000e0000-\U000e0fff]"
)
_LEET = str.maketrans("0134578@$!€£¢", "oieastbasielc")
_MIXED = re.compile(r"[a-z0-9@$!€£¢]*(?:[a-z][0-9@$!€£¢]|[0-9@$!€£¢][a-z])[a-z0-9@$!€£¢]*")
_APART = re.compile(r"\d \d|(?<![a-z0-9@$!'])[a-z0-9@$!][ .*_~|\-/]{1,2}[a-z0-9@$!]")  # set apart
_SPACED = re.compile(r"(?<![a-z0-9@$!'])[a-z0-9@$!](?:[ .*_~|\-/]{1,2}[a-z0-9@$!]){2,}(?![a-z0-9@$!'])")
_DISGUISE = re.compile(
    r"[0-9@$!_*~|\-]|([A-Za-z])\1\1|[a-z]\.[a-z]|([b-df-hj-np-tv-z])\2(?![a-z])|(?<![A-Za-z'])[B-HJ-Zb-hj-z](?![A-Za-z'])"
)  # the beginning of any in ASCII
_DIGITS = re.compile(r"(?<![\d.,:])(\d) (\d)(?= ?(?:years?|yrs?|yo\b|y\.?o|岁|周岁))")
_TEN_AND = re.compile(r"(?<=十)[1-9](?=岁)")  # "十4岁"
_ONE = re.compile(r"(?<![a-z0-9])[l|i](?=\d(?: ?(?:years?|yrs?|yo|y/o|y\.o|-year|岁)))")  # "l4 years"
_SPLIT_AGE = re.compile(r"(?<=\bis )(\d) (\d)(?!\d| ?[a-z]*(?:st|nd|rd|th)\b)|(?<=\bage )(\d) (\d)(?!\d)")
HAN_GAP = re.compile(rf"(?<=[{HAN}])[ *._~|/\-+·•‧・∙⋅\u3000]+(?=[{HAN}])")
_JOINERS = re.compile(r"(?<=[a-z0-9])[_*~|\-]+(?=[a-z])|(?<=[a-z])[_*~|\-]+(?=[0-9])")
_CHUNKS = re.compile(r"(?<![a-z])[a-z]{1,7}(?:[|*_~.·][a-z]{1,7}){1,5}(?![a-z])")
_DRAWN_OUT = re.compile(r"(?<![a-z])[a-z]*(?:([a-z])\1\1|([b-df-hj-np-tv-z])\2(?![a-z]))[a-z]*")
_SIGNS = str.maketrans({"🚗": "车", "🔞": " nsfw "})
_MACHINE = re.compile(r"(?<![A-Za-zＡ-Ｚａ-ｚ])[AＡ][IＩ](?![A-Za-zＡ-Ｚａ-ｚ])")  # not 爱
_QUOTES = str.maketrans("’‘“”‐‑‒–—", "''\"\"-----")


@functools.cache
def _characters() -> dict[int, str]:
    data = json.loads((Path(__file__).parent / "characters.json").read_text(encoding="utf-8"))
    pairs = dict(zip(data["traditional"], data["simplified"], strict=True))
    pairs |= dict(zip(data["lookalike"], data["latin"], strict=True))
    return str.maketrans(pairs)


def spellings(char: str) -> set[str]:
    """A character and the Traditional forms that are read as it."""
    return {char} | _forms().get(char, set())


@functools.cache
def _forms() -> dict[str, set[str]]:
    forms: dict[str, set[str]] = {}
    for code, plain in _characters().items():
        if not plain.isascii():
            forms.setdefault(plain, set()).add(chr(code))
    return forms


def _folded(code: int) -> str:
    if 0x4E00 <= code <= 0x9FFF:  # the forms of these have no further ones
        return _characters().get(code, chr(code))
    text = unicodedata.normalize("NFKC", chr(code)).translate(_SIGNS)
    text = unicodedata.normalize("NFKD", _INVISIBLE.sub("", text)).lower()
    bare = "".join(char for char in text if not unicodedata.combining(char))
    return unicodedata.normalize("NFKC", bare).lower().translate(_characters()).translate(_QUOTES)


MOST_FOLDED = 20_000  # characters
_FOLDED = Known(_folded, MOST_FOLDED)  # what each character is read as


def fold(text: str) -> str:
    """Forms of one character made alike; words stay as they are."""
    if "A" in text or "Ａ" in text:
        text = _MACHINE.sub("a-i", text)
    return text.translate(_FOLDED)


@functools.lru_cache(maxsize=16)
def folded(text: str) -> str:
    """`fold` of a sentence of a stream, which is asked for more than once in short order."""
    return fold(text)


def normalise(text: str, words: frozenset[str] = frozenset()) -> str:
    """The text as rules read it; `words` are those worth undoing disguises for. Idempotent."""
    tokens = text.split(" ")
    told = [token_of(token, words) for token in tokens]
    if hang_together([bond for _, bond in told], tokens):
        return throughout(text, words)
    return " ".join(plain for plain, _ in told)


def hang_together(bonds: Sequence[int], tokens: Sequence[str]) -> bool:
    """Whether tokens may be parts of one word, or are not Latin, so that the text must be seen as a whole."""
    worst = max(bonds)
    if worst != LONE:
        return worst == WIDE
    lone = False
    for bond, token in zip(bonds, tokens, strict=True):
        if bond == LONE and lone:
            return True
        lone = bond == LONE or (lone and not token)
    return False


def token_of(token: str, words: frozenset[str]) -> tuple[str, int]:
    """What stands between two spaces, as it is read, and whether its neighbours may be part of it."""
    if len(token) > LONGEST_TOKEN:
        return "", WIDE
    plain = throughout(token, words)
    if len(plain) > 1 and plain.isalpha() and plain == token.lower() and plain.isascii():
        return plain, WHOLE
    if not plain.isascii() or _NEEDS_NEXT.search(token.lower()) or _NEEDS_NEXT.search(plain):
        return plain, WIDE
    return plain, LONE if _ALONE.search(token.lower()) or _ALONE.search(plain) else WHOLE


WHOLE, LONE, WIDE = range(3)
LONGEST_TOKEN = 60  # characters: more is no Latin word, and not worth keeping
_ALONE = re.compile(r"(?<![a-z0-9@$!'])[a-z0-9@$!](?![a-z0-9@$!'])|(?<!\d)\d$|^\d(?!\d)")
_NEEDS_NEXT = re.compile(r"(?<![a-z0-9])[l|i]\d")  # as `_ONE` does
_LETTER = re.compile(r"[a-z]")
_UNSETTLING = "a-z0-9@$!€£¢♀♂♥❤★☆ㄅ-ㄩˊˇˋ˙"
_RESTLESS = re.compile(rf"[{_UNSETTLING}]|{HAN_GAP.pattern}")  # of Han
_MAY_BE_RESTLESS = re.compile(rf"[{_UNSETTLING} *._~|/\-+·•‧・∙⋅\u3000]")  # quick: one set of characters


def _is_calm(text: str) -> bool:
    if text.isascii():
        return not _DISGUISE.search(text)
    return not (_MAY_BE_RESTLESS.search(text) and _RESTLESS.search(text))


def throughout(text: str, words: frozenset[str]) -> str:
    """A text of which no token can be seen alone."""
    if text.isascii() and _is_calm(text):
        return text.lower()
    for _ in range(ROUNDS):
        before = text
        text = text.lower() if text.isascii() else folded(text)
        if _is_calm(text):
            break
        text = _joined(text, words)
        if text == before or _is_calm(text):
            break
    return text


def _joined(text: str, words: frozenset[str]) -> str:
    """One round; what cannot be there is not looked for."""
    if _APART.search(text):
        text = _DIGITS.sub(r"\1\2", text)
        text = _SPLIT_AGE.sub(lambda match: match[0].replace(" ", ""), text)
        text = _SPACED.sub(lambda match: _together(match[0], words), text)
    if "十" in text:
        text = _TEN_AND.sub(lambda match: "一二三四五六七八九"[int(match[0]) - 1], text)
    if _LETTER.search(text):
        text = _ONE.sub("1", text)
        text = _CHUNKS.sub(lambda match: _closed(match, words), text)
        text = _DRAWN_OUT.sub(lambda match: _slow(match, words), text)
    text = _JOINERS.sub(" ", text)
    if not text.isascii():
        text = unspelled(HAN_GAP.sub("", text), words)
    return _MIXED.sub(lambda match: _plain(match[0], words), text) if _LETTER.search(text) else text


def _together(letters: str, words: frozenset[str]) -> str:
    """ "s e x" → "sex", when it is a word of the lists; also its longest part that is ("a s e x b")."""
    parts = re.split(r"[ .*_~|\-/]+", letters)
    for length in range(len(parts), 2, -1):
        for start in range(len(parts) - length + 1):
            word = _plain("".join(parts[start : start + length]), words)
            if word in words:
                return " ".join([*parts[:start], word, *parts[start + length :]])
    return letters


def _closed(match: re.Match[str], words: frozenset[str]) -> str:
    """ "un|der|age" → "underage"."""
    word = re.sub(r"[^a-z]", "", match[0])
    if word not in words and "*" in match[0]:  # one letter left out: "fo*rteen"
        left_out = re.compile(match[0].replace("*", "[a-z]"))
        word = next((known for known in sorted(words) if left_out.fullmatch(known)), "")
    return word if word in words else match[0]


def slowed(word: str) -> str:
    """ "sexxx", "seeex" → "sex"."""
    return re.sub(r"([a-z])\1+", r"\1", word) if _DRAWN_OUT.fullmatch(word) else word


def _slow(match: re.Match[str], words: frozenset[str]) -> str:
    twice = re.sub(r"([a-z])\1\1+", r"\1\1", match[0])
    plain = twice if twice in words else slowed(match[0])
    return plain if plain in words and match[0] not in words else match[0]


def _plain(word: str, words: frozenset[str]) -> str:
    """ "s3x" → "sex", "1oli" → "loli", when that is a word of the lists."""
    for one in "il":
        plain = word.replace("1", one).translate(_LEET)
        if plain in words:
            return plain
        if plain.rstrip("i") in words and word.endswith("!"):
            return plain.rstrip("i") + "!"
    return word
