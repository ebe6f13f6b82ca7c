"""Tensors of the engine's compute graph, copied while a text is read. Runs in the child process only.

The engine calls `_Eye.see` for each tensor, from within its own code: a Python exception there would be
printed and forgotten, so it is kept and raised when the engine has returned. Logits are asked for at every
token: else the engine drops rows before its last layer.

What a weight is multiplied with has no name of its own: the node that multiplies tells its operands, whose
places in the structure are checked against the library's getters at the first node.
"""

from __future__ import annotations

import ctypes
import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fabula.core.scoring import Kept
from fabula.engine.direct import abi
from fabula.engine.direct.context import Context
from fabula.engine.direct.library import Drifted, Library
from fabula.engine.direct.squares import squares
from fabula.engine.direct.weights import Refused, TooLong, Weights

F32 = 0
INPUT = ":input"  # after a weight's name: what it is multiplied with
PRODUCTS = (b"MUL_MAT", b"MUL_MAT_ID")
Pause = Callable[[], None]
Frame = NDArray[np.float32]


@dataclass
class Sums:
    """One tensor's rows as they come, reduced as was asked. `counts` only of squared inputs: the rows of each
    matrix that the weight stacks."""

    keep: Kept
    width: int
    rows: int = 0
    frames: list[Frame] = field(default_factory=list)
    total: NDArray[np.float64] | None = None
    counts: NDArray[np.int64] | None = None

    def add(self, frame: Frame) -> None:
        """[rows, width]"""
        self.rows += len(frame)
        if self.keep == "all":
            self.frames.append(frame)
        elif self.keep == "last":
            self.frames = [frame[-1:]]
        else:
            wide = frame.astype(np.float64)
            part = (wide**2 if self.keep == "squares" else wide).sum(axis=0)
            self.total = part if self.total is None else self.total + part

    def add_squares(self, sums: NDArray[np.float64], counts: NDArray[np.int64]) -> None:
        """[matrices, width] and [matrices]"""
        self.rows += int(counts.sum())
        self.total = sums if self.total is None else self.total + sums
        self.counts = counts if self.counts is None else self.counts + counts

    def frame(self) -> Frame:
        if self.total is None:
            return np.concatenate(self.frames)
        if self.counts is not None:
            return self.total.astype(np.float32)
        divided = self.total / self.rows if self.keep == "mean" else self.total
        return divided[None].astype(np.float32)


def capture(
    weights: Weights,
    ids: Sequence[int],
    patterns: Sequence[str],
    keep: Kept,
    prepare: Callable[[Context], None],
    pause: Pause,
) -> dict[str, tuple[Sums, Frame]]:
    """Name → (what was seen, what is kept of it [rows, width]). `prepare` changes the model as the one that
    writes is changed. Raises Refused for a name that no
    tensor has, TooLong for a text longer than the context of the settings."""
    if len(ids) > weights.settings.context:
        raise TooLong(len(ids), weights.settings.context)
    eye = _Eye(weights.library, patterns, keep)
    context = Context(weights, length=max(len(ids), 64), capture=eye.address)
    try:
        prepare(context)
        for _ in context.read(ids, 0, pause=pause):
            eye.raise_what_failed()
    finally:
        context.close()
    _refuse_unseen(eye)
    return {name: (sums, sums.frame()) for name, sums in eye.found.items()}


class Reader:
    """Captures the last row of one text after another, in one context: what they begin with is read once.

    How a text is cut depends on `shared` alone and not on the texts before it, so that the same text gives
    the same numbers. `close` frees the context.
    """

    def __init__(
        self, weights: Weights, patterns: Sequence[str], prepare: Callable[[Context], None], length: int
    ) -> None:
        self._eye = _Eye(weights.library, patterns, "last")
        self._context = Context(weights, length=length, capture=self._eye.address)
        prepare(self._context)

    def close(self) -> None:
        self._context.close()

    def read(self, ids: Sequence[int], shared: int, pause: Pause) -> dict[str, tuple[Sums, Frame]]:
        """`shared` tokens are common to all texts. Raises as `capture` does."""
        if self._context.reuse(ids, shared) < shared:
            self._through(ids[:shared], pause)
        self._eye.forget()
        self._through(ids, pause)
        _refuse_unseen(self._eye)
        return {name: (sums, sums.frame()) for name, sums in self._eye.found.items()}

    def _through(self, ids: Sequence[int], pause: Pause) -> None:
        for _ in self._context.read(ids, len(ids) - 1, pause=pause):
            self._eye.raise_what_failed()


