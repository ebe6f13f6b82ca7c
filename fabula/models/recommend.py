"""Which well-known file suits a task on a machine, and why the others do not. Knows no network.

The rule, term by term: tuned for the task before larger, the largest that fits into memory (no swap), then
the highest quantization; nothing below three bits unless asked. Plans are rough: no header is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from fabula.core.plan import Plan
from fabula.models.fit import Wanted, plan
from fabula.models.fit.rough import typical
from fabula.models.hardware import Machine
from fabula.models.known.entries import Entry, File, Origin

_TWO_BITS = re.compile(r"^(IQ[12]|Q2)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person wants. "" leaves task and language open; `context` is tokens."""

    task: str = ""
    language: str = ""
    context: int = 8192
    two_bits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A file of a well-known model. `out` says why it was ruled out: "" = it was not.

    `out` is one of "language" (no source tells the language), "bits" or "memory".
    """

    entry: Entry
    origin: Origin
    file: File
    plan: Plan
    tuned: bool
    out: str = ""

    @property
    def bits(self) -> float:
        """Per weight."""
        return self.file.size_gb * 8e9 / self.entry.parameters

    @property
    def terms(self) -> tuple[bool, int, float]:
        """What the ranking compares, in order: tuned for the task, parameters, bits per weight."""
        return self.tuned, self.entry.parameters, self.bits


def recommend(entries: Iterable[Entry], machine: Machine, wish: Wish, gpu: bool = False) -> list[Choice]:
    """Best first, then what was ruled out."""
    found = [
        _judged(entry, origin, file, machine, wish, gpu)
        for entry in entries
        for origin in entry.sources
        for file in origin.files
    ]
    kept = sorted((choice for choice in found if not choice.out), key=lambda each: each.terms, reverse=True)
    return kept + [choice for choice in found if choice.out]


def _judged(entry: Entry, origin: Origin, file: File, machine: Machine, wish: Wish, gpu: bool) -> Choice:
    model = replace(
        typical(entry.parameters, name=entry.name),
        size=int(file.size_gb * 1e9),
        quantization=file.quantization,
    )
    planned = plan(model, machine, Wanted(context=wish.context, slots=1), gpu)
    tuned = bool(wish.task) and wish.task in entry.tasks
    out = _out(entry, file, planned, wish)
    return Choice(entry=entry, origin=origin, file=file, plan=planned, tuned=tuned, out=out)


def _out(entry: Entry, file: File, planned: Plan, wish: Wish) -> str:
    if wish.language and wish.language not in entry.languages:
        return "language"
    if _TWO_BITS.match(file.quantization) and not wish.two_bits:
        return "bits"
    return "memory" if planned.verdict == "no" else ""
