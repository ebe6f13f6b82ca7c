"""Measured rates, kept in the home folder: by engine, device and threads. Knows no measurement."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fabula.engine.builds.builds import Build
from fabula.models.fit.speed import Rates
from fabula.models.hardware import Machine


def key(machine: Machine, build: Build, threads: int, device: str = "") -> str:
    """`device` "" is the processor. A rate holds for one engine on one device with so many threads."""
    name = device or f"{machine.processor}, {threads} threads"
    return f"{build.name or 'own'} {build.version}, {name}"


class Speeds:
    """`file` is made with the first rates; without it, or when it is damaged, nothing was measured."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def find(self, key: str) -> Rates | None:
        row = self._read().get(key)
        try:
            return Rates(**row) if row else None
        except TypeError:
            return None

    def add(self, key: str, rates: Rates) -> Rates:
        """Rates of further types; what was measured in a quiet time is not lost to a busy one."""
        known = self.find(key)
        merged = rates
        if known and not (known.basis == "measured, machine busy" and rates.basis == "measured"):
            kept = known.basis == "measured" and rates.basis != "measured"
            older, newer = (rates, known) if kept else (known, rates)
            merged = replace(
                newer,
                read={**older.read, **newer.read},
                compute={**older.compute, **newer.compute},
                basis=rates.basis if set(rates.read) - set(known.read) else newer.basis,
            )
        rows = self._read() | {key: asdict(merged)}
        draft = self.file.with_suffix(".part")
        with suppress(OSError):  # a full disk costs another measurement
            draft.write_text(json.dumps(rows, indent=1), encoding="utf-8")
            draft.replace(self.file)
        return merged

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            found = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
