"""How busy other programs keep this machine, and whether it runs on its battery. Knows no model."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil

LIMIT = 0.10
"""Of the machine's processors: what an idle desktop stays below, and a build or a game does not."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Seconds: of the clock, of all processors' work, of this process's and its children's."""

    clock: float
    all: float
    ours: float


def now() -> Moment:
    return Moment(time.monotonic(), _all(), _ours())


def share(start: Moment, end: Moment, processors: int) -> float:
    """The part of all processors that others had in between, 0 … 1."""
    span = (end.clock - start.clock) * processors
    if span <= 0:
        return 0.0
    others = (end.all - start.all) - (end.ours - start.ours)
    return min(max(others / span, 0.0), 1.0)


def stopwatch() -> Callable[[], float]:
    """Called at the end of a measurement, tells the share of others since."""
    start, processors = now(), psutil.cpu_count() or 1
    return lambda: share(start, now(), processors)


def _all() -> float:
    """Work of any kind, with what a hypervisor gave to others; waiting is none."""
    times = psutil.cpu_times()._asdict()
    kinds = ("user", "nice", "system", "irq", "softirq", "interrupt", "dpc", "steal")
    return float(sum(times.get(kind, 0.0) for kind in kinds))


def _ours() -> float:
    own = psutil.Process()
    total = 0.0
    for process in (own, *own.children(recursive=True)):
        with suppress(psutil.Error):  # one that has just ended
            times = process.cpu_times()
            total += times.user + times.system
    return total


def on_battery() -> bool:
    """False where there is none, or where it cannot be seen."""
    sensor = getattr(psutil, "sensors_battery", None)  # not on every system
    battery = sensor() if sensor else None
    return battery is not None and battery.power_plugged is False
