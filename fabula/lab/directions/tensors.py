"""The tensors of a folder as Hugging Face keeps models: where each lies, and its numbers. Knows no layer.

What is read is read by pieces with `pread`, never mapped: a mapped file would count as memory of the process
for as long as it is open.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabula.core.errors import WeightsUnusable
from fabula.core.texts import phrase
from fabula.models.formats.folders import TENSORS
from fabula.models.formats.safetensors import BadTensors, Stored, read_tensors

INDEX = "model.safetensors.index.json"
_ONE_OF = re.compile(rf"(?P<stem>.+)-\d{{5}}-of-(?P<count>\d{{5}}){re.escape(TENSORS)}")
NUMBERS = {"F32": 4, "F16": 2, "BF16": 2}  # bytes of those that are computed with

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Place:
    path: Path
    stored: Stored

    @property
    def size(self) -> int:
        return self.stored.end - self.stored.start


class Tensors(Mapping[str, Place]):
    """All of a folder, by name. Raises WeightsUnusable for a shard that is missing or damaged."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.shards = _shards(folder, name)
        self._places: dict[str, Place] = {}
        for shard in self.shards:
            try:
                found = read_tensors(shard)
            except BadTensors as bad:
                raise broken(name, bad.reason, shard) from bad
            self._places |= {each: Place(shard, stored) for each, stored in found.items()}
        self._handles: dict[Path, int] = {}

    def __getitem__(self, name: str) -> Place:
        return self._places[name]

    def __iter__(self) -> Any:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def close(self) -> None:
        for handle in self._handles.values():
            os.close(handle)
        self._handles.clear()

    # ── numbers ─────────────────────────────────────────────────────────────────────────────────────

    def raw(self, name: str, first: int = 0, count: int | None = None) -> Bytes:
        """The bytes of a tensor, or of `count` rows of it from row `first` on; rows are what lies along its
        last axis, through all matrices that it stacks."""
        place = self[name]
        rows = math.prod(place.stored.shape[:-1])
        row = place.size // max(rows, 1)
        data = np.empty(row * (rows - first if count is None else count), np.uint8)
        self._fill(place.path, data, place.stored.start + first * row)
        return data

    def raw_into(self, name: str, data: Bytes) -> None:
        """The bytes of a tensor, put into an array of its size. Raises WeightsUnusable."""
        place = self[name]
        require_numbers(place.stored, self.name)
        self._fill(place.path, data, place.stored.start)

    def _fill(self, path: Path, data: Bytes, at: int) -> None:
        """With what the file has from there on."""
        read, view = 0, memoryview(data)  # type: ignore[arg-type]
        while read < len(data):
            got = self._read_into(path, view[read:], at + read)
            if not got:
                raise broken(self.name, "truncated", path)
            read += got

    def floats(self, name: str, first: int = 0, count: int | None = None) -> Floats:
        """The numbers, in the tensor's shape or as [count, row]. Raises WeightsUnusable for a type that is
        not computed with."""
        stored = self[name].stored
        require_numbers(stored, self.name)
        values = unpacked(self.raw(name, first, count), stored.type)
        return values.reshape(stored.shape if count is None and not first else (-1, stored.shape[-1]))

    def ahead(self, names: Iterable[str]) -> None:
        """Asks the system to read these soon: it does so while others are computed with."""
        if hasattr(os, "posix_fadvise"):
            for name in names:
                place = self[name]
                os.posix_fadvise(
                    self._handle(place.path), place.stored.start, place.size, os.POSIX_FADV_WILLNEED
                )

    def _read_into(self, path: Path, view: memoryview, at: int) -> int:
        handle = self._handle(path)
        try:
            if hasattr(os, "preadv"):
                return os.preadv(handle, [view[: 1 << 30]], at)
            os.lseek(handle, at, os.SEEK_SET)
            data = os.read(handle, min(len(view), 1 << 26))
        except OSError as error:
            raise broken(self.name, "unreadable", path) from error
        view[: len(data)] = data
        return len(data)

    def _handle(self, path: Path) -> int:
        if path not in self._handles:
            try:
                self._handles[path] = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            except OSError as error:
                raise broken(self.name, "unreadable", path) from error
        return self._handles[path]


def _shards(folder: Path, name: str) -> list[Path]:
    """Those that the index names, all of them; without an index, all that there are."""
    index = folder / INDEX
    if index.is_file():
        try:
            told = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
            wanted = sorted({folder / f"{file}" for file in told.values()})
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise broken(name, "damaged", index) from error
        for file in wanted:
            if not file.is_file() or file.parent != folder:
                raise WeightsUnusable(name, phrase("lab.directions.shard_missing", file=file.name))
        return wanted
    found = sorted(folder.glob(f"*{TENSORS}"))
    if not found:
        raise broken(name, "no_weights", folder)
    for file in found:
        _require_others(file, name)
    return found


def _require_others(shard: Path, name: str) -> None:
    """One of several tells by its name how many there are."""
    if told := _ONE_OF.fullmatch(shard.name):
        for number in range(1, int(told["count"]) + 1):
            other = shard.with_name(f"{told['stem']}-{number:05}-of-{told['count']}{TENSORS}")
            if not other.is_file():
                raise WeightsUnusable(name, phrase("lab.directions.shard_missing", file=other.name))


def broken(name: str, reason: str, file: Path) -> WeightsUnusable:
    return WeightsUnusable(name, phrase(f"models.problem.{reason}", file=file.name, name=name))


def require_numbers(stored: Stored, name: str) -> None:
    if stored.type not in NUMBERS:
        raise WeightsUnusable(name, phrase("lab.convert.type", tensor=stored.name, type=stored.type))


def unpacked(data: Bytes, type_: str) -> Floats:
    if type_ == "F32":
        return data.view("<f4")
    if type_ == "F16":
        return data.view("<f2").astype(np.float32)
    wide = data.view("<u2").astype(np.uint32)
    wide <<= np.uint32(16)
    return wide.view(np.float32)


def packed(values: Floats, type_: str) -> Bytes:
    """Rounded to the nearest, to even where two are as near; what the type cannot hold becomes infinite."""
    if type_ == "F32":
        return np.ascontiguousarray(values, "<f4").view(np.uint8).reshape(-1)
    if type_ == "F16":
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(values.astype("<f2")).view(np.uint8).reshape(-1)
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    return rounded.astype("<u2").view(np.uint8).reshape(-1)
