"""The table of macros: a name, how many arguments, what it gives. Knows no syntax."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from fabula.prompt.macros.scene import Scene


class NotForThis(Exception):
    """The arguments make no sense for this macro: its text stays as it is."""


class Resolve(Protocol):
    """Resolve the macros of a text: an argument that was handed over raw, or a text of the card."""

    def __call__(self, text: str, *, offset: int = 0) -> str: ...


@dataclass(frozen=True, slots=True)
class Invocation:
    """One macro as its handler gets it. `offset` is its place in the whole text, `source`, in
    UTF-16 units."""

    arguments: tuple[str, ...]
    scene: Scene
    resolve: Resolve
    field: Callable[[str, str], str]  # (name, raw text) → resolved once, never inside of itself
    offset: int = 0
    source: str = ""
    is_block: bool = False
    keeps_space: bool = False

    def argument(self, index: int, default: str = "") -> str:
        return self.arguments[index] if index < len(self.arguments) else default


Handler = Callable[[Invocation], str]


@dataclass(frozen=True, slots=True)
class Macro:
    """`least` to `most` arguments, or any number with `takes_list`. `raw`: arguments come unresolved."""

    name: str
    gives: Handler
    least: int = 0
    most: int = 0
    takes_list: bool = False
    raw: bool = False
    also: tuple[str, ...] = ()

    def accepts(self, count: int) -> bool:
        return count >= self.least and (self.takes_list or count <= self.most)

    def opens_block(self, count: int) -> bool:
        """Whether the text up to a closing macro can be one more argument."""
        return not self.takes_list and self.accepts(count + 1)


Table = dict[str, Macro]


def table(macros: Iterable[Macro]) -> Table:
    """By lower-case name and alias."""
    return {name.lower(): macro for macro in macros for name in (macro.name, *macro.also)}
