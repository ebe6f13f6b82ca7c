"""The calls that a reader has found so far. Knows no format."""

from __future__ import annotations

from fabula.engine.parsing.events import Argued, Called, CallEvent
from fabula.engine.parsing.tools.reading import NotACall


class Calls:
    def __init__(self) -> None:
        self._events: list[CallEvent] = []
        self._told = False
        self.is_open = False
        self.count = 0
        self.name = ""  # of the call that began last

    def begin(self, name: str) -> None:
        """Raises NotACall without a name."""
        if not name.strip():
            raise NotACall
        self.count += 1
        self.is_open, self._told = True, False
        self.name = _whole(name.strip())
        self._events.append(Called(self.name))

    def tell(self, text: str) -> None:
        if text:
            self._told = True
            self._events.append(Argued(_whole(text)))

    @property
    def is_told(self) -> bool:
        """Whether the open call has arguments already."""
        return self.is_open and self._told

    def end(self) -> None:
        """A call without arguments has an empty object of them."""
        if self.is_open and not self._told:
            self.tell("{}")
        self.is_open = False

    def drain(self) -> list[CallEvent]:
        events, self._events = self._events, []
        return events


def _whole(text: str) -> str:
    """Half a character, which a model can write as an escape and nobody can send, is an escape again."""
    return text.encode(errors="backslashreplace").decode()
