"""Pack the weights of one model into a new file: pieces of rows, several at a time, none of them kept.

Every piece's place in the new file is known beforehand, so each thread reads, packs and writes on its own,
and memory stays at three buffers per thread. What is on the disk is noted beside the file from time to time:
work that was cut off goes on there. Knows no job and no shelf.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fabula.core.errors import CannotQuantize
from fabula.core.texts import phrase
from fabula.lab.quantize.importance import Importance
from fabula.lab.quantize.kernels import F32, Bytes, Floats, Kernels
from fabula.lab.quantize.ledger import Ledger
from fabula.lab.quantize.rules import Choice
from fabula.lab.quantize.source import Place, Source
from fabula.lab.quantize.target import Target
from fabula.models.formats.gguf import Tensor
from fabula.models.formats.types import TENSOR_TYPES

VALUES = 1 << 18  # numbers of a piece: 1 MiB unpacked, and below a second of the slowest type

Tell = Callable[[int, int], None]
"""Told (done, total) in bytes of the source; may raise to end the work."""


@dataclass(frozen=True, slots=True)
class Piece:
    """`rows` rows of a tensor from `row` on; rows of one matrix of experts only."""

    number: int
    choice: Choice
    row: int
    rows: int
    part: int  # of the new model
    start: int  # of the tensor's data in that part
    source: Place

    @property
    def tensor(self) -> Tensor:
        return self.choice.tensor

    @property
    def matrix(self) -> int:
        return self.row // self.tensor.shape[1] if len(self.tensor.shape) > 1 else 0


def pieces(source: Source, target: Target) -> Iterator[Piece]:
    number = 0
    for index, part in enumerate(target.parts):
        for choice, start in zip(part.choices, part.starts, strict=True):
            place = source.places[choice.tensor.name]
            for row, rows in _rows(choice.tensor):
                yield Piece(number, choice, row, rows, index, start, place)
                number += 1


def _rows(tensor: Tensor) -> Iterator[tuple[int, int]]:
    """(first row, rows) of each piece."""
    width = tensor.shape[0]
    matrix = tensor.shape[1] if len(tensor.shape) > 1 else 1
    step = max(1, min(matrix, VALUES // width))
    for begin in range(0, tensor.elements // width, matrix):
        for row in range(begin, begin + matrix, step):
            yield row, min(step, begin + matrix - row)


class Work:
    """One run. `write` may be called once."""

    def __init__(
        self, source: Source, target: Target, kernels: Kernels, importance: Importance | None = None
    ) -> None:
        self.source, self.target, self.kernels, self.importance = source, target, kernels, importance
        changing = [choice for part in target.parts for choice in part.choices if choice.changes]
        kernels.prepare({c.tensor.type for c in changing}, {c.type for c in changing})
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._weights: dict[str, Floats | None] = {}
        self._done = 0

    def write(self, place: Path, ledger: Ledger, threads: int, tell: Tell) -> None:
        """The whole file (or the folder of parts), from where the ledger says. Raises CannotQuantize, OSError
        and what `tell` raises; what was written until then stays, and the ledger says how much."""
        handles = {header.path: os.open(header.path, _READ) for header in self.source.headers}
        files = self.target.files(place)
        files[0].parent.mkdir(exist_ok=True)
        out = [os.open(file, _WRITE, 0o600) for file in files]
        try:
            for file, handle, part in zip(files, out, self.target.parts, strict=True):
                os.truncate(file, part.size)  # file systems fill the padding with zeros
                _put(handle, part.head, 0)
            self._pack(handles, out, ledger, threads, tell)
            for handle in out:
                os.fsync(handle)
        finally:
            for handle in (*handles.values(), *out):
                os.close(handle)

    def _pack(
        self, handles: dict[Path, int], out: list[int], ledger: Ledger, threads: int, tell: Tell
    ) -> None:
        left = self._left(ledger)
        try:
            with ThreadPoolExecutor(threads, "quantize") as pool:
                hands = [pool.submit(self._work, left, handles, out, ledger, tell) for _ in range(threads)]
            for hand in hands:
                hand.result()
        finally:
            ledger.note(out, ledger.done)

    def _left(self, ledger: Ledger) -> Iterator[Piece]:
        for piece in pieces(self.source, self.target):
            if piece.number >= ledger.done:
                yield piece
            else:
                self._done += _source_bytes(piece)

    def _work(
        self, left: Iterator[Piece], handles: dict[Path, int], out: list[int], ledger: Ledger, tell: Tell
    ) -> None:
        """One thread's part. The first failure ends the others."""
        hand, total = _Hand(self.kernels), self.source.size
        try:
            while not self._ended.is_set():
                with self._lock:
                    piece = next(left, None)
                    if piece is None:
                        return
                    weights = self._weights_of(piece)
                hand.do(piece, handles[piece.source.path], out[piece.part], weights)
                with self._lock:
                    ledger.add(piece.number)
                    self._done += _source_bytes(piece)
                    done, sure = self._done, ledger.due()
                if sure is not None:
                    ledger.note(out, sure)
                tell(done, total)
        except BaseException:
            self._ended.set()
            raise

    def _weights_of(self, piece: Piece) -> Floats | None:
        """The importance of a row's inputs; of one tensor at a time."""
        if self.importance is None or not piece.choice.changes:
            return None
        name = piece.tensor.name
        if name not in self._weights:
            self._weights = {name: self.importance.values(piece.tensor)}
        rows = self._weights[name]
        return None if rows is None else rows[piece.matrix]


