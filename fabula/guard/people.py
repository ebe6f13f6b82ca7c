"""Words that stand for people without naming them. Knows no sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path

_WORDS = {
    kind: frozenset(words)
    for kind, words in json.loads((Path(__file__).parent / "people.json").read_text(encoding="utf-8")).items()
}
FIRST, SECOND, THIRD, NOUNS = (_WORDS[kind] for kind in ("first", "second", "third", "nouns"))
CALLED = _WORDS["called"]
PARENTS = _WORDS["parents"]
_NO_NAMES = _WORDS["no_names"]
PRONOUNS = FIRST | SECOND | THIRD | {"user", "char"}

_CAPITAL = re.compile("[A-Z]")
_CAPITALISED = re.compile(r"(?<![A-Za-z'])[A-Z][a-zé]{1,14}(?![A-Za-z])")
_KIN = "妈爸爷奶哥姐弟妹叔舅姑伯公婆"  # 妈妈 and the like, and 天天, 慢慢, are no names
_TWICE = re.compile(r"([一-鿿])\1")
_CALLED_SMALL = re.compile(
    rf"(?<![一-鿿])(?:[小阿](?![{_KIN}时候家学生心孩子男女])[一-鿿](?=[今在是念读上的和与跟对也才刚就还说一从到每喜住不家很有差未,\d])"
    rf"|((?![{_KIN}天慢轻渐常往刚偷悄静默个人处时年月日家])[一-鿿])\1(?=[一-鿿]))"
    rf"|(?<=[^大喊尖吼惊呼嚎哭]叫)(?![{_KIN}老])(?!阿姨)[一-鿿]{{2,3}}(?=[,。的])"
    r"|(?<=[和与跟对])[小阿][一-鿿](?=[做发上有在的])"
)


def names_in(raw: str, text: str) -> tuple[str, ...]:
    """Names as far as they show: words with a capital that are no words of the lists, 小雨, 安安."""
    names = [*capitalised(raw)] if _CAPITAL.search(raw) else []
    if "小" in text or "阿" in text or "叫" in text or _TWICE.search(text):
        names += [match[0] for match in _CALLED_SMALL.finditer(text)]
    return tuple(dict.fromkeys(names)) if names else ()


def capitalised(raw: str) -> tuple[str, ...]:
    """Words with a capital that are no words of the lists. A space keeps them apart."""
    if not _CAPITAL.search(raw):
        return ()
    found = [name.lower() for name in _CAPITALISED.findall(raw)]
    return tuple(name for name in found if name not in _NO_NAMES)
