"""Adapters of many ways to use one direction, without reading the weights again for each. Knows no search.

An adapter of rank 1 needs rᵀW of every matrix. All directions r that a search may try lie in the span of a
few (those of the layers they may come from), so QW is computed once for an orthonormal basis Q of that span,
and rᵀW = (Qr)ᵀ(QW) for each of them: exact but for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fabula.core.model import LocalModel
from fabula.lab.directions import ablate, finite, lora
from fabula.lab.directions.ablate import seen_behind
from fabula.lab.directions.saved import Direction
from fabula.lab.directions.use import Use
from fabula.lab.directions.weights import Weights, open_weights
from fabula.lab.directions.writers import Component, Writer
from fabula.store.files import require_space, writing
from fabula.store.job_child import Report

Floats = NDArray[np.float32]
Rows = NDArray[np.float64]
SPARE = 64 << 20  # bytes of the disk that stay free
PREPARING = "lab.directions.search.preparing"
FILE = "products.f32"


@dataclass(frozen=True, slots=True)
class Product:
    """`basis` [k, width] has orthonormal rows; `along` [matrices, k, columns] is its product with the
    weight; `norm` what the writer's output is multiplied with, None = nothing."""

    writer: Writer
    norm: Rows | None
    basis: Rows
    along: Floats

    def pair(self, use: Use, direction: Direction) -> lora.Pair | None:
        """None where the writer stays as it is."""
        cut = use.cut(self.writer, direction, self.norm)
        if not cut.strength:
            return None
        a = np.einsum("k,mkc->mc", self.basis @ cut.direction, self.along)[:, None]
        b = np.broadcast_to(-cut.strength * cut.direction[None, :, None], (len(a), len(cut.direction), 1))
        return lora.Pair(self.writer, a.astype(np.float32), b.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Products:
    model: LocalModel
    direction: Direction
    rows: tuple[Product, ...]

    def adapter(self, use: Use, file: Path) -> Path | None:
        """None where nothing is touched."""
        pairs = [pair for product in self.rows if (pair := product.pair(use, self.direction))]
        if pairs:
            lora.save(file, self.model, self.direction, pairs)
        return file if pairs else None


def gathered(
    model: LocalModel,
    direction: Direction,
    parts: Sequence[Component],
    layers: tuple[float, float],
    folder: Path,
    report: Report,
) -> Products:
    """Of directions from these layers, or from a writer's own. The products lie in a file of the folder.
    Raises WeightsUnusable, UnknownWriter, NoDiskSpace."""
    with open_weights(model) as weights:
        touched = [one for one in weights.writers if one.component in parts and lora.is_expressible(one)]
        norms = [weights.norm(one) for one in touched]
        bases = [_basis(one, direction, layers, norm) for one, norm in zip(touched, norms, strict=True)]
        shapes = [_shape(one, basis) for one, basis in zip(touched, bases, strict=True)]
        kept = _file(folder / FILE, shapes)
        for number, (one, basis, room) in enumerate(zip(touched, bases, kept, strict=True)):
            report.check()
            report.progress(number, len(touched), "tensors", PREPARING)
            for matrix in range(len(room)):
                room[matrix] = _along(weights, one, matrix, basis)
            if not np.isfinite(room).all():
                raise finite.of_rows(weights.read, one, weights.name)
    return Products(
        model,
        direction,
        tuple(Product(*each) for each in zip(touched, norms, bases, kept, strict=True)),
    )


def _basis(writer: Writer, direction: Direction, layers: tuple[float, float], norm: Rows | None) -> Rows:
    """Of everything that `Use.vector` can give for this writer."""
    own = min(writer.layer or 0, direction.layers - 1)
    low, high = int(layers[0]), min(int(layers[1]) + 1, direction.layers - 1)
    rows = [direction.direction[layer] for layer in {own, *range(low, high + 1)}]
    if direction.is_projected_twice:
        rows.append(direction.negative[own])
    seen = np.stack([seen_behind(row, norm) for row in rows])
    return np.ascontiguousarray(np.linalg.qr(seen.T)[0].T)


def _shape(writer: Writer, basis: Rows) -> tuple[int, int, int]:
    columns = writer.shape[-1] if writer.axis == len(writer.shape) - 2 else writer.shape[-2]
    return lora.matrices(writer), len(basis), columns


def _file(path: Path, shapes: Sequence[tuple[int, int, int]]) -> list[Floats]:
    sizes = [4 * int(np.prod(shape)) for shape in shapes]
    require_space(path.parent, sum(sizes) + SPARE)
    with writing(path), path.open("wb") as file:
        file.truncate(sum(sizes))
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return [
        np.memmap(path, np.float32, "r+", start, shape) for start, shape in zip(starts, shapes, strict=True)
    ]


def _along(weights: Weights, writer: Writer, matrix: int, basis: Rows) -> Rows:
    """QW [k, columns] of one matrix."""
    rows, columns = writer.shape[-2:]
    start = matrix * rows
    if writer.axis == len(writer.shape) - 1:
        parts = [
            weights.read(writer, start + first, count).astype(np.float64) @ basis.T
            for first, count in ablate.steps(rows, columns)
        ]
        return np.ascontiguousarray(np.concatenate(parts).T)
    total = np.zeros((len(basis), columns))
    for first, count in ablate.steps(rows, columns):
        piece = weights.read(writer, start + first, count).astype(np.float64)
        total += basis[:, first : first + count] @ piece
    return total
