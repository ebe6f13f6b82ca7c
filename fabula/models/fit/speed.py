"""How fast a model reads and writes, as a range with its basis. Knows no engine and measures nothing.

    seconds per token = fixed + Σ over types (bytes that a token needs / bytes per second) + cache / its rate
    seconds per prompt token = Σ over types (numbers that a token needs / numbers per second)

Rates per type are measured with models of zeros (`engine/speed`), since what a type costs is not its bytes
alone. For a card of the table only its bandwidth is known: what a program gets of it lies between `REACHED`,
times what the type costs beside F16. Layers on different devices add up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from fabula.models.fit.anatomy import Anatomy, Read
from fabula.models.fit.breakdown import first_on_device
from fabula.models.fit.cache import Load, caches

Basis = Literal["measured", "measured, machine busy", "similar types measured", "bandwidth"]

QUIET = 0.15  # how far measured rates carry to other models; median 7 % and 29 % at most on a loaded machine
SIMILAR = 0.30  # where a type was not measured and its neighbour is taken
BUSY = 0.50  # where other programs worked at the same time
REACHED = (
    0.45,
    0.80,
)  # of a card's bandwidth, by what users report (llmfit 0.5-0.7) and llama.cpp's own table
BESIDE_F16 = {
    "F32": 1.0,
    "F16": 1.0,
    "BF16": 1.0,
    "Q8_0": 435 / 468,
    "Q6_K": 387 / 468,
    "Q4_K": 354 / 468,
    "Q3_K": 262 / 468,
    "Q2_K": 253 / 468,
    "IQ2_XXS": 191 / 468,
    "IQ1_S": 160 / 468,
}
"""Effective rate of a type against F16's, in GB/s: llama.cpp's quantize README, Llama 3.1 8B on one card."""
NEIGHBOURS = {
    "Q5_K": "Q6_K",
    "Q5_0": "Q6_K",
    "Q5_1": "Q6_K",
    "Q4_0": "Q4_K",
    "Q4_1": "Q4_K",
    "IQ4_XS": "Q4_K",
    "IQ4_NL": "Q4_K",
    "MXFP4": "Q4_K",
    "IQ3_S": "Q3_K",
    "IQ3_XXS": "Q3_K",
}
"""What stands for a type that has no rate of its own: the measured one of about its bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Of one device. `read` is bytes per second by type while writing, `compute` numbers per second while
    reading a prompt; `fixed` seconds per token."""

    read: Mapping[str, float]
    compute: Mapping[str, float] = field(default_factory=dict)
    fixed: float = 0.0
    basis: Basis = "measured"

    @property
    def spread(self) -> tuple[float, float]:
        """Factors of the lowest and the highest rate."""
        off = {"measured": QUIET, "similar types measured": SIMILAR, "measured, machine busy": BUSY}
        if self.basis == "bandwidth":
            return REACHED
        return 1 - off[self.basis], 1 + off[self.basis]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Tokens per second, lowest and highest: writing with an empty and with a full context, reading a prompt.

    (0, 0) where nothing is known.
    """

    written: tuple[float, float]
    written_full: tuple[float, float]
    read: tuple[float, float]
    basis: Basis


def of_card(bandwidth: float) -> Rates:
    """What a card's bandwidth (bytes per second) makes likely."""
    return Rates(read={kind: bandwidth * part for kind, part in BESIDE_F16.items()}, basis="bandwidth")


def speed(model: Anatomy, load: Load, host: Rates | None, card: Rates | None) -> Speed | None:
    """None where a device that has a part of the model was not measured."""
    on_host, on_card = _placed(model, load)
    parts = [(host, on_host), (card, on_card)]
    used = [(rates, reads) for rates, reads in parts if reads]
    if not used or any(rates is None for rates, _ in used):
        return None
    known = [(rates, reads) for rates, reads in used if rates is not None]
    cache = sum(caches(model, load)) / max(load.sequences, 1)
    return Speed(
        written=_range(known, 0),
        written_full=_range(known, cache),
        read=_prompt(known),
        basis=_weakest(known),
    )


_Parts = list[tuple[Rates, list[Read]]]


def _placed(model: Anatomy, load: Load) -> tuple[list[Read], list[Read]]:
    """What a token needs of the host, and of the card; experts that stay on the host are read there."""
    first = first_on_device(model, load)
    kept = len(model.layers) if load.experts_on_host < 0 else load.experts_on_host
    host, card = list[Read](), list[Read]()
    for number, layer in enumerate(model.layers):
        for read in layer.reads:
            on_host = number < first or (read.expert and number < kept)
            (host if on_host else card).append(read)
    (card if load.gpu_layers else host).extend(model.output_reads)
    return host, card


def _range(parts: _Parts, cache: float) -> tuple[float, float]:
    slow = fast = 0.0
    for number, (rates, reads) in enumerate(parts):
        low, high = rates.spread
        seconds = sum(read.size / rate_of(rates.read, read.kind) for read in reads)
        if number == len(parts) - 1:  # nearly all of the cache lies where the last layers do
            seconds += cache / max(rates.read.values())
        slow += rates.fixed + seconds / low
        fast += rates.fixed + seconds / high
    return 1 / slow, 1 / fast


def _prompt(parts: _Parts) -> tuple[float, float]:
    if any(not rates.compute for rates, _ in parts):
        return 0.0, 0.0
    slow = fast = 0.0
    for rates, reads in parts:
        low, high = rates.spread
        seconds = sum(read.numbers / rate_of(rates.compute, read.kind) for read in reads)
        slow, fast = slow + seconds / low, fast + seconds / high
    return 1 / slow, 1 / fast


def rate_of(rates: Mapping[str, float], kind: str) -> float:
    """The type's own rate, its neighbour's, or the lowest: what nobody measured is rarely fast."""
    return rates.get(kind) or rates.get(NEIGHBOURS.get(kind, "")) or min(rates.values())


def _weakest(parts: _Parts) -> Basis:
    order: tuple[Basis, ...] = ("bandwidth", "measured, machine busy", "similar types measured", "measured")
    return min((rates.basis for rates, _ in parts), key=order.index)


def kinds_of(model: Anatomy) -> list[str]:
    """The types that a model is read in, most bytes first."""
    sizes: dict[str, float] = {}
    for read in _all_reads(model):
        sizes[read.kind] = sizes.get(read.kind, 0.0) + read.size
    return sorted(sizes, key=lambda kind: -sizes[kind])


def _all_reads(model: Anatomy) -> Iterable[Read]:
    for layer in model.layers:
        yield from layer.reads
    yield from model.output_reads