class _Hand:
    """One thread's buffers, which grow when they have to."""

    def __init__(self, kernels: Kernels) -> None:
        self.kernels = kernels
        self._data: Bytes = np.empty(0, np.uint8)
        self._made: Bytes = np.empty(0, np.uint8)
        self._values: Floats = np.empty(0, np.float32)

    def do(self, piece: Piece, handle: int, out: int, weights: Floats | None) -> None:
        tensor, type_ = piece.tensor, piece.choice.type
        before, after = _row_bytes(tensor, tensor.type), _row_bytes(tensor, type_)
        data = self._read(handle, piece.source.start + piece.row * before, piece.rows * before)
        made = data
        if piece.choice.changes:
            made = self._packed(piece, data, piece.rows * after, weights)
        self._require_finite(piece, self.kernels.is_valid(type_, made))  # 16 bits cannot hold all of 32
        _put(out, made.data, piece.start + piece.row * after)

    def _require_finite(self, piece: Piece, is_finite: bool) -> None:
        if not is_finite:
            reason = phrase("lab.quantize.not_finite", tensor=piece.tensor.name)
            raise CannotQuantize(piece.source.path.name, reason)

    def _packed(self, piece: Piece, data: Bytes, size: int, weights: Floats | None) -> Bytes:
        if len(self._made) < size:
            self._made = np.empty(size, np.uint8)
        values, made = self._unpacked(piece, data), self._made[:size]
        self._require_finite(piece, are_finite(values))
        rows = values.reshape(piece.rows, piece.tensor.shape[0])
        written = self.kernels.pack(piece.choice.type, rows, made, weights)
        assert written == size, "the library's sizes were compared with ours"
        return made

    def _unpacked(self, piece: Piece, data: Bytes) -> Floats:
        if piece.tensor.type == F32:
            return data.view(np.float32)
        count = piece.rows * piece.tensor.shape[0]
        if len(self._values) < count:
            self._values = np.empty(count, np.float32)
        self.kernels.unpack(piece.tensor.type, data, self._values[:count])
        return self._values[:count]

    def _read(self, handle: int, start: int, size: int) -> Bytes:
        if len(self._data) < size:
            self._data = np.empty(size, np.uint8)
        data, got = self._data[:size], 0
        while got < size:
            count = os.preadv(handle, [data[got:].data], start + got)
            if not count:
                raise OSError("the source became shorter while it was read")
            got += count
        return data


def are_finite(values: Floats) -> bool:
    """A sum takes a tenth of the time of looking at each, and is finite only where all of them are."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.add.reduce(values)) or np.isfinite(values).all())


_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
_WRITE = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)


def _put(handle: int, data: bytes | memoryview, start: int) -> None:
    rest = memoryview(data)
    while rest:
        count = os.pwrite(handle, rest, start)
        rest, start = rest[count:], start + count


def _row_bytes(tensor: Tensor, type_: int) -> int:
    kind = TENSOR_TYPES[type_]
    return tensor.shape[0] // kind.block * kind.size


def _source_bytes(piece: Piece) -> int:
    return piece.rows * _row_bytes(piece.tensor, piece.tensor.type)
