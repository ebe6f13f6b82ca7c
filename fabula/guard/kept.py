"""What was found out about texts and words, so that each turn costs only what is new in it. Knows no rule.

Texts themselves are not kept: a chat may have 20,000 messages, and each turn hears all of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

K = TypeVar("K")
T = TypeVar("T")


def kept(most: int) -> Callable[[Callable[[str], T]], Callable[[str], T]]:
    """The same function, which remembers up to `most` answers, by the hashes of the texts.

    Python's hashes of texts have 64 bits and a secret of their process, and nobody is told one.
    """

    def over(work: Callable[[str], T]) -> Callable[[str], T]:
        known: dict[tuple[int, int], T] = {}

        @functools.wraps(work)
        def remembered(text: str) -> T:
            key = hash(text), len(text)
            found = known.get(key)
            if found is None:
                if len(known) >= most:
                    known.clear()
                known[key] = found = work(text)
            return found

        return remembered

    return over


class Known(dict[K, T]):
    """What was found out about words or characters, by `known[word]`.

    Not `lru_cache`, which moves what it finds to its front: twice the time while the processor's caches are
    cold (measured).
    """

    def __init__(self, find: Callable[[K], T], most: int):
        super().__init__()
        self._find = find
        self._most = most
        TABLES.append(self)

    def __missing__(self, word: K) -> T:
        found = self._find(word)
        if len(self) >= self._most:
            self.clear()
        self[word] = found
        return found


TABLES: list[Known[Any, Any]] = []  # all of them


def forget() -> None:
    """As in a process that has read nothing yet."""
    for table in TABLES:
        table.clear()
