"""Text that is not decided yet, with the ids it was sampled as. Knows no tag and no format."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from fabula.core.stream import Token


class Tape:
    """Tokens wait here until it is known what their text is. `text` is theirs, joined."""

    def __init__(self) -> None:
        self._tokens: deque[Token] = deque()
        self.text = ""

    def push(self, token: Token) -> None:
        self._tokens.append(token)
        self.text += token.text

    def cut(self, length: int) -> list[Token]:
        """The first `length` characters, and the tokens without text after them.

        A token that has to be divided loses its ids: they stand for neither part.
        """
        self.text = self.text[length:]
        taken: list[Token] = []
        while self._tokens and (length or not self._tokens[0].text):
            token = self._tokens.popleft()
            if len(token.text) > length:
                self._tokens.appendleft(Token(token.text[length:]))
                token = Token(token.text[:length])
            length -= len(token.text)
            taken.append(token)
        return taken

    def rest(self) -> list[Token]:
        return self.cut(len(self.text))


def overlap(text: str, marks: Iterable[str]) -> int:
    """How many characters at the end of `text` may be the beginning of one of the marks."""
    longest = 0
    for mark in marks:
        for length in range(min(len(mark) - 1, len(text)), longest, -1):
            if text.endswith(mark[:length]):
                longest = length
                break
    return longest


def first_of(text: str, marks: Iterable[str]) -> tuple[int, str] | None:
    """Where the first mark begins and which it is; of two at one place the longer one."""
    found = [(text.index(mark), -len(mark), mark) for mark in marks if mark in text]
    if not found:
        return None
    at, _, mark = min(found)
    return at, mark
