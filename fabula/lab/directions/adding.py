"""Steering written into files: constants that a model always adds where a control vector would add them.

A control vector adds c · r_l to what layer l gives. The bias of the last matrix of a layer is added at that
very place, so a file with c · r_l in that bias says what the file without it says under the control vector.
Which families have such a bias, `biases` knows; what has none is refused, as nothing else comes to the same.
No weight is changed or rounded, so it does not matter how coarse they are. Knows no format and no job.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fabula.lab.directions.ablate import Vector
from fabula.lab.directions.biases import After, Place, Places
from fabula.lab.directions.edit import Edit
from fabula.lab.directions.saved import Direction
from fabula.lab.directions.use import Use, added
from fabula.lab.directions.writers import Shape

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Addition:
    """`rows` [width] by layer are what is added to the stream; `places` take them."""

    rows: Mapping[int, Vector]
    places: Places

    def constant(self, place: Place) -> Floats:
        """What comes to a bias, in its shape; 0 at layers that only have one because all must."""
        row = self.rows.get(place.layer)
        if row is None:
            return np.zeros(place.shape, np.float32)
        return np.broadcast_to(row / self.places.scale, place.shape).astype(np.float32)

    @property
    def steered(self) -> list[Place]:
        """Those that do something, in layer order."""
        return [place for place in self.places.places if place.layer in self.rows]


@dataclass(frozen=True, slots=True)
class Made:
    """`texts` are files beside the weights that change with them, by name."""

    edit: Edit
    texts: Mapping[str, bytes] = field(default_factory=dict)


class Numbers(Protocol):
    """The tensors of a model, whatever its format; rows of shapes first, types as safetensors calls them."""

    name: str

    @property
    def shapes(self) -> Mapping[str, Shape]: ...
    def type(self, name: str) -> str: ...
    def read(self, name: str) -> Floats:
        """In its shape. Raises WeightsUnusable for a type that is not computed with."""
        ...

    def places(self, layers: Sequence[int], after: After) -> Places:
        """Raises CannotAdd."""
        ...

    def made(self, addition: Addition, names: Sequence[str]) -> Made:
        """`names` are those of the new files of weights, where a folder does not keep them."""
        ...


def planned(numbers: Numbers, direction: Direction, use: Use, after: After) -> Addition:
    """Raises CannotAdd, BadParameter."""
    rows = added(direction, use)
    places = numbers.places(list(rows), after)
    return Addition(rows, places)


def off(addition: Addition, before: Numbers, now: Numbers) -> Iterator[tuple[Place, float, float]]:
    """Of each bias that was to change, read from the files: how long what came to it is, as the stream has
    it, and how far from what was wanted, as a share of that."""
    for place in addition.steered:
        wanted = addition.constant(place).astype(np.float64)
        found = now.read(place.name).astype(np.float64)
        if not place.is_new:
            found = found - before.read(place.name)
        rows = found.reshape(-1, place.shape[-1])
        length = float(np.linalg.norm(rows[0])) * addition.places.scale
        yield place, length, float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
