"""Copy a model's files and change tensors on the way: nothing else changes, not a byte. Knows no job.

Where a direction is taken out, the new file has the old one's head and size, since no type and no shape
changes. Where tensors are added, what is new is told with its bytes. Either way every place of the new file
is known, and work that was cut off goes on behind the last one that is surely on the disk. The files are
called `.part` until all of them are whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fabula.core.errors import WeightsUnusable
from fabula.core.texts import phrase
from fabula.lab.directions import ablate, finite
from fabula.lab.directions.ablate import Cut
from fabula.lab.directions.lora import matrices
from fabula.lab.directions.tensors import broken
from fabula.lab.directions.writers import Writer
from fabula.store.files import write_atomic

PIECE = 2 << 20  # bytes that are copied at a time: they are looked through while the processor has them near
NOTE = 64 << 20  # bytes between two notes of what is done
PART = ".part"

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Tell = Callable[[int], None]
"""Told bytes that are done, in all; may raise to end the work."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a new file: a tensor (`name`), or what lies between two. In the source it lies `moved` bytes
    before; or it is `data`, which the source has not. What is of a `type` with numbers must be numbers."""

    name: str
    start: int
    end: int
    moved: int = 0
    data: bytes | None = None
    type: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """`source` is copied to `name`; spans follow one another from the new file's first byte to its last."""

    source: Path
    name: str
    spans: tuple[Span, ...]

    @property
    def size(self) -> int:
        return self.spans[-1].end if self.spans else 0


class Place(NamedTuple):
    """Of a tensor in a file."""

    start: int
    end: int
    type: str


def spans(size: int, tensors: Mapping[str, Place]) -> tuple[Span, ...]:
    """With what lies before, between and behind the tensors."""
    found, at = [], 0
    for name, (start, end, type_) in sorted(tensors.items(), key=lambda each: each[1]):
        if start > at:
            found.append(Span("", at, start))
        if end > start:
            found.append(Span(name, start, end, type=type_))
        at = max(at, end)
    if size > at:
        found.append(Span("", at, size))
    return tuple(found)


class Numbers(Protocol):
    """How a format keeps rows."""

    def read(self, writer: Writer, first: int, count: int) -> Floats: ...
    def pack(self, writer: Writer, rows: Floats) -> Bytes: ...


@dataclass(slots=True)
class Ledger:
    """What is surely on the disk: so many files, and so many spans of the next one; among them `masks`."""

    path: Path
    mark: str
    files: int = 0
    spans: int = 0
    masks: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path, mark: str) -> Ledger:
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            told = {}
        if told.get("mark") != mark:
            return cls(path, mark)
        return cls(path, mark, told["files"], told["spans"], told.get("masks", []))

    def note(self, files: int, done: int) -> None:
        self.files, self.spans = files, done
        told = {"mark": self.mark, "files": files, "spans": done, "masks": self.masks}
        write_atomic(self.path, json.dumps(told).encode())


