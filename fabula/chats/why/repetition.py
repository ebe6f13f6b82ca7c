"""How much a text repeats itself, and texts before it. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

PIECES = re.compile(r"[㐀-鿿豈-﫿]|[^\W_]+(?:['’]\w+)?")  # a Chinese character is a word of its own
SENTENCES = re.compile(r"[^.!?。！？…\n]+")
RUN = 4  # words that count as a repeated run
LEAST_SENTENCE = 5  # words of a sentence that is worth a look


def words(text: str) -> list[str]:
    return PIECES.findall(text.lower())


def repeated_share(text: str) -> float:
    """The share of runs of `RUN` words that came before in the same text; 0 for a short one."""
    found = words(text)
    runs = Counter(tuple(found[at : at + RUN]) for at in range(len(found) - RUN + 1))
    total = sum(runs.values())
    return sum(count - 1 for count in runs.values()) / total if total else 0.0


def repeated_sentences(text: str, earlier: Sequence[str]) -> list[str]:
    """Sentences that stand in one of the earlier texts too, as they are in the text."""
    known = {tuple(words(sentence)) for other in earlier for sentence in SENTENCES.findall(other)}
    return [
        sentence.strip()
        for sentence in SENTENCES.findall(text)
        if len(words(sentence)) >= LEAST_SENTENCE and tuple(words(sentence)) in known
    ]
