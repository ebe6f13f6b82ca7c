"""Put a model onto the devices of a machine: what lies where, in bytes. Decides nothing.

Several cards hold contiguous runs of layers, by their shares; the output lies on the last one. Each card
has working memory of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fabula.core.plan import HOST, DevicePlan
from fabula.models.fit.anatomy import Anatomy
from fabula.models.fit.breakdown import Breakdown, breakdown, first_on_device
from fabula.models.fit.cache import Load, layer_bytes
from fabula.models.fit.constants import Constants
from fabula.models.fit.wanted import Beside
from fabula.models.gpus import Gpu
from fabula.models.hardware import Machine

RESERVE = 55 << 20  # bytes of the engine's process beside its buffers; measured
GPU_RESERVE = 512 << 20  # bytes at least that a GPU's context and kernels take
GPU_SHARE = 0.04  # of a GPU's memory, where that is more
SCREEN = 512 << 20  # bytes of a GPU that drives a display
LOGIT = 4  # bytes


@dataclass(frozen=True, slots=True)
class Ground:
    """The model and the machine that it is put onto. `shares` are the cards' parts, which add up to 1."""

    model: Anatomy
    machine: Machine
    cards: tuple[Gpu, ...]
    shares: tuple[float, ...]
    beside: Beside
    known: Constants
    build_repacks: bool = True


def reserve(card: Gpu) -> int:
    """Bytes of a card that no plan may touch."""
    if card.unified:
        return 0
    return max(GPU_RESERVE, int(card.memory * GPU_SHARE)) + (SCREEN if card.display else 0)


def place(ground: Ground, load: Load) -> tuple[DevicePlan, ...]:
    """The machine's memory first, then each card that takes part."""
    parts = breakdown(ground.model, load, ground.known)
    if not load.gpu_layers:
        return (_host(ground, load, parts, 0, ground.beside.total),)
    cards = _on_cards(ground, load, parts)
    taken = sum(card.total for card in cards) if ground.cards[0].unified else 0
    return (_host(ground, load, parts, taken, 0), *cards)


def _host(ground: Ground, load: Load, parts: Breakdown, taken: int, beside: int) -> DevicePlan:
    outputs = max(load.sequences, 1)
    return DevicePlan(
        name=HOST,
        weights=parts.host_model,
        kv=parts.host_context,
        compute=parts.host_compute,
        output=LOGIT * ground.model.widths.vocabulary * outputs,
        reserve=RESERVE,
        beside=beside,
        repacked=_repacked(ground, load),
        available=max(ground.machine.memory_available - taken, 0),
        memory=ground.machine.memory,
    )


def _repacked(ground: Ground, load: Load) -> int:
    first = first_on_device(ground.model, load)
    return sum(layer.repacked for layer in ground.model.layers[:first]) if ground.build_repacks else 0


def _on_cards(ground: Ground, load: Load, parts: Breakdown) -> list[DevicePlan]:
    weights, caches = _slices(ground, load, parts)
    plans = []
    for number, card in enumerate(ground.cards):
        if not ground.shares[number]:
            continue
        plans.append(
            DevicePlan(
                name=card.name,
                weights=weights[number],
                kv=caches[number],
                compute=parts.device_compute,
                beside=ground.beside.total if number == 0 else 0,
                reserve=reserve(card),
                available=card.memory_free,
                memory=card.memory,
            )
        )
    return plans


def _slices(ground: Ground, load: Load, parts: Breakdown) -> tuple[list[int], list[int]]:
    """(weights, caches) of each card, which add up to those of the whole."""
    if len(ground.cards) == 1:
        return [parts.device_model], [parts.device_context]
    model = ground.model
    first, count = first_on_device(model, load), len(model.layers)
    weights, caches = [0] * len(ground.cards), [0] * len(ground.cards)
    for number in range(first, count):
        card = _card_of((number - first) / (count + 1 - first), ground.shares)
        kept = model.layers[number].experts if _keeps(load, number) else 0
        weights[card] += model.layers[number].on_device - kept
        caches[card] += layer_bytes(model.layers[number], load) if load.kv_offload else 0
    last = _card_of((count - first) / (count + 1 - first), ground.shares)
    weights[last] += parts.device_model - sum(weights)
    return weights, caches


def _keeps(load: Load, number: int) -> bool:
    return load.experts_on_host < 0 or number < load.experts_on_host


def _card_of(position: float, shares: Sequence[float]) -> int:
    """The card whose share a place between 0 and 1 falls into."""
    reached = 0.0
    for card, share in enumerate(shares):
        reached += share
        if position < reached:
            return card
    return max(card for card, share in enumerate(shares) if share)
