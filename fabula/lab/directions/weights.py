"""The residual writers of a model and their numbers, whatever its format. Knows no direction.

A row is what lies along a tensor's last axis, through all matrices that it stacks (for a bias: all of it).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from fabula.core.errors import DirectUnavailable, WeightsUnusable
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.engine.direct.library import Drifted
from fabula.lab.directions import finite
from fabula.lab.directions import writers as rules
from fabula.lab.directions.tensors import Tensors
from fabula.lab.directions.writers import Writer
from fabula.lab.quantize.kernels import Kernels
from fabula.lab.quantize.source import Source, read_source
from fabula.models.formats.folders import CONFIG
from fabula.models.formats.folders import FORMAT as FOLDER
from fabula.models.formats.gguf import Tensor
from fabula.models.formats.types import TENSOR_TYPES

Floats = NDArray[np.float32]


class Weights(Protocol):
    name: str  # of the model
    writers: list[Writer]

    def read(self, writer: Writer, first: int, count: int) -> Floats:
        """[count, row]"""
        ...

    def norm(self, writer: Writer) -> NDArray[np.float64] | None:
        """What the writer's output is multiplied with before it is added; None = nothing. Raises
        WeightsUnusable."""
        ...


@contextlib.contextmanager
def open_weights(model: LocalModel) -> Iterator[Weights]:
    """Raises WeightsUnusable, UnknownWriter, CannotQuantize, DirectUnavailable."""
    if model.format == FOLDER:
        folder = FolderWeights(model)
        try:
            yield folder
        finally:
            folder.tensors.close()
    else:
        file = GgufWeights(model)
        try:
            yield file
        finally:
            file.close()


class FolderWeights:
    def __init__(self, model: LocalModel) -> None:
        if model.packed:
            raise WeightsUnusable(model.name, phrase("lab.convert.packed", method=model.quantization))
        self.name = model.name
        self.tensors = Tensors(model.path, model.name)
        shapes = {name: place.stored.shape for name, place in self.tensors.items()}
        self.writers = rules.of_folder(shapes, model.embedding, family_of(model.path))

    def read(self, writer: Writer, first: int, count: int) -> Floats:
        return self.tensors.floats(writer.name, first, count).reshape(count, -1)

    def norm(self, writer: Writer) -> NDArray[np.float64] | None:
        if not writer.norm:
            return None
        values = self.tensors.floats(writer.norm)
        finite.require(values, writer.norm, self.name)
        return values.astype(np.float64) + (1 if writer.plus_one else 0)


def family_of(folder: Path) -> str:
    """`model_type` of the part that writes text."""
    told = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    inner = told.get("text_config")
    return f"{(inner if isinstance(inner, dict) else told).get('model_type') or told.get('model_type') or ''}"


class GgufWeights:
    """Rows are unpacked by the engine's own routines."""

    def __init__(self, model: LocalModel) -> None:
        self.name = model.name
        self.source: Source = read_source(model)
        self.tensors = {tensor.name: tensor for tensor in self.source.tensors}
        shapes = {name: tensor.shape[::-1] for name, tensor in self.tensors.items()}
        self.writers = rules.of_gguf(shapes, model.embedding)
        kinds = {self.tensors[writer.name].type for writer in self.writers}
        try:
            self.kernels = Kernels()
            self.kernels.prepare(kinds, ())
        except Drifted as drift:
            raise DirectUnavailable(phrase("engine.direct.drifted", detail=f"{drift}")) from drift
        self._files: dict[Path, BinaryIO] = {}

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

    def raw(self, name: str, first: int, count: int) -> NDArray[np.uint8]:
        """Packed rows."""
        tensor, place = self.tensors[name], self.source.places[name]
        row = row_bytes(tensor)
        file = self._files.get(place.path) or self._files.setdefault(place.path, place.path.open("rb"))
        file.seek(place.start + first * row)
        data = np.fromfile(file, np.uint8, count * row)
        if len(data) != count * row:
            raise WeightsUnusable(
                self.name, phrase("models.problem.truncated", file=place.path.name, name=self.name)
            )
        return data

    def read(self, writer: Writer, first: int, count: int) -> Floats:
        tensor = self.tensors[writer.name]
        made = np.empty(count * tensor.shape[0], np.float32)
        self.kernels.unpack(tensor.type, self.raw(writer.name, first, count), made)
        return made.reshape(count, -1)

    def norm(self, writer: Writer) -> NDArray[np.float64] | None:
        """GGUF keeps norms as they are multiplied with, always in 32 bits."""
        if not writer.norm:
            return None
        values = self.raw(writer.norm, 0, 1).view("<f4")
        finite.require(values, writer.norm, self.name)
        return values.astype(np.float64)


def row_bytes(tensor: Tensor) -> int:
    kind = TENSOR_TYPES[tensor.type]
    return tensor.shape[0] // kind.block * kind.size