@dataclass(slots=True)
class Edit:
    """`cuts` by tensor name; `numbers` reads and packs those that are cut."""

    name: str
    files: Sequence[File]
    cuts: Mapping[str, tuple[Writer, Cut]] = field(default_factory=dict)
    numbers: Numbers | None = None

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def run(self, folder: Path, ledger: Ledger, tell: Tell) -> None:
        """Writes `NAME.part` files into the folder. Raises WeightsUnusable, OSError."""
        done = sum(file.size for file in self.files[: ledger.files])
        for number in range(ledger.files, len(self.files)):
            self._file(number, folder, ledger, done, tell)
            done += self.files[number].size

    def _file(self, number: int, folder: Path, ledger: Ledger, before: int, tell: Tell) -> None:
        file, begin = self.files[number], ledger.spans
        part = folder / f"{file.name}{PART}"
        if not part.exists() or part.stat().st_size != file.size:
            begin = 0
            with part.open("wb") as made:
                made.truncate(file.size)
        noted = file.spans[begin].start if begin < len(file.spans) else 0
        with self._opened(file.source) as source, part.open("r+b") as target:
            for place in range(begin, len(file.spans)):
                span = file.spans[place]
                tell(before + span.start)
                self._span(span, file, source, target, ledger.masks)
                if span.end - noted > NOTE:
                    _flush(target)
                    ledger.note(number, place + 1)
                    noted = span.end
            _flush(target)
        tell(before + file.size)
        ledger.note(number + 1, 0)

    def _opened(self, source: Path) -> BinaryIO:
        try:
            return source.open("rb")
        except OSError as error:
            raise broken(self.name, "unreadable", source) from error

    def _span(self, span: Span, file: File, source: BinaryIO, target: BinaryIO, masks: list[str]) -> None:
        if span.name in self.cuts:
            assert self.numbers is not None
            writer, cut = self.cuts[span.name]
            changed = _Changed(self.name, writer, cut, self.numbers, target, span)
            changed.run()
            return
        target.seek(span.start)
        if span.data is not None:
            target.write(span.data)
            return
        for data in self._pieces(span, source):
            if span.name not in masks and finite.strange(data, span.type):
                if not self._is_mask(span.name, file):
                    raise self._no_numbers(span.name, file, source)
                masks.append(span.name)
            target.write(data.data)

    def _pieces(self, span: Span, source: BinaryIO) -> Iterator[Bytes]:
        """Whole blocks of its type, each valid until the next one is asked for."""
        block = finite.block_bytes(span.type)
        step = PIECE // block * block
        piece = np.empty(min(step, span.end - span.start), np.uint8)
        source.seek(span.start - span.moved)
        for at in range(span.start, span.end, step):
            data = piece[: span.end - at]
            self._read(source, data)
            yield data

    def _read(self, source: BinaryIO, data: Bytes) -> None:
        try:
            got = source.readinto(data.data)  # type: ignore[attr-defined]
        except OSError as error:
            raise broken(self.name, "unreadable", Path(source.name)) from error
        if got != len(data):  # it became shorter while it was read
            raise broken(self.name, "truncated", Path(source.name))

    def _is_mask(self, tensor: str, file: File) -> bool:
        """All of it is looked through, with a hand of its own: the other one is in the middle of it."""
        parts = [span for span in file.spans if span.name == tensor]
        with self._opened(file.source) as source:
            return all(finite.is_mask(data, one.type) for one in parts for data in self._pieces(one, source))

    def _no_numbers(self, tensor: str, file: File, source: BinaryIO) -> WeightsUnusable:
        """With how many there are in all of it."""
        parts = [span for span in file.spans if span.name == tensor]
        count = sum(finite.strange(data, one.type) for one in parts for data in self._pieces(one, source))
        return finite.refusal(tensor, count, self.name)


class _Changed:
    """One tensor, cut and written."""

    def __init__(
        self, name: str, writer: Writer, cut: Cut, numbers: Numbers, target: BinaryIO, span: Span
    ) -> None:
        self._name, self._writer, self._cut, self._numbers = name, writer, cut, numbers
        self._target, self._span = target, span
        self._rows = int(np.prod(writer.shape[:-1]))
        self._row_bytes = (span.end - span.start) // max(self._rows, 1)

    def run(self) -> None:
        for matrix in range(matrices(self._writer)):
            self._matrix(matrix * (self._rows // matrices(self._writer)))

    def _matrix(self, start: int) -> None:
        writer = self._writer
        rows, columns = self._rows // matrices(writer), writer.shape[-1]
        cut = ablate.cut_columns if writer.axis == len(writer.shape) - 1 else ablate.cut_rows
        cut(
            lambda first, count: self._read(start + first, count),
            lambda first, made: self._write(start + first, made),
            rows,
            columns,
            self._cut,
        )

    def _read(self, first: int, count: int) -> Floats:
        rows = self._numbers.read(self._writer, first, count)
        if not np.isfinite(rows).all():
            raise finite.of_rows(self._numbers.read, self._writer, self._name)
        return rows

    def _write(self, first: int, rows: Floats) -> None:
        data = self._numbers.pack(self._writer, np.ascontiguousarray(rows))
        if finite.strange(data, self._span.type):
            raise WeightsUnusable(self._name, phrase("lab.convert.too_large", tensor=self._writer.name))
        self._target.seek(self._span.start + first * self._row_bytes)
        self._target.write(data.tobytes())


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def left(
    numbers: Callable[[Writer, int, int], Floats],
    before: Callable[[Writer, int, int], Floats],
    cuts: Mapping[str, tuple[Writer, Cut]],
) -> Iterator[tuple[str, float]]:
    """By tensor what is left along the direction, as a share of what was there: |rᵀW'| / |rᵀW|."""
    for name, (writer, cut) in cuts.items():
        now, then = (_length(read, writer, cut) for read in (numbers, before))
        yield name, now / then if then else 0.0


def _length(read: Callable[[Writer, int, int], Floats], writer: Writer, cut: Cut) -> float:
    total = 0.0
    rows, columns = int(np.prod(writer.shape[:-1])) // matrices(writer), writer.shape[-1]
    for matrix in range(matrices(writer)):
        start = matrix * rows
        if writer.axis == len(writer.shape) - 1:
            parts = [
                read(writer, start + first, count).astype(np.float64) @ cut.direction
                for first, count in ablate.steps(rows, columns)
            ]
            total += float(sum(part @ part for part in parts))
        else:

            def at(first: int, count: int, start: int = start) -> Floats:
                return read(writer, start + first, count)

            along, _ = ablate.along_rows(at, rows, columns, cut.direction)
            total += float(along @ along)
    return float(total**0.5)
