"""Chinese words written in Latin letters or Bopomofo, undone. Knows no meaning, only words."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

_RUN = re.compile(r"[a-z]{2,}|(?<=[一-鿿])[a-z0-9♀♂♥❤★☆](?=[一-鿿])|[ㄅ-ㄩˊˇˋ˙]+")
_AROUND = 4  # characters beside a run that may belong to its word


@functools.cache
def _syllables() -> tuple[dict[str, str], int]:
    """Each with its character, and how long the longest is."""
    table = json.loads((Path(__file__).parent / "characters.json").read_text(encoding="utf-8"))["spelled"]
    return table, max(map(len, table))


def unspelled(text: str, words: frozenset[str]) -> str:
    """ "xiao学生" → "小学生", "luoli" → "萝莉": only where a word of `words` comes out."""
    out, place = "", 0
    for match in _RUN.finditer(text):
        han = syllables_of(match[0])
        before, after = (out + text[place : match.start()])[-_AROUND:], text[match.end() :][:_AROUND]
        out += text[place : match.start()]
        between = len(match[0]) == 1 and _is_word(before, "", after, words)
        out += "" if between else han if han and _is_word(before, han, after, words) else match[0]
        place = match.end()
    return out + text[place:]


def syllables_of(run: str) -> str:
    """The run as characters, or "" when it is not all syllables of the table, each as long as can be."""
    table, longest = _syllables()
    place, told = 0, ""
    while place < len(run):
        end = min(place + longest, len(run))
        while run[place:end] not in table:
            end -= 1
            if end == place:
                return ""
        told += table[run[place:end]]
        place = end
    return told


def _is_word(before: str, han: str, after: str, words: frozenset[str]) -> bool:
    """Whether the characters, with some of those beside them, are a word that is looked for."""
    if han == "岁" and before[-1:].isdigit():
        return True
    return any(
        before[len(before) - left :] + han + after[:right] in words
        for left in range(len(before) + 1)
        for right in range(len(after) + 1)
        if (left and right) or (han and len(han) + left + right > 1)
    )
