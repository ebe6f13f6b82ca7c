"""How far a piece of work is, noted beside its file: what was cut off goes on there. Knows no weights."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fabula.store.files import write_atomic

NOTE_S = 5.0  # between two notes of what is on the disk


@dataclass
class Ledger:
    """What of the new file is surely on the disk: all pieces before `done`. `about` says of which work."""

    file: Path
    about: str
    done: int = 0
    finished: set[int] = field(default_factory=set)
    noted_at: float = field(default_factory=time.monotonic)

    @classmethod
    def read(cls, file: Path, about: str) -> Ledger:
        """Nothing is done of other work, or where the note cannot be read."""
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            if told["about"] == about:
                return cls(file, about, int(told["done"]))
        except (OSError, ValueError, KeyError, TypeError):
            pass  # as if there were none: all is done anew
        return cls(file, about)

    def add(self, number: int) -> None:
        self.finished.add(number)
        while self.done in self.finished:
            self.finished.remove(self.done)
            self.done += 1

    def due(self) -> int | None:
        """What may be noted once all that was written so far is on the disk; None while it is too early."""
        if time.monotonic() - self.noted_at <= NOTE_S:
            return None
        self.noted_at = time.monotonic()
        return self.done

    def note(self, handles: Sequence[int], done: int) -> None:
        for handle in handles:
            os.fsync(handle)
        told = {"about": self.about, "done": done}
        write_atomic(self.file, json.dumps(told).encode())
