"""The tensors of a folder, one after another and in pieces, in the numbers that the new file wants.

Memory: a few copies of a piece of 16 MiB, but for tensors whose rows are reordered (queries and keys), which
are read whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fabula.core.errors import CannotConvert
from fabula.core.texts import phrase
from fabula.lab.convert.families import Change, Config, Family, place_of
from fabula.models.formats.folders import TENSORS
from fabula.models.formats.safetensors import BadTensors, Stored, read_tensors

PIECE = 1 << 22  # numbers
F32, F16, BF16 = 0, 1, 30
STORED = {"F32": F32, "F16": F16, "BF16": BF16}
BYTES = {F32: 4, F16: 2, BF16: 2}

Numbers = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Weight:
    """One tensor to be written. `shape` has rows first."""

    name: str
    path: Path
    stored: Stored
    change: Change
    type: int
    heads: int = 0

    @property
    def size(self) -> int:
        """Bytes in the new file."""
        return math.prod(self.stored.shape) * BYTES[self.type]


def weights(folder: Path, family: Family, config: Config, type_: int | None) -> list[Weight]:
    """All that is written, in the order of the files; `type_` None = as stored. Raises CannotConvert."""
    found = []
    for path, stored in _stored(folder, config.name):
        place = place_of(stored.name, family, config.name)
        if place is None or _is_tied(place[0], config):
            continue
        if stored.type not in STORED:
            raise CannotConvert(config.name, phrase("lab.convert.type", tensor=stored.name, type=stored.type))
        matrix = len(stored.shape) > 1
        wanted = STORED[stored.type] if type_ is None else type_
        heads = {"pairs": config.heads, "pairs_kv": config.kv_heads}.get(place[1], 0)
        found.append(Weight(place[0], path, stored, place[1], wanted if matrix else F32, heads))
    _require_whole(found, config)
    return found


def _stored(folder: Path, name: str) -> Iterator[tuple[Path, Stored]]:
    for path in sorted(folder.glob(f"*{TENSORS}")):
        try:
            for stored in read_tensors(path).values():
                yield path, stored
        except BadTensors as bad:
            reason = phrase(f"models.problem.{bad.reason}", file=path.name, name=name)
            raise CannotConvert(name, reason) from bad


def _is_tied(name: str, config: Config) -> bool:
    return name == "output.weight" and config.told.get("tie_word_embeddings") is True


def _require_whole(found: Sequence[Weight], config: Config) -> None:
    """Each layer has what the first has. Raises CannotConvert."""
    names = [weight.name for weight in found]
    if len(set(names)) != len(names):
        raise CannotConvert(config.name, phrase("lab.convert.twice"))
    first = [name.removeprefix("blk.0.") for name in names if name.startswith("blk.0.")]
    wanted = [f"blk.{n}.{name}" for n in range(config.number("num_hidden_layers")) for name in first]
    missing = next((name for name in ("token_embd.weight", *wanted) if name not in set(names)), "")
    if missing or not first:
        raise CannotConvert(
            config.name, phrase("lab.convert.missing", tensor=missing or "blk.0.attn_q.weight")
        )


def pieces(weight: Weight) -> Iterator[bytes]:
    """The new file's bytes of a tensor. Raises CannotConvert for what is no number."""
    count = math.prod(weight.stored.shape)
    step = count if weight.heads else PIECE
    unit = (weight.stored.end - weight.stored.start) // max(count, 1)
    with weight.path.open("rb") as file:
        for start in range(0, count, max(step, 1)):
            file.seek(weight.stored.start + unit * start)
            data = file.read(unit * min(step, count - start))
            if len(data) != unit * min(step, count - start):
                raise OSError("the source became shorter while it was read")
            yield _written(weight, data)


def _written(weight: Weight, data: bytes) -> bytes:
    stored = STORED[weight.stored.type]
    values = numbers(data, stored)
    if not np.isfinite(values).all():
        raise CannotConvert(weight.path.name, phrase("lab.quantize.not_finite", tensor=weight.stored.name))
    if stored == weight.type and not weight.change:
        return data
    if weight.change == "plus_one":
        values = values + np.float32(1)
    if weight.heads:
        values = paired(values.reshape(weight.stored.shape), weight.heads)
    return packed(values, weight.type, weight)


def numbers(data: bytes, type_: int) -> Numbers:
    if type_ == BF16:
        return (np.frombuffer(data, "<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
    return np.frombuffer(data, "<f4" if type_ == F32 else "<f2").astype(np.float32)


def packed(values: Numbers, type_: int, weight: Weight) -> bytes:
    """Rounded to the nearest, to even where two are as near."""
    if type_ == F32:
        return values.astype("<f4").tobytes()
    if type_ == BF16:
        bits = np.ascontiguousarray(values).view(np.uint32)
        rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
        return (rounded >> np.uint32(16)).astype("<u2").tobytes()
    with np.errstate(over="ignore"):
        made = values.astype("<f2")
    if not np.isfinite(made).all():
        raise CannotConvert(weight.path.name, phrase("lab.convert.too_large", tensor=weight.stored.name))
    return made.tobytes()


def paired(values: Numbers, heads: int) -> Numbers:
    """Rows [heads · 2 · half, …]: row i of a head's first half and of its second become neighbours."""
    rows = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return np.ascontiguousarray(rows.swapaxes(1, 2)).reshape(values.shape)
