"""What is no number among weights as they are stored: NaN and infinite values. Knows no file.

All bits of their exponent are set, so they are found without computing anything. In packed types only the
scales of a block are such numbers, and one that is none makes all values of its block so. A tensor in which
nothing is but 0 and −∞ is no damaged one: it is a mask of attention that was saved with the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabula.core.errors import WeightsUnusable
from fabula.core.texts import phrase
from fabula.lab.directions import ablate
from fabula.lab.directions.writers import Writer
from fabula.models.formats.types import TENSOR_TYPES, TensorType

Bytes = NDArray[np.uint8]
Read = Callable[[Writer, int, int], NDArray[np.float32]]
"""(writer, first row, count) → [count, row]"""


class Field(NamedTuple):
    """A number at byte `at` of a block; `exponent` are the bits that are all set in what is none."""

    at: int
    bytes: int
    exponent: int


def _halves(*places: int) -> tuple[Field, ...]:
    return tuple(Field(at, 2, 0x7C00) for at in places)


FIELDS: Mapping[str, tuple[Field, ...]] = {
    "F64": (Field(0, 8, 0x7FF << 52),),
    "F32": (Field(0, 4, 0x7F800000),),
    "F16": _halves(0),
    "BF16": (Field(0, 2, 0x7F80),),
    "F8_E5M2": (Field(0, 1, 0x7C),),
    "F8_E4M3": (Field(0, 1, 0x7F),),
    "Q4_0": _halves(0),
    "Q4_1": _halves(0, 2),
    "Q5_0": _halves(0),
    "Q5_1": _halves(0, 2),
    "Q8_0": _halves(0),
    "Q2_K": _halves(80, 82),
    "Q3_K": _halves(108),
    "Q4_K": _halves(0, 2),
    "Q5_K": _halves(0, 2),
    "Q6_K": _halves(208),
    "Q8_K": (Field(0, 4, 0x7F800000),),
    "IQ1_S": _halves(0),
    "IQ1_M": (Field(52, 4, 0x7000C000),),  # the highest bits of four scales are one number of 16 bits
    "IQ2_XXS": _halves(0),
    "IQ2_XS": _halves(0),
    "IQ2_S": _halves(0),
    "IQ3_XXS": _halves(0),
    "IQ3_S": _halves(0),
    "IQ4_NL": _halves(0),
    "IQ4_XS": _halves(0),
    "TQ1_0": _halves(52),
    "TQ2_0": _halves(64),
    "MXFP4": (Field(0, 1, 0xFF),),
    "Q1_0": _halves(0),
    "Q2_0": _halves(0),
}
"""By type, as GGUF and safetensors call it. Types that are not here have whole numbers only; NVFP4 has scales
that cannot be anything else than numbers."""
BLOCKS: Mapping[str, TensorType] = {kind.name: kind for kind in TENSOR_TYPES.values()} | {
    name: TensorType(name, 1, 1) for name in ("F8_E5M2", "F8_E4M3")
}


def block_bytes(type_: str) -> int:
    """The fewest bytes that can be looked through."""
    return BLOCKS[type_].size if type_ in FIELDS else 1


def strange(data: Bytes, type_: str) -> int:
    """How many values are no numbers, in whole blocks; of a type that is not known here, none."""
    if all(_are_numbers(*each) for each in _fields(data, type_)):
        return 0
    found = [_are_strange(*each) for each in _fields(data, type_)]
    return int(np.count_nonzero(np.logical_or.reduce(found))) * BLOCKS[type_].block


MASKED = {"F64": (8, 0xFFF << 52), "F32": (4, 0xFF800000), "F16": (2, 0xFC00), "BF16": (2, 0xFF80)}
"""Bytes of a number, and the bits of −∞."""


def is_mask(data: Bytes, type_: str) -> bool:
    """Whether all values are 0 or −∞."""
    if type_ not in MASKED:
        return False
    size, infinite = MASKED[type_]
    bits = data.view(f"<u{size}")
    return bool(((bits == bits.dtype.type(infinite)) | (bits << bits.dtype.type(1) == 0)).all())


def _fields(data: Bytes, type_: str) -> Iterator[tuple[NDArray[Any], Field]]:
    """The bits of each of a type's fields, of all blocks, as whole numbers that lie behind one another."""
    for each in FIELDS.get(type_, ()):
        found = data.reshape(-1, BLOCKS[type_].size)[:, each.at : each.at + each.bytes]
        yield np.ascontiguousarray(found.view(f"<u{each.bytes}")), each


def _are_numbers(bits: NDArray[Any], each: Field) -> bool:
    """Whether all are; a third of the work of looking at each. What has all bits of the exponent set spells
    at least those bits as a whole number with a sign; or, where it is below 0, as one without."""
    sign = 1 << (8 * each.bytes - 1)
    signed = bits.view(f"<i{each.bytes}")
    return not bits.size or bool(signed.max() < each.exponent and bits.max() < (each.exponent | sign))


def _are_strange(bits: NDArray[Any], each: Field) -> NDArray[np.bool_]:
    wanted = bits.dtype.type(each.exponent)
    found: NDArray[np.bool_] = (bits & wanted) == wanted
    return found


def require(values: NDArray[Any], tensor: str, model: str) -> None:
    """Raises WeightsUnusable where there is one among a whole tensor's values."""
    if count := _count(values):
        raise refusal(tensor, count, model)


def of_rows(read: Read, writer: Writer, model: str) -> WeightsUnusable:
    """Why one is refused of whose values some were found to be none: all of it is looked through."""
    rows, width = int(np.prod(writer.shape[:-1])), writer.shape[-1]
    count = sum(_count(read(writer, *each)) for each in ablate.steps(rows, width))
    return refusal(writer.name, count, model)


def refusal(tensor: str, count: int, model: str) -> WeightsUnusable:
    return WeightsUnusable(model, phrase("lab.directions.no_numbers", tensor=tensor, count=count))


def _count(values: NDArray[Any]) -> int:
    return int(np.count_nonzero(~np.isfinite(values)))
