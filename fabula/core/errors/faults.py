"""Faults of ours, and what is not offered. Knows no sentence."""

from __future__ import annotations

from dataclasses import dataclass

from fabula.core.errors.base import FabulaError
from fabula.core.texts import Phrase


@dataclass(eq=False)
class Unexpected(FabulaError):
    """A fault of Fabula itself; `reason` is its technical name, the log has the rest."""

    reason: Phrase | str


@dataclass(eq=False)
class JobKilled(FabulaError):
    """The process of a job was ended from outside: by the system, when memory runs out, or by somebody."""

    signal: str


@dataclass(eq=False)
class NotOffered(FabulaError):
    """A route of another program for something that Fabula does not do: `what`."""

    status = 501

    what: Phrase
