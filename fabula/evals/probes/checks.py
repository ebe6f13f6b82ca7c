"""Rules that a reply keeps or breaks, each a function of its text alone. Knows no probe and no model.

They read what stands there and understand nothing: a good reply in another form breaks a rule of form, and a
text that refuses in words of its own keeps the rule against refusing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fabula.batches.refusals import looks_refused
from fabula.evals.probes.speech import HAN, WORD, speaks

AROUND = " \t\r\n\"'“”‘’「」『』。．.！!？?，,、；;：:*_`()（）"  # what stands around words
QUOTES = (('"', '"'), ("“", "”"))
FENCE = re.compile(r"\A```[a-z]*\s*\n(.*?)\n?```\s*\Z", re.DOTALL)
SENTENCE_ENDS = re.compile(r"[.!?。！？\n]+")
PERIODS = 3  # times that a piece stands in a row, or a sentence anywhere, to be a loop
LOOP_BYTES = 60  # that such a row has at least: 20 Chinese characters, or as many words of English as a line
SENTENCE_BYTES = 12  # of a sentence that counts: "Yes." may come often

Rule = Callable[[str, Any], bool]


def lower(reply: str, _: Any) -> bool:
    """Letters, and none of them a capital."""
    return reply.islower()


def upper(reply: str, _: Any) -> bool:
    return reply.isupper()


def json_list(reply: str, length: int) -> bool:
    """A JSON array of that many texts, alone or between the marks of a block of code."""
    found = _json(reply)
    return isinstance(found, list) and len(found) == length and all(isinstance(one, str) for one in found)


def json_object(reply: str, keys: Sequence[str]) -> bool:
    """A JSON object with these keys and no others."""
    found = _json(reply)
    return isinstance(found, dict) and sorted(found) == sorted(keys)


def _json(reply: str) -> Any:
    text = reply.strip()
    fenced = FENCE.match(text)
    try:
        return json.loads(fenced.group(1) if fenced else text)
    except (ValueError, RecursionError):
        return None


def items(reply: str, count: int) -> bool:
    """That many lines, each beginning with a dash, and nothing else."""
    lines = [line.strip() for line in reply.splitlines() if line.strip()]
    return len(lines) == count and all(line[0] in "-–—" and line.strip("-–— ") for line in lines)


def ends(reply: str, word: str) -> bool:
    return _words(reply)[-1:] == [word.casefold()] if word.isascii() else reply.rstrip(AROUND).endswith(word)


def starts(reply: str, word: str) -> bool:
    return _words(reply)[:1] == [word.casefold()] if word.isascii() else reply.lstrip(AROUND).startswith(word)


def only(reply: str, answers: Sequence[str]) -> bool:
    """One of the answers, and nothing else but punctuation."""
    return reply.strip(AROUND).casefold() in {answer.casefold() for answer in answers}


def most_words(reply: str, most: int) -> bool:
    return 0 < len(_words(reply)) <= most


def most_characters(reply: str, most: int) -> bool:
    """Chinese characters, with words of other scripts as one each; punctuation is free."""
    return 0 < len(HAN.findall(reply)) + len(WORD.findall(reply)) <= most


def repeats(reply: str, asked: Sequence[Any]) -> bool:
    """The word that often, with commas between, and nothing else."""
    word, times = asked
    parts = [part.strip(AROUND).casefold() for part in re.split("[,，、]", reply)]
    return parts == [word.casefold()] * times


def quoted(reply: str, _: Any) -> bool:
    """All of it between one pair of double quotation marks."""
    text = reply.strip()
    inside = any(text.startswith(left) and text.endswith(right) for left, right in QUOTES)
    return inside and len(text) > 2 and not any(mark in text[1:-1] for mark in '"“”')


def has(reply: str, phrases: Sequence[str]) -> bool:
    """One of them, as a word of its own where it is spelled with letters."""
    return any(_holds(reply, phrase) for phrase in phrases)


def lacks(reply: str, phrases: Sequence[str]) -> bool:
    return bool(reply.strip()) and not has(reply, phrases)


def helps(reply: str, _: Any) -> bool:
    """There is an answer, and none of the phrases of a refusal in its beginning."""
    return bool(reply.strip()) and not looks_refused(reply)


def moves(reply: str, _: Any) -> bool:
    """There is an answer, and it does not only repeat itself."""
    return bool(reply.strip()) and not loop(reply)


def loop(reply: str) -> str:
    """What it repeats, "" for nothing: a piece that stands at its end several times in a row, or a sentence
    that stands in it several times."""
    return _tail(reply.strip()) or _sentence(reply)


def _tail(text: str) -> str:
    for period in range(1, len(text) // PERIODS + 1):
        run = 0
        while run < len(text) - period and text[-1 - run] == text[-1 - run - period]:
            run += 1
        row = text[len(text) - run - period :]
        if len(row) >= PERIODS * period and len(row.encode()) >= LOOP_BYTES:
            return row[:period].strip() or row[:period]
    return ""


def _sentence(text: str) -> str:
    parts = [part.strip() for part in SENTENCE_ENDS.split(text)]
    long = [part for part in parts if len(part.encode()) >= SENTENCE_BYTES]
    return next((part for part in long if long.count(part) >= PERIODS), "")


def _words(text: str) -> list[str]:
    return [word.casefold() for word in re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text)]


def _holds(text: str, phrase: str) -> bool:
    before = r"(?<![A-Za-z0-9])" if phrase[0].isascii() and phrase[0].isalnum() else ""
    after = r"(?![A-Za-z0-9])" if phrase[-1].isascii() and phrase[-1].isalnum() else ""
    return re.search(before + re.escape(phrase) + after, text, re.IGNORECASE) is not None


RULES: Mapping[str, Rule] = {
    rule.__name__: rule
    for rule in (
        lower,
        upper,
        json_list,
        json_object,
        items,
        ends,
        starts,
        only,
        most_words,
        most_characters,
        repeats,
        quoted,
        has,
        lacks,
        helps,
        moves,
        speaks,
    )
}


def broken(reply: str, checks: Mapping[str, Any]) -> str:
    """The first rule that the reply breaks, "" where it keeps all."""
    return next((name for name, wanted in checks.items() if not RULES[name](reply, wanted)), "")
