"""Whether a key stands in a text. Knows no entry order and no budget."""

from __future__ import annotations

import functools
import re
from typing import Literal

from fabula.prompt.regexes.javascript import NotJavaScript, Pattern, compiled

_REGEX = re.compile(r"/([\w\W]+?)/([gimsuy]*)")
_UNESCAPED = re.compile(r"(?:^|[^\\])/")
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"\w+", re.A)

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Letters of scripts that put no space between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""
_LETTER = f"[^\\W{_UNSPACED}]"


def searched(text: str, key: str, *, case_sensitive: bool, whole_words: bool, unicode_words: bool) -> bool:
    """Whether `key` stands in `text`; a key `/…/flags` is an expression and not meant for here."""
    if not case_sensitive:
        text, key = lowered(text), small(key)
    if not whole_words:
        return key in text
    if unicode_words:
        return key in text and _unicode_word(key).search(text) is not None
    if _WORD.fullmatch(key):
        return key in words_of(text)
    return key in text and (_SPACE.search(key) is not None or _stands_alone(text, key))


@functools.lru_cache(maxsize=65536)
def kind_of(key: str) -> Literal["word", "text", "other"]:
    """Words and texts stand in a text only when they stand in one of its lines, in whatever case; others are
    expressions, macros, and what has small letters that depend on what follows."""
    if any(sign in key for sign in "/{<\\\nΣ") or key != key.strip() or not key:
        return "other"
    return "word" if _WORD.fullmatch(key) else "text"


@functools.lru_cache(maxsize=65536)
def kinds_of(keys: tuple[str, ...]) -> tuple[frozenset[str], tuple[str, ...], bool]:
    """The words among the keys and the texts, in small letters, and whether there are others."""
    words = frozenset(small(key) for key in keys if kind_of(key) == "word")
    texts = tuple(small(key) for key in keys if kind_of(key) == "text")
    return words, texts, any(kind_of(key) == "other" for key in keys)


@functools.lru_cache(maxsize=65536)
def small(key: str) -> str:
    return key.lower()


@functools.lru_cache(maxsize=256)
def lowered(text: str) -> str:
    return text.lower()


@functools.lru_cache(maxsize=64)
def words_of(text: str) -> frozenset[str]:
    """The words of a text as JavaScript's `\\w` sees them: letters beyond ASCII are edges."""
    return frozenset(_WORD.findall(text))


@functools.lru_cache(maxsize=65536)
def inner_word(key: str) -> str:
    """The longest word inside a key: a text that has the key has it as a whole word. "" for none."""
    return max(_WORD.findall(key)[1:-1], key=len, default="")


def _stands_alone(text: str, key: str) -> bool:
    at = text.find(key)
    while at >= 0:
        end = at + len(key)
        if not _WORD.match(text[at - 1 : at]) and not _WORD.match(text[end : end + 1]):
            return True
        at = text.find(key, at + 1)
    return False


@functools.lru_cache(maxsize=4096)
def _unicode_word(key: str) -> re.Pattern[str]:
    """Edges are asked for only where the key begins or ends with a letter of a script that has spaces."""
    before = f"(?<!{_LETTER})" if re.match(_LETTER, key) else ""
    behind = f"(?!{_LETTER})" if re.match(_LETTER, key[-1:]) else ""
    return re.compile(before + re.escape(key) + behind)


@functools.lru_cache(maxsize=4096)
def expression(key: str) -> Pattern | None:
    """The key `/…/flags` as an expression, or None: then it is plain text."""
    match = _REGEX.fullmatch(key)
    if not match or _UNESCAPED.search(match[1]):
        return None
    try:
        return compiled(match[1].replace("\\/", "/", 1), match[2])
    except NotJavaScript:
        return None


@functools.lru_cache(maxsize=4096)
def bare_expression(key: str) -> Pattern | None:
    """The whole key as an expression, for entries that say `use_regex` (Character Card V3)."""
    try:
        return compiled(key, "")
    except NotJavaScript:
        return None
