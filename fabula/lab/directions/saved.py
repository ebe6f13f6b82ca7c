"""A learned direction as a file: safetensors with where it comes from. And the shelf of them. Knows no model.

    direction   float32 [layers, width]   of length 1, from the negative to the positive side
    positive    float32 [layers, width]   mean activation of each side
    negative    float32 [layers, width]

The metadata `fabula` is JSON: the recipe and its hash, hashes of the model and of the prompts, the versions,
and what was found at each layer. It holds no time, so that the same recipe makes the same bytes.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fabula.core.errors import (
    BadParameter,
    DirectionExists,
    DirectionNotFound,
    DirectionUnfit,
    WeightsUnusable,
)
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.models.formats.safetensors import BadTensors, Stored, read_data, read_tensors
from fabula.store.files import write_atomic, writing

ENDING = ".safetensors"
KEY = "fabula"
HEAD_LIMIT = 16 << 20  # bytes
UNTOLD = (OSError, ValueError, KeyError, TypeError, struct.error, RecursionError)
NAMES = ("direction", "positive", "negative")
LONGEST = 240  # bytes of a file's name
TAKEN = ("sets", "models", "prompts")  # what an address would lead to in place of the direction
_NAME = re.compile(r"[\w][\w .()+-]{0,79}")

Rows = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Direction:
    """`told` is the metadata."""

    name: str
    path: Path
    direction: Rows
    positive: Rows
    negative: Rows
    told: Mapping[str, Any]

    @property
    def layers(self) -> int:
        return int(self.direction.shape[0])

    @property
    def width(self) -> int:
        return int(self.direction.shape[1])

    def part(self, kind: type[T], *names: str) -> T:
        """Of the metadata. Raises WeightsUnusable where a file lacks it: one from elsewhere, or one that was
        changed, is listed all the same."""
        found: Any = self.told
        for name in names:
            found = found.get(name) if isinstance(found, Mapping) else None
        if not isinstance(found, kind):
            raise self._lacks(".".join(names))
        return found

    def _lacks(self, part: str) -> WeightsUnusable:
        return WeightsUnusable(self.path.name, phrase("lab.directions.lacks", part=part))

    @property
    def best(self) -> int:
        """The layer at which the sides lie furthest apart."""
        return int(self.told["best"])

    @property
    def band(self) -> tuple[int, int]:
        """First and last layer at which it is put to use where nobody says other ones."""
        first, last = self.told["band"]
        return int(first), int(last)

    @property
    def distances(self) -> list[float]:
        """By layer, the length of the difference of the means. Raises WeightsUnusable."""
        rows = self.part(list, "layers")
        try:
            found = [float(row["distance"]) for row in rows]
        except (KeyError, TypeError, ValueError, OverflowError) as bad:
            raise self._lacks("layers.distance") from bad
        if len(found) != self.layers:
            raise self._lacks("layers")
        return found

    @property
    def recipe_hash(self) -> str:
        """Raises WeightsUnusable."""
        return self.part(str, "recipe_hash")

    @property
    def is_projected_twice(self) -> bool:
        """Raises WeightsUnusable."""
        return self.part(str, "recipe", "project") == "twice"

    def require_fit(self, model: LocalModel) -> None:
        """Raises DirectionUnfit for a model of another shape."""
        found = (self.layers, self.width)
        if model.layers and model.embedding and found != (model.layers, model.embedding):
            shapes = {"layers": self.layers, "width": self.width}
            expected = {"model_layers": model.layers, "model_width": model.embedding}
            reason = phrase("lab.directions.other_shape", **shapes, **expected)
            raise DirectionUnfit(self.name, model.name, reason)


def write(path: Path, arrays: Mapping[str, NDArray[Any]], told: Mapping[str, Any]) -> None:
    """Raises StoreUnwritable."""
    shown = json.dumps(told, ensure_ascii=False, sort_keys=True)
    rows: dict[str, Any] = {"__metadata__": {"format": "pt", KEY: shown}}
    data = b""
    for name, values in arrays.items():
        block = np.ascontiguousarray(values, "<f4").tobytes()
        place = [len(data), len(data) + len(block)]
        rows[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": place}
        data += block
    head = json.dumps(rows, ensure_ascii=False).encode()
    head += b" " * (-len(head) % 8)
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, struct.pack("<Q", len(head)) + head + data, 0o644)


def read(path: Path) -> Direction:
    """Raises WeightsUnusable."""
    try:
        stored, told = read_tensors(path), told_in(path)
        arrays = [_array(path, stored[name]) for name in NAMES]
    except BadTensors as bad:
        raise _broken(path, bad.reason) from bad
    except UNTOLD as bad:
        raise WeightsUnusable(path.name, phrase("lab.directions.no_direction")) from bad
    shapes = {values.shape for values in arrays}
    whole = len(shapes) == 1 and arrays[0].ndim == 2 and all(np.isfinite(values).all() for values in arrays)
    if not whole or not _has_place(told, arrays[0].shape[0]):
        raise WeightsUnusable(path.name, phrase("lab.directions.no_direction"))
    return Direction(path.stem, path, arrays[0], arrays[1], arrays[2], told)


def told_in(path: Path) -> dict[str, Any]:
    """The metadata. Raises one of `UNTOLD`."""
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        head = json.loads(file.read(min(length, HEAD_LIMIT)))
    told = json.loads(head["__metadata__"][KEY], parse_float=_number, parse_constant=_number)
    if not isinstance(told, dict):
        raise ValueError("the metadata is no object")
    return told


def _number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is no number")
    return number


def _has_place(told: Mapping[str, Any], layers: int) -> bool:
    """Whether it is known at which layers it is put to use; without that there is nothing to do with it."""
    band = told.get("band")
    if not isinstance(band, list) or len(band) != 2:
        return False
    places = [told.get("best"), *band]
    return all(type(place) is int and 0 <= place < layers for place in places) and bool(band[0] <= band[1])


def _array(path: Path, stored: Stored) -> Rows:
    if stored.type != "F32":
        raise ValueError(f"{stored.name} is {stored.type}")
    return np.frombuffer(read_data(path, stored), "<f4").reshape(stored.shape).astype(np.float64)


def _broken(path: Path, reason: str) -> WeightsUnusable:
    return WeightsUnusable(path.name, phrase(f"models.problem.{reason}", file=path.name, name=path.stem))


def is_name(name: str) -> bool:
    """Whether it is a plain name of a file, and means nothing else: to the file system, or in an address."""
    if not _NAME.fullmatch(name) or name.endswith(ENDING) or name in TAKEN:
        return False
    return len(f"{name}{ENDING}".encode()) <= LONGEST


def require_name(name: str) -> None:
    """Raises BadParameter."""
    if not is_name(name):
        raise BadParameter("name", name[:80], phrase("expected.vector_name"))


class Shelf:
    """All directions of one home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def list(self) -> list[Direction]:
        """All that can be read, by name."""
        return [*self.look()[0]]

    def look(self) -> tuple[Sequence[Direction], Sequence[WeightsUnusable | BadParameter]]:
        """All that can be read, by name; and of each other file in the folder why it is none of them."""
        found, refused = list[Direction](), list[WeightsUnusable | BadParameter]()
        for path in sorted(self.folder.glob(f"*{ENDING}"), key=lambda path: path.name.lower()):
            try:
                require_name(path.stem)
                found.append(read(path))
            except (WeightsUnusable, BadParameter) as wrong:
                refused.append(wrong)
        return found, refused

    def find(self, name: str) -> Direction:
        """Raises DirectionNotFound, WeightsUnusable."""
        return read(self._own(name))

    def place(self, name: str, *, anew: bool = True) -> Path:
        """Where a direction of this name will lie. Raises BadParameter, DirectionExists."""
        require_name(name)
        path = self.folder / f"{name}{ENDING}"
        if anew and path.exists():
            raise DirectionExists(name)
        return path

    def remove(self, name: str) -> None:
        """One of this home, whether it can be read or not. Raises DirectionNotFound, StoreUnwritable."""
        path = self._own(name)
        with writing(path):
            path.unlink()

    def _own(self, name: str) -> Path:
        """No name leads out of the folder. Raises DirectionNotFound."""
        called = name.removesuffix(ENDING)
        path = self.folder / f"{called}{ENDING}"
        if is_name(called) and path.is_file():
            return path
        known = ", ".join(file.stem for file in sorted(self.folder.glob(f"*{ENDING}")))
        raise DirectionNotFound(name[:80], known or "–")