def _refuse_unseen(eye: _Eye) -> None:
    unseen = [pattern for pattern, times in eye.seen.items() if not times]
    if unseen:
        raise Refused(f"the model has no tensor {', '.join(unseen)}")


class _Eye:
    """What the engine shows of its tensors. `address` goes into the context's parameters."""

    def __init__(self, library: Library, patterns: Sequence[str], keep: Kept) -> None:
        self._library, self._keep = library, keep
        self.seen = dict.fromkeys(patterns, 0)
        self.found: dict[str, Sums] = {}
        self._failure: BaseException | None = None
        self._checked = False
        self._wanted: dict[bytes, tuple[str, ...]] = {}  # what a tensor of this name is asked for
        self._inputs: dict[bytes, str] = {}
        self._callback = abi.EVAL(self._see)
        self.address = ctypes.cast(self._callback, ctypes.c_void_p).value

    def forget(self) -> None:
        """What comes now is of another text."""
        self.found = {}
        self.seen = dict.fromkeys(self.seen, 0)

    def raise_what_failed(self) -> None:
        if self._failure:
            raise self._failure

    def _see(self, tensor: int, asks: bool, _: object) -> bool:
        try:
            return self._wants(tensor) if asks else self._take(tensor)
        except BaseException as failure:  # noqa: BLE001  # raised when the engine has returned
            self._failure = failure
            return False

    def _wants(self, tensor: int) -> bool:
        if self._failure:
            return False
        if not self._checked:
            self._check(tensor)
        named = self._matching(self._library.ggml_get_name(tensor).decode("utf-8", "replace"))
        return bool(named or self._input_of(tensor))

    def _take(self, tensor: int) -> bool:
        name = self._library.ggml_get_name(tensor).decode("utf-8", "replace")
        if self._matching(name):
            self._add(name, tensor)
        if wanted := self._input_of(tensor):
            if self._keep == "squares":
                self._add_squares(wanted, tensor)
            else:
                self._add(wanted, abi.Tensor.from_address(tensor).src[1])
        return True

    def _input_of(self, tensor: int) -> str:
        """The name under which the second operand of a product is wanted, "" where it is not."""
        if not any(pattern.endswith(INPUT) for pattern in self.seen):
            return ""
        if self._library.ggml_op_desc(tensor) not in PRODUCTS:
            return ""
        weight = self._library.ggml_get_name(abi.Tensor.from_address(tensor).src[0])
        if weight not in self._inputs:
            name = weight.decode("utf-8", "replace") + INPUT
            self._inputs[weight] = name if self._matching(name) else ""
        return self._inputs[weight]

    def _matching(self, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.seen)

    def _add(self, name: str, tensor: int) -> None:
        shown = abi.Tensor.from_address(tensor)
        if shown.type != F32 or not self._library.ggml_is_contiguous(tensor):
            raise Refused(f"{name} is not kept as plain 32-bit numbers")
        frame = np.empty(
            (-1 if not shown.ne[0] else self._rows(tensor, shown.ne[0]), shown.ne[0]), np.float32
        )
        address = frame.ctypes.data_as(ctypes.c_void_p)
        self._library.ggml_backend_tensor_get(tensor, address, 0, frame.nbytes)
        self._found(name, int(shown.ne[0])).add(frame)

    def _add_squares(self, name: str, product: int) -> None:
        sums, counts = squares(self._library, product, name)
        self._found(name, sums.shape[1]).add_squares(sums, counts)

    def _found(self, name: str, width: int) -> Sums:
        for pattern in self.seen:
            self.seen[pattern] += fnmatch.fnmatchcase(name, pattern)
        return self.found.setdefault(name, Sums(self._keep, width))

    def _rows(self, tensor: int, width: int) -> int:
        return int(self._library.ggml_nelements(tensor)) // int(width)

    def _check(self, tensor: int) -> None:
        """Whether our fields lie where the library's getters say. Raises Drifted."""
        library, ours = self._library, abi.Tensor
        shown = ours.from_address(tensor)
        elements = shown.ne[0] * shown.ne[1] * shown.ne[2] * shown.ne[3]
        agrees = (
            library.ggml_tensor_overhead() == ctypes.sizeof(ours) + abi.OBJECT_BYTES
            and library.ggml_nelements(tensor) == elements
            and library.ggml_get_name(tensor) == shown.name
            and library.ggml_get_data(tensor) == shown.data
        )
        if not agrees:
            raise Drifted("a tensor's fields lie elsewhere")
        self._checked = True
