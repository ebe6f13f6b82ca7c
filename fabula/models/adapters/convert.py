"""Make a GGUF adapter of one that PEFT has saved, for the model that it was trained on.

Names and rows are put where llama.cpp's converter puts those of the model. Numbers stay what they are: F16 as
it is, BF16 and F64 as F32. Knows no engine and no source.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fabula.core.errors import AdapterUnfit, AdapterUnusable
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.models.adapters.adapter import HALVES, Shape
from fabula.models.adapters.fitting import pairs_misfit, shapes_of
from fabula.models.adapters.names import FAMILIES, Place, place_of
from fabula.models.adapters.peft import Change, PeftAdapter, read_peft
from fabula.models.formats.gguf import BadHeader
from fabula.models.formats.gguf_writing import Draft, write
from fabula.models.formats.safetensors import BadTensors, Stored, read_data

F32, F16 = 0, 1  # GGUF's types
WIDTH = {F32: 4, F16: 2}  # bytes
CLOSE = 1e-9  # scales of two changes that differ by less, relative, are the same

Tick = Callable[[int, int], None]
"""Told (done, all) before each tensor; may raise."""


def no_tick(done: int, all: int) -> None:
    """For callers that show no progress."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """A change, where it belongs, and by what its B is multiplied beyond what the file says for all."""

    change: Change
    place: Place
    factor: float = 1.0

    @property
    def shapes(self) -> tuple[Shape, Shape]:
        """In GGUF's order of sizes; an embedding's first half has a row for each token."""
        a, b = self.change.a.shape, self.change.b.shape
        return (a if self.change.embeds else a[::-1]), b[::-1]


def convert(folder: Path, model: LocalModel, target: Path, tick: Tick = no_tick) -> None:
    """Writes the adapter in `folder` to `target`. Raises AdapterUnusable, AdapterUnfit or OSError."""
    adapter = read_peft(folder)
    placed = _placed(adapter, folder.name, model)
    alpha, placed = _one_alpha(placed)
    metadata: dict[str, str | int | float] = {
        "general.type": "adapter",
        "general.architecture": model.architecture,
        "general.name": folder.name,
        "adapter.type": "lora",
        "adapter.lora.alpha": alpha,
    }
    drafts = [draft for one in placed for draft in _drafts(one, adapter.weights, model)]
    try:
        with target.open("wb") as file:
            write(file, metadata, list(_ticking(drafts, tick)))
    except BadTensors as bad:
        reason = phrase(f"models.problem.{bad.reason}", name=folder.name, file=adapter.weights.name)
        raise AdapterUnusable(folder.name, reason) from bad


def _placed(adapter: PeftAdapter, name: str, model: LocalModel) -> list[_Placed]:
    """Every change in its place, compared with the model."""
    family = FAMILIES.get(model.architecture)
    if family is None:
        reason = phrase(
            "models.adapter.unknown_architecture", architecture=model.architecture, names=", ".join(FAMILIES)
        )
        raise AdapterUnusable(name, reason)
    placed = []
    for change in adapter.changes:
        place = place_of(change.module, family)
        if place is None or change.embeds != (place.tensor == "token_embd.weight"):
            module = change.module[:80]
            reason = phrase("models.adapter.unknown_module", module=module, architecture=model.architecture)
            raise AdapterUnusable(name, reason)
        placed.append(_Placed(change, place))
    _refuse_misfits(placed, name, model)
    return placed


def _refuse_misfits(placed: Sequence[_Placed], name: str, model: LocalModel) -> None:
    pairs = {one.place.tensor: one.shapes for one in placed}
    if len(pairs) != len(placed):
        twice = Counter(one.place.tensor for one in placed).most_common(1)[0][0]
        raise AdapterUnusable(name, phrase("models.adapter.half", tensor=twice))
    try:
        problem = pairs_misfit(pairs, shapes_of(model))
    except BadHeader as bad:
        problem = phrase(f"models.problem.{bad.reason}", name=model.name, file=model.path.name)
    if problem:
        raise AdapterUnfit(name, model.name, problem)


def _one_alpha(placed: Sequence[_Placed]) -> tuple[float, list[_Placed]]:
    """The file has one alpha for all, over each one's rank; a change that needs another has it in its B."""
    alphas = [one.change.scale * one.change.rank for one in placed]
    alpha = Counter(alphas).most_common(1)[0][0]
    return alpha, [
        one if abs(own / alpha - 1) < CLOSE else _Placed(one.change, one.place, own / alpha)
        for one, own in zip(placed, alphas, strict=True)
    ]


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────


