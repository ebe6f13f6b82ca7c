"""The trials of a search on the disk: one line each, whole or not there. Knows no model and no engine.

{"mark": …, "start": …}                          what all of it depends on; the unedited model's figures
{"number": 0, "seed": …, "parameters": …, …}     a trial, written when it is over
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fabula.core.errors import BadParameter
from fabula.core.texts import phrase
from fabula.store.files import writing

TRIALS, LOCK = "trials.jsonl", "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """`trait`: how much of the trait the replies have, 1 = as much as the model's own where it is asked for;
    `spread` its standard error. `kl`: nats per token from the unedited model, over whole replies to harmless
    prompts. `reply` is one of those that were looked at. Silent: nothing could be read, figures are none."""

    number: int
    seed: int
    parameters: dict[str, Any]
    trait: float = 0.0
    spread: float = 0.0
    kl: float = 0.0
    reply: str = ""
    is_silent: bool = False
    seconds: float = 0.0


@dataclass(slots=True)
class Journal:
    path: Path
    mark: str
    start: dict[str, Any] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)

    @classmethod
    def open(cls, folder: Path, mark: str) -> Journal:
        """What is there of the same search; what a dying process left of a line is cut off."""
        made = cls(folder / TRIALS, mark)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        rows, size = _rows(made.path)
        if not rows or rows[0].get("mark") != mark:
            with writing(made.path):
                made.path.write_bytes(b"")
            return made
        with writing(made.path), made.path.open("r+b") as file:
            file.truncate(size)
        made.start = rows[0]["start"]
        made.trials = [Trial(**row) for row in rows[1:]]
        return made

    def begin(self, start: dict[str, Any]) -> None:
        """The unedited model's figures; those that are there stay."""
        if not self.start:
            self._add({"mark": self.mark, "start": start})
            self.start = start

    def add(self, trial: Trial) -> None:
        """On the disk when it returns. Raises StoreUnwritable."""
        self._add(asdict(trial))
        self.trials.append(trial)

    def _add(self, row: dict[str, Any]) -> None:
        with writing(self.path), self.path.open("ab") as file:
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _rows(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Whole lines, and how many bytes they are."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    size = data.rfind(b"\n") + 1
    try:
        return [json.loads(line) for line in data[:size].splitlines()], size
    except ValueError:
        return [], 0


@contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """Two jobs never write the same trials. Raises BadParameter where another one does."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as taken:
        raise BadParameter("direction", name, phrase("expected.other_search")) from taken
    try:
        yield
    finally:
        lock.release()
