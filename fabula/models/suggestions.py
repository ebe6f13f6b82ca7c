"""Which well-known model, in which quantization, suits this machine. Knows no network: sizes are calculated.

The list is data (`suggestions.json`). A size is parameters × bits per weight, hence approximate; the verdict
is the rough plan's for a context of at least 8,192 tokens.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fabula.core.model import LocalModel
from fabula.core.plan import Note, Plan, Verdict
from fabula.models.fit import DEFAULT_CONTEXT, Wanted, plan
from fabula.models.hardware import Machine

FILE = Path(__file__).with_suffix(".json")

PENALTY = {"Q8_0": 0.5, "Q6_K": 0.0, "Q5_K_M": 1.0, "Q4_K_M": 2.0, "MXFP4": 0.0, "IQ4_XS": 3.5}
"""Points of quality that a quantization costs. Q8_0 is hardly better than Q6_K, and slower."""

PARTIAL_COST = 3.0  # what does not fit on the GPU whole is slower
SLOW = 1.5  # points per GB that a processor must read for each token beyond the first two
TIGHT_COST = 4.0
FAMILY_COST = 3.0  # per model of the same family further up: three suggestions should differ
IDLE_MEMORY = 0.75  # of all memory is free when no large program runs
SCREEN = 1 << 30  # bytes of a GPU that a desktop takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A model worth getting. `size` is approximate bytes, `context` the tokens that fit with it."""

    title: str
    source: str
    size: int
    parameters: int
    active: int
    quantization: str
    context: int
    verdict: Verdict
    why: Note
    licence: str
    tasks: tuple[str, ...]
    languages: tuple[str, ...]
    approximate: bool = True


@dataclass(frozen=True, slots=True)
class _Offer:
    suggestion: Suggestion
    family: str
    score: float


def suggest(machine: Machine, installed: Iterable[LocalModel] = (), gpu: bool = False) -> list[Suggestion]:
    """Models that this machine can run with at least 8k context and that are not there yet, best first.

    Judged by the machine when it is idle, not by what happens to be free now.
    """
    idle = _idle(machine)
    names = [_plain(model.name) for model in installed]
    offers = []
    for row in _shelf()["models"]:
        if not any(_plain(row["title"]) in name for name in names):
            offers += _best_offer(row, idle, gpu)
    return _ranked(offers)


def approximate_size(parameters: int, bits: float) -> int:
    """Bytes of a file with that many bits per weight."""
    return round(parameters * bits / 8)


@functools.cache
def _shelf() -> dict[str, Any]:
    shelf: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return shelf


def _idle(machine: Machine) -> Machine:
    cards = tuple(
        replace(card, memory_free=max(card.memory_free, card.memory - SCREEN)) for card in machine.gpus
    )
    memory = max(machine.memory_available, int(machine.memory * IDLE_MEMORY))
    return replace(machine, memory_available=memory, gpus=cards)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _best_offer(row: dict[str, Any], machine: Machine, gpu: bool) -> list[_Offer]:
    """The quantization with the best balance; nothing when none fits."""
    offers = []
    for quantization, bits in _shelf()["bits"][row["bits"]].items():
        model = _as_model(row, quantization, bits)
        planned = plan(model, machine, Wanted(context=DEFAULT_CONTEXT, slots=1), gpu)
        if planned.verdict != "no":
            offers.append(_offer(row, model, planned))
    return sorted(offers, key=lambda offer: -offer.score)[:1]


def _as_model(row: dict[str, Any], quantization: str, bits: float) -> LocalModel:
    """The model as the planner sees it: as many layers as have a full cache at 8k tokens."""
    return LocalModel(
        name=row["title"],
        path=Path(row["title"]),
        size=approximate_size(row["parameters"], bits),
        parameters=row["parameters"],
        quantization=quantization,
        trained_context=row["trained_context"],
        layers=row["kv_layers"],
        embedding=row["embedding"],
        kv_heads=row["kv_heads"],
        key_length=row["head_length"],
        value_length=row["head_length"],
        vocabulary=row["vocabulary"],
    )


def _offer(row: dict[str, Any], model: LocalModel, planned: Plan) -> _Offer:
    read = model.size * row["active"] / row["parameters"]  # bytes per token
    on_host = 1 - planned.gpu_layers / (model.layers + 1)
    score = row["quality"] - PENALTY[model.quantization]
    score -= SLOW * max(read * on_host / 1e9 - 2, 0)
    score -= {"tight": TIGHT_COST, "partial": PARTIAL_COST}.get(planned.verdict, 0)
    suggestion = Suggestion(
        title=row["title"],
        source=f"hf:{row['repository']}:{model.quantization}",
        size=model.size,
        parameters=row["parameters"],
        active=row["active"],
        quantization=model.quantization,
        context=planned.largest_context,
        verdict=planned.verdict,
        why=_why(row, model, planned),
        licence=row["licence"],
        tasks=tuple(row["tasks"]),
        languages=tuple(row["languages"]),
    )
    return _Offer(suggestion, row["family"], score)


def _why(row: dict[str, Any], model: LocalModel, planned: Plan) -> Note:
    fields = {
        "size": model.size,
        "context": planned.largest_context,
        "parameters": row["parameters"] / 1e9,
        "active": row["active"] / 1e9,
    }
    return Note(f"models.suggest.{row['why']}", fields)


def _ranked(offers: list[_Offer]) -> list[Suggestion]:
    """Best first, each family losing a little for every member that is already above."""
    left, ranked = list(offers), list[_Offer]()
    while left:
        seen = [offer.family for offer in ranked]
        best = max(left, key=lambda offer: offer.score - FAMILY_COST * seen.count(offer.family))
        left.remove(best)
        ranked.append(best)
    return [offer.suggestion for offer in ranked]
