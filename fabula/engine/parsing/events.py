"""What a reader of tool calls tells. Knows no format."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Called:
    """A call begins."""

    name: str


@dataclass(frozen=True, slots=True)
class Argued:
    """JSON text to append to the arguments of the call that began last."""

    text: str


CallEvent = Called | Argued
