"""Print what was measured, as it comes, and keep it as JSON. Knows nothing of what is measured.

A target never fails a run: it is met ("pass"), missed ("short of target"), or not decided, when the interval
holds the target.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.paired import Interval
from fabula import __version__

RESULTS = Path(__file__).parent / "results"
BUSY = 0.5  # load per core above which times are said to be noise


@dataclass(frozen=True, slots=True)
class Target:
    """A limit, and on which side of it the good values are."""

    limit: float
    good: str  # "≤" or "≥"

    def verdict(self, found: Interval) -> str:
        at_most = self.good == "≤"
        worst, best = (found.high, found.low) if at_most else (found.low, found.high)
        if self._met(worst):
            return "pass"
        return "undecided" if self._met(best) else "short of target"

    def _met(self, value: float) -> bool:
        return value <= self.limit if self.good == "≤" else value >= self.limit


def at_most(limit: float) -> Target:
    return Target(limit, "≤")


def at_least(limit: float) -> Target:
    return Target(limit, "≥")


def exactly(value: float) -> Interval:
    """Something that was counted or seen once; it has no interval."""
    return Interval(value, value, value, 1)


class Report:
    def __init__(self, name: str) -> None:
        self._name = name
        self._rows: list[dict[str, Any]] = []
        self._started = time.time()
        self._load_before = load()

    def heading(self, text: str) -> None:
        print(f"\n  {text}", flush=True)

    def note(self, text: str) -> None:
        self._rows.append({"note": text})
        print(f"    {text}", flush=True)

    def keep(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Single values, for the file only."""
        self._rows.append({"name": name, "values": list(rows)})

    def measure(self, name: str, found: Interval | float, unit: str = "", *targets: Target) -> None:
        interval = found if isinstance(found, Interval) else exactly(found)
        verdicts = {f"{target.good} {target.limit:g}": target.verdict(interval) for target in targets}
        self._rows.append(_row(name, interval, unit, verdicts))
        said = "".join(f"   {limit}: {verdict}" for limit, verdict in verdicts.items())
        print(
            f"    {name:<44} {_number(interval.value):>9} {unit:<10}{_spread(interval):<28}{said}", flush=True
        )

    def save(self) -> Path:
        RESULTS.mkdir(exist_ok=True)
        file = RESULTS / f"{self._name}.json"
        content = {
            "bench": self._name,
            "started": self._started,
            "seconds": round(time.time() - self._started, 1),
            "machine": machine(),
            "load": [self._load_before, load()],
            "rows": self._rows,
        }
        file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return file


@contextlib.contextmanager
def reported(name: str, about: str) -> Iterator[Report]:
    """A report that says what it is, on what machine, and how busy that was before and after."""
    print(f"== {name}: {about}\n   {said_machine()}\n   load before: {_said_load()}", flush=True)
    report = Report(name)
    try:
        yield report
    finally:
        print(f"\n   load after: {_said_load()}\n   written: {report.save()}", flush=True)


def load() -> list[float]:
    """The machine's load averages of 1, 5 and 15 minutes; empty where the system keeps none."""
    return [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else []


def machine() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "fabula": __version__,
        "commit": _commit(),
    }


def said_machine() -> str:
    facts = machine()
    return f"{facts['processor']}, {facts['cores']} cores, Python {facts['python']}, commit {facts['commit']}"


def _said_load() -> str:
    now = load()
    if not now:
        return "unknown"
    busy = now[0] > BUSY * (os.cpu_count() or 1)
    return f"{now[0]}" + ("  (busy: read ratios, not times)" if busy else "")


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    """The checkout's commit, with + when files differ from it."""
    asked = ["git", "-C", str(RESULTS.parent), "describe", "--always", "--dirty=+"]
    with contextlib.suppress(OSError):
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return ""


def _row(name: str, interval: Interval, unit: str, verdicts: dict[str, str]) -> dict[str, Any]:
    numbers = {"value": interval.value, "low": interval.low, "high": interval.high, "count": interval.count}
    return {"name": name, "unit": unit, **numbers, "targets": verdicts}


def _spread(interval: Interval) -> str:
    if interval.count < 2:
        return ""
    return f"({_number(interval.low)} … {_number(interval.high)}, n={interval.count})"


def _number(value: float) -> str:
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) < 10:
        return f"{value:.3f}"
    return f"{value:.1f}"
