"""Which tensors of a model's files lose a direction, and how each format keeps their rows. Knows no job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fabula.core.errors import DirectUnavailable
from fabula.core.texts import phrase
from fabula.engine.direct.library import Drifted
from fabula.lab.directions import growing, tensors
from fabula.lab.directions.edit import Edit, File, Place, spans
from fabula.lab.directions.saved import Direction
from fabula.lab.directions.use import Use
from fabula.lab.directions.weights import FolderWeights, GgufWeights
from fabula.lab.directions.writers import Writer


def edit(
    name: str, weights: FolderWeights | GgufWeights, direction: Direction, use: Use, names: Sequence[str]
) -> Edit:
    """`names` are those of the new files of a GGUF. Raises BadParameter, DirectUnavailable."""
    touched = use.touched(weights.writers, direction)
    cuts = {one.name: (one, use.cut(one, direction, weights.norm(one))) for one in touched}
    if isinstance(weights, FolderWeights):
        return Edit(name, folder_files(weights), cuts, _OfFolder(weights))
    return Edit(name, gguf_files(weights, names), cuts, _OfGguf(weights, touched))


def folder_files(weights: FolderWeights) -> list[File]:
    """The shards; what lies beside them is copied at the end."""
    places: dict[Path, dict[str, Place]] = {shard: {} for shard in weights.tensors.shards}
    for name, place in weights.tensors.items():
        places[place.path][name] = growing.in_shard(place.stored)
    return [File(path, path.name, spans(path.stat().st_size, found)) for path, found in places.items()]


def gguf_files(weights: GgufWeights, names: Sequence[str]) -> list[File]:
    return [
        File(header.path, name, spans(header.file_size, growing.in_gguf(header)))
        for header, name in zip(weights.source.headers, names, strict=True)
    ]


class _OfFolder:
    def __init__(self, weights: FolderWeights) -> None:
        self._weights = weights
        self.read = weights.read

    def pack(self, writer: Writer, rows: NDArray[np.float32]) -> NDArray[np.uint8]:
        return tensors.packed(rows, self._weights.tensors[writer.name].stored.type)


class _OfGguf:
    """Rows are packed by the engine's own routines, in the type that they had."""

    def __init__(self, weights: GgufWeights, touched: Sequence[Writer]) -> None:
        self._weights = weights
        self.read = weights.read
        kinds = {weights.tensors[writer.name].type for writer in touched}
        try:
            weights.kernels.prepare(kinds, kinds)
        except Drifted as drift:
            raise DirectUnavailable(phrase("engine.direct.drifted", detail=f"{drift}")) from drift

    def pack(self, writer: Writer, rows: NDArray[np.float32]) -> NDArray[np.uint8]:
        kernels, kind = self._weights.kernels, self._weights.tensors[writer.name].type
        made = np.empty(len(rows) * kernels.row_size(kind, rows.shape[1]), np.uint8)
        kernels.pack(kind, rows, made)
        return made
