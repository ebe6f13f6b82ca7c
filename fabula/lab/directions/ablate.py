"""Take a direction out of what a matrix writes: W' = W − s · r rᵀ W. Knows no file and no rule for names.

A tensor is seen as matrices in either of two ways: the stream's parts are its rows ([width, columns], as
linear layers are stored) or its columns ([rows, width]: embeddings, biases, some experts). Everything is done
in pieces of rows, so that memory does not grow with the tensor.

Norms are kept by column (of [width, columns]) where that is asked: each is as long as before, and still has
nothing along r. Keeping them by row, as is also done, leaves about 8 % of it (measured). With |r| = 1 the new
length is known before a number is changed: |W'ⱼ|² = |Wⱼ|² − (2s − s²)(rᵀW)ⱼ².
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Vector = NDArray[np.float64]

PIECE = 1 << 20  # numbers

Read = Callable[[int, int], Floats]
"""(first row, count) → [count, width of a row]"""
Write = Callable[[int, Floats], None]
"""(first row, rows)"""


@dataclass(frozen=True, slots=True)
class Cut:
    """`direction` has length 1. `strength` 1 takes all of it out, 0 nothing."""

    direction: Vector
    strength: float = 1.0
    keep_norms: bool = False


def steps(rows: int, width: int) -> list[tuple[int, int]]:
    """(first row, count)"""
    step = max(1, PIECE // max(width, 1))
    return [(first, min(step, rows - first)) for first in range(0, rows, step)]


def along_rows(read: Read, rows: int, columns: int, direction: Vector) -> tuple[Vector, Vector]:
    """(rᵀW, squares of the columns' lengths) of [rows = width of the stream, columns]."""
    along, squares = np.zeros(columns), np.zeros(columns)
    for first, count in steps(rows, columns):
        piece = read(first, count).astype(np.float64)
        along += direction[first : first + count] @ piece
        squares += np.einsum("rc,rc->c", piece, piece)
    return along, squares


def cut_rows(read: Read, write: Write, rows: int, columns: int, cut: Cut) -> None:
    """The stream's parts are the rows."""
    along, squares = along_rows(read, rows, columns, cut.direction)
    factor = _factor(squares, along, cut)
    for first, count in steps(rows, columns):
        piece = read(first, count).astype(np.float64)
        piece -= cut.strength * np.outer(cut.direction[first : first + count], along)
        if factor is not None:
            piece *= factor
        write(first, piece.astype(np.float32))


def cut_columns(read: Read, write: Write, rows: int, width: int, cut: Cut) -> None:
    """The stream's parts are the columns: each row is one vector of the stream."""
    for first, count in steps(rows, width):
        write(first, cut_vectors(read(first, count), cut))


def cut_vectors(rows: Floats, cut: Cut) -> Floats:
    """[rows, width]"""
    piece = rows.astype(np.float64)
    along = piece @ cut.direction
    squares = np.einsum("rc,rc->r", piece, piece)
    piece -= cut.strength * np.outer(along, cut.direction)
    factor = _factor(squares, along, cut)
    if factor is not None:
        piece *= factor[:, None]
    return piece.astype(np.float32)


def _factor(squares: Vector, along: Vector, cut: Cut) -> Vector | None:
    """By what a vector is multiplied so that it is as long as before; what is nothing but r stays away."""
    if not cut.keep_norms:
        return None
    left = squares - (2 * cut.strength - cut.strength**2) * along**2
    return np.sqrt(np.divide(squares, left, out=np.ones_like(left), where=left > 1e-9 * squares))


def seen_behind(direction: Vector, norm: Vector | None) -> Vector:
    """The direction as a writer sees it whose outputs are multiplied by `norm` before they are added."""
    if norm is None:
        return direction
    turned = direction * norm
    return turned / max(float(np.linalg.norm(turned)), 1e-12)
