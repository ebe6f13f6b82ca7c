"""Control vectors from their files, as one matrix for all layers. Runs in the child process only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabula.engine.direct.weights import Refused
from fabula.engine.vectors import rows_of
from fabula.models.formats.gguf import BadHeader


def matrix(asked: Sequence[Sequence[Any]], layers: int, width: int) -> NDArray[np.float32]:
    """The sum of all, each times its scale, [layers − 1, width]: row k is for layer k + 1. Layers that the
    model has not, or that were not asked for, are left out. Raises Refused for an unreadable file."""
    total = np.zeros((layers - 1, width), np.float32)
    for path, _, _, scale, first, last in asked:
        for layer, row in _rows(Path(path), width).items():
            if max(first, 1) <= layer <= min(last or layers, layers - 1):
                total[layer - 1] += np.float32(scale) * row
    return total


def _rows(path: Path, width: int) -> dict[int, NDArray[np.float32]]:
    try:
        found = {
            layer: np.fromfile(path, "<f4", tensor.elements, offset=start)
            for layer, (tensor, start) in rows_of(path).items()
        }
    except (BadHeader, OSError) as wrong:
        raise Refused(f"the control vector {path.stem} could not be read: {wrong}") from wrong
    if any(row.shape != (width,) for row in found.values()):
        raise Refused(f"the control vector {path.stem} has not {width} numbers for each layer")
    return found
