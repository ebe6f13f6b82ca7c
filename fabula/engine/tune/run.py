"""One tuning: asks `search` what to measure, has `measure` do it, watches the time and the machine's load.

Knows no job, no database and no model's file: it is given a bench, and told how time goes.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from fabula.core.load import LoadOptions
from fabula.engine.tune.measure import READ_FOR_BATCH, Cell
from fabula.engine.tune.search import Axis, Duel, Found, Outcome, Setup, Space, search

BUDGET_S = 60.0
PATIENCE = 3  # noisy duels in a row: the machine stays busy
LONGEST_READING_S = 4.0  # of the prompt that shows a batch; slower models keep the engine's own


class Measures(Protocol):
    cells: list[Cell]
    start: Cell | None

    async def warm_up(self, setup: Setup) -> None: ...
    async def duel(self, duel: Duel) -> Outcome: ...
    def cost(self, axis: Axis) -> float:
        """Seconds that a duel takes, about."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """How it ended. `busy`: measured under load, so that it is not to be trusted."""

    found: Found
    cells: tuple[Cell, ...]
    start: Cell
    busy: bool
    seconds: float
    skipped: tuple[Axis, ...] = ()  # there was no time for them

    @property
    def options(self) -> LoadOptions:
        return self.found.best.beyond(self.found.start)

    def plain(self) -> dict[str, Any]:
        return {
            "start": self.start.plain(),
            "cells": [cell.plain() for cell in self.cells],
            "options": self.options.said(),
            "ratio": round(self.found.ratio, 4),
            "offers": [asdict(offer) for offer in self.found.offers],
            "busy": self.busy,
            "skipped": list(self.skipped),
            "seconds": round(self.seconds, 1),
        }


async def tune(
    bench: Measures,
    start: Setup,
    space: Callable[[Cell], Space],
    *,
    budget_s: float = BUDGET_S,
    anyway: bool = False,
    tell: Callable[[str], None] = lambda stage: None,
    clock: Callable[[], float] = time.monotonic,
) -> Tuned:
    """`space` is asked for after the first measurement; `tell` hears the axis that is being measured."""
    began = clock()
    tell("warm_up")
    await bench.warm_up(start)
    assert bench.start is not None  # warm_up measures it
    steps, pace = search(start, space(bench.start)), Pace(began + budget_s, bench.cost, clock)
    noisy_in_a_row, skipped = 0, list[Axis]()
    outcome: Outcome | None = None
    while True:
        try:
            duel = steps.send(outcome)
        except StopIteration as ended:
            found: Found = ended.value
            break
        outcome = None
        if noisy_in_a_row < PATIENCE and pace.allows(duel.axis):
            tell(duel.axis)
            outcome = await pace.timed(bench.duel, duel)
            noisy_in_a_row = noisy_in_a_row + 1 if outcome.noisy else 0
        else:
            skipped.append(duel.axis)
    gave_up = noisy_in_a_row >= PATIENCE or not found.confirmed
    measured = bench.cells or [bench.start]  # a busy machine is slow: it may have had time for no more
    noisy = sum(cell.noisy for cell in measured)
    busy = not anyway and (gave_up or 2 * noisy > len(measured))
    return Tuned(
        found=found,
        cells=tuple(bench.cells),
        start=bench.start,
        busy=busy,
        seconds=clock() - began,
        skipped=tuple(skipped),
    )


class Pace:
    """Whether there is time for another duel: by the bench's estimate, and how it was missed so far."""

    def __init__(self, until: float, cost: Callable[[Axis], float], clock: Callable[[], float]) -> None:
        self._until, self._cost, self._clock = until, cost, clock
        self._slower = 1.0

    def allows(self, axis: Axis) -> bool:
        """The comparison at the end has its time reserved: without it nothing else counts."""
        if axis == "confirm":
            return True
        reserved = self._cost("confirm") if axis in ("threads", "batch", "flash_attention") else 0.0
        return self._until - self._clock() >= self._slower * (self._cost(axis) + reserved)

    async def timed(self, measure: Callable[[Duel], Awaitable[Outcome]], duel: Duel) -> Outcome:
        began = self._clock()
        outcome = await measure(duel)
        self._slower = max(1.0, (self._clock() - began) / self._cost(duel.axis))
        return outcome


def can_show_batches(start: Cell) -> bool:
    return READ_FOR_BATCH / start.read <= LONGEST_READING_S