def _drafts(one: _Placed, weights: Path, model: LocalModel) -> Iterator[Draft]:
    change, (a, b) = one.change, one.shapes
    kind_a = _type_of(change.a)
    kind_b = F32 if one.factor != 1.0 else _type_of(change.b)
    head = model.key_length if one.place.reordered else 0
    if head and (change.b.shape[0] % head or head % 2):
        raise AdapterUnusable(weights.parent.name, phrase("models.adapter.ranks", tensor=change.module[:80]))
    first = partial(_first, weights, change, kind_a)
    second = partial(_second, weights, change.b, kind_b, one.factor, head)
    yield Draft(one.place.tensor + HALVES[0], a, kind_a, _size(change.a, kind_a), first)
    yield Draft(one.place.tensor + HALVES[1], b, kind_b, _size(change.b, kind_b), second)


def _size(tensor: Stored, kind: int) -> int:
    count = 1
    for size in tensor.shape:
        count *= size
    return count * WIDTH[kind]


def _type_of(tensor: Stored) -> int:
    return F16 if tensor.type == "F16" else F32


def _first(weights: Path, change: Change, kind: int) -> bytes:
    data = _numbers(read_data(weights, change.a), change.a.type, kind)
    rows, columns = change.a.shape
    return transposed(data, rows, columns, WIDTH[kind]) if change.embeds else data


def _second(weights: Path, tensor: Stored, kind: int, factor: float, head: int) -> bytes:
    data = _numbers(read_data(weights, tensor), tensor.type, kind)
    if factor != 1.0:
        data = _floats(number * factor for number in _as_floats(data))
    return interleaved(data, tensor.shape[0], head) if head else data


def _numbers(data: bytes, type: str, kind: int) -> bytes:
    """The same numbers in GGUF's type."""
    if type == "BF16":  # the upper half of an F32
        wide = bytearray(2 * len(data))
        wide[2::4], wide[3::4] = data[::2], data[1::2]
        return bytes(wide)
    if type == "F64":
        return _floats(struct.unpack(f"<{len(data) // 8}d", data))
    if type == "F16" and kind == F32:
        return _floats(struct.unpack(f"<{len(data) // 2}e", data))
    return data


def _as_floats(data: bytes) -> array[float]:
    numbers = array("f", data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _floats(numbers: Iterator[float] | Sequence[float]) -> bytes:
    made = array("f", numbers)
    if sys.byteorder == "big":
        made.byteswap()
    return made.tobytes()


def transposed(data: bytes, rows: int, columns: int, width: int) -> bytes:
    """A matrix of numbers of `width` bytes with rows and columns exchanged."""
    source = array({2: "H", 4: "I"}[width], data)
    turned = array(source.typecode, bytes(len(data)))
    for row in range(rows):
        turned[row::rows] = source[row * columns : (row + 1) * columns]
    return turned.tobytes()


def interleaved(data: bytes, rows: int, head: int) -> bytes:
    """The rows of each head of `head` rows, first and second half taken in turns."""
    row = len(data) // rows
    half = head // 2
    order = (
        start + part * half + place
        for start in range(0, rows, head)
        for place in range(half)
        for part in (0, 1)
    )
    return b"".join(data[index * row : (index + 1) * row] for index in order)


def _ticking(drafts: Sequence[Draft], tick: Tick) -> Iterator[Draft]:
    for number, draft in enumerate(drafts):

        def told(number: int = number, make: Callable[[], bytes] = draft.data) -> bytes:
            tick(number, len(drafts))
            return make()

        yield Draft(draft.name, draft.shape, draft.type, draft.size, told)
