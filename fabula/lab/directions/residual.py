"""The residual stream of all prompts between two layers: batches of rows, in memory or on the disk. Knows no
model.

Beyond `IN_MEMORY` it lies in two files, of which each layer reads one and writes the other. What was saved
behind a layer can be gone on with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fabula.lab.directions.space import disk_full, reserve

BATCH = 256  # tokens that are computed with at a time: more are no faster on a processor
EVEN = 0.9  # of a batch's length: shorter prompts wait for the next one, where enough are there without them
IN_MEMORY = 512 << 20  # bytes; beyond, it lies in two files
STREAM = "stream"

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Batch:
    """Prompts of about one length. `start` is its first row in the residual stream, where it has
    `len(prompts) · length` of them."""

    prompts: tuple[int, ...]
    lengths: tuple[int, ...]
    length: int
    start: int

    @property
    def rows(self) -> slice:
        return slice(self.start, self.start + len(self.prompts) * self.length)


def batches(lengths: Sequence[int], most: int = BATCH) -> list[Batch]:
    """The longest first, so that what does not fit into memory fails at once."""
    order = sorted(range(len(lengths)), key=lambda number: (-lengths[number], number))
    found: list[Batch] = []
    start = 0
    while order:
        length = lengths[order[0]]
        count = max(1, most // length)
        even = [number for number in order[:count] if lengths[number] >= EVEN * length]
        count = len(even) if 2 * len(even) * length > most else count
        taken, order = order[:count], order[count:]
        found.append(Batch(tuple(taken), tuple(lengths[number] for number in taken), length, start))
        start += len(taken) * length
    return found


class Noted(Protocol):
    """How many layers have read all batches; the folder is this run's own."""

    folder: Path
    done: int

    def note(self, done: int) -> None: ...


class Residual:
    """[rows, width] behind the last layer that was told."""

    def __init__(self, into: Noted, shape: tuple[int, int]) -> None:
        self.into, self.shape = into, shape
        self.is_on_disk = 4 * shape[0] * shape[1] > IN_MEMORY
        self._now: Rows
        self._next: Rows

    @classmethod
    def begin(cls, into: Noted, first: Rows) -> Residual:
        """What was saved, or the embeddings."""
        made = cls(into, (first.shape[0], first.shape[1]))
        if into.done and not made._file(into.done).is_file():
            into.note(0)
        if made.is_on_disk:
            made._now, made._next = made._mapped(into.done), made._mapped(into.done + 1)
            if not into.done:
                made._now[:] = first
        elif into.done:
            made._now = np.fromfile(made._file(into.done), np.float32).reshape(made.shape)
        else:
            made._now = first
        return made

    @property
    def rows(self) -> Rows:
        """All of them; those on the disk are read when they are touched."""
        return self._now

    def read(self, batch: Batch) -> Rows:
        """[prompts, length, width]"""
        return np.array(self._now[batch.rows]).reshape(len(batch.prompts), batch.length, self.shape[1])

    def write(self, batch: Batch, made: Rows) -> None:
        target = self._next if self.is_on_disk else self._now
        target[batch.rows] = made.reshape(-1, self.shape[1])

    def turn(self) -> None:
        if self.is_on_disk:
            self._now, self._next = self._next, self._now

    def save(self, done: int) -> None:
        """Everything up to layer `done` can be gone on with."""
        file = self._file(done)
        with disk_full(file.parent, 4 * self.shape[0] * self.shape[1]):
            if self.is_on_disk:
                self._now.flush()  # type: ignore[attr-defined]
            else:
                draft = file.with_name(f"{file.name}.new")
                self._now.tofile(draft)
                draft.replace(file)
        self.into.note(done)

    def remove(self) -> None:
        for turn in (0, 1):
            self._file(turn).unlink(missing_ok=True)

    def _file(self, done: int) -> Path:
        return self.into.folder / f"{STREAM}-{done % 2}.f32"

    def _mapped(self, done: int) -> Rows:
        file, size = self._file(done), 4 * self.shape[0] * self.shape[1]
        if not file.is_file() or file.stat().st_size != size:
            reserve(file, size)
        return np.memmap(file, np.float32, "r+", shape=self.shape)
