"""What layers gave for each prompt, kept on the disk while it is gathered. Knows no model.

One file of float32 [layers, prompts, width], and beside it how much of it is there: a run that was cut off
goes on, if everything it depends on is the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fabula.core.errors import WeightsUnusable
from fabula.core.texts import phrase
from fabula.lab.directions.space import reserve
from fabula.store.files import require_space, write_atomic, writing

Rows = NDArray[np.float32]
SPARE = 64 << 20  # bytes of the disk that stay free
TRACE, NOTE = "activations.f32", "activations.json"


@dataclass(slots=True)
class Activations:
    """`done` counts what is whole: layers or prompts, by the way in which it is gathered."""

    folder: Path
    shape: tuple[int, int, int]
    mark: str
    done: int = 0
    told: dict[str, Any] = field(default_factory=dict)  # what else the way of gathering needs to go on

    @classmethod
    def begin(cls, folder: Path, shape: tuple[int, int, int], mark: str) -> Self:
        """What was gathered of the same, or an empty file. Raises NoDiskSpace, StoreUnwritable."""
        made = cls(folder, shape, mark)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            note = {}
        if note.get("mark") == mark and made._file.exists() and made._file.stat().st_size == made.size:
            made.done, made.told = note["done"], note["told"]
            return made
        require_space(folder, made.size + SPARE)
        reserve(made._file, made.size)
        return made

    @property
    def size(self) -> int:
        layers, prompts, width = self.shape
        return 4 * layers * prompts * width

    @property
    def _file(self) -> Path:
        return self.folder / TRACE

    def rows(self) -> Rows:
        """All of it, as far as it is there; pages are read when they are touched."""
        return np.memmap(self._file, np.float32, "r", shape=self.shape)

    def layer(self, layer: int) -> Rows:
        """[prompts, width]"""
        return np.array(self.rows()[layer])

    def put(self, layers: slice, prompts: slice, rows: Rows, name: str) -> None:
        """Raises WeightsUnusable for what is no number: the weights are not, or they overflow."""
        if not np.isfinite(rows).all():
            raise WeightsUnusable(name, phrase("lab.directions.not_finite", layer=layers.start or 0))
        file = np.memmap(self._file, np.float32, "r+", shape=self.shape)
        file[layers, prompts] = rows
        file.flush()

    def note(self, done: int, **told: Any) -> None:
        """Everything up to `done` is on the disk."""
        self.done, self.told = done, told
        kept = {"mark": self.mark, "done": done, "told": told}
        write_atomic(self.folder / NOTE, json.dumps(kept).encode())

    def remove(self) -> None:
        for name in (TRACE, NOTE):
            (self.folder / name).unlink(missing_ok=True)
