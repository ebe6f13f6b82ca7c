"""The community's table: which type of which size of model on which card. Planned, and its lore judged.

A cell of the lore is right where it fits on the card alone, and impossible only where card and memory
together do not hold it either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from fabula.core import texts
from fabula.models import cards
from fabula.models.community.cells import GIB, Cell, Fit, Place, cell, fit

CONTEXT = 8192  # tokens; models of 2023 have half of it
PLACES = {
    6: Place("RTX 2060 6GB", 16 * GIB),
    8: Place("RTX 4060", 32 * GIB),
    12: Place("RTX 3060 12GB", 32 * GIB),
    16: Place("RTX 4060 Ti 16GB", 32 * GIB),
    24: Place("RTX 3090", 64 * GIB),
    48: Place("RTX A6000", 64 * GIB),
}
"""By the GB of the card: an ordinary one, and the memory that a machine with it has."""


@dataclass(frozen=True, slots=True)
class Size:
    """A column: what people call it, and the kinds that stand for it."""

    name: str
    kind: str
    shown: str
    context: int = CONTEXT


SIZES = (
    Size("7–8B", "llama-3.1-8b", "Llama 3.1 8B"),
    Size("13B (2023)", "llama-2-13b", "Llama 2 13B, 4K", 4096),
    Size("12B", "mistral-nemo-12b", "Mistral Nemo 12B"),
    Size("14B", "qwen2.5-14b", "Qwen2.5 14B"),
    Size("24B", "mistral-small-24b", "Mistral Small 24B"),
    Size("27B", "gemma-3-27b", "Gemma 3 27B"),
    Size("32B", "qwen2.5-32b", "Qwen2.5 32B"),
    Size("30B-A3B", "qwen3-30b-a3b", "Qwen3 30B-A3B"),
    Size("70B", "llama-3.1-70b", "Llama 3.1 70B"),
)
CLASSES = {
    "7–8B": ("llama-3.1-8b", "mistral-7b"),
    "13–14B": ("qwen2.5-14b", "mistral-nemo-12b"),
    "30–34B": ("qwen2.5-32b", "gemma-3-27b"),
    "70B": ("llama-3.1-70b",),
}
LORE = {
    8: ("Q8_0", "Q4_K_M", "IQ3_M", "IQ2_XXS"),
    12: ("F16", "Q6_K", "Q4_K_M", "IQ3_M"),
    16: ("F16", "Q8_0", "Q5_K_M", "Q4_K_M"),
    24: ("F16", "F16", "Q6_K", "Q5_K_M"),
    48: ("F16", "F16", "F16", "Q6_K"),
}
"""What the table that goes around says, class by class: "the best that runs"."""
Judgement = Literal["right", "depends", "part", "impossible"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A cell of the lore. `found` is as it would run, `best` the highest type on the card alone."""

    card: int
    size: str
    type: str
    judgement: Judgement
    found: Fit | None
    best: Fit | None


def cells() -> dict[tuple[int, str], Cell]:
    """By the card's GB and the size's name."""
    return {
        (gb, size.name): cell(place, size.kind, size.context)
        for gb, place in PLACES.items()
        for size in SIZES
    }


def judged() -> list[Judged]:
    """`depends`: one of the models of that class fits, another does not."""
    return [
        _judge(gb, size, type_)
        for gb, types in LORE.items()
        for size, type_ in zip(CLASSES, types, strict=True)
    ]


def _judge(gb: int, size: str, type_: str) -> Judged:
    place = PLACES[gb]
    found = [fit(place, kind, type_, CONTEXT) for kind in CLASSES[size]]
    whole = [each is not None and each.whole for each in found]
    running = next((each for each in found if each is not None), None)
    judgement: Judgement = "right" if all(whole) else "depends" if any(whole) else "part"
    if running is None:
        judgement = "impossible"
    best = cell(place, CLASSES[size][0], CONTEXT).whole
    return Judged(gb, size, type_, judgement, running, best)


# ── as data, and as a page ──────────────────────────────────────────────────────────────────────────


def data(language: str = "en") -> dict[str, Any]:
    rows = cells()
    return {
        "about": texts.say("community.about", language),
        "cards": [_card(gb) for gb in PLACES],
        "sizes": [{"name": size.name, "model": size.shown, "context": size.context} for size in SIZES],
        "cells": [
            {"card": gb, "size": name, "whole": _fit(each.whole), "part": _fit(each.part)}
            for (gb, name), each in rows.items()
        ],
        "lore": [
            {
                "card": row.card,
                "size": row.size,
                "type": row.type,
                "judgement": row.judgement,
                "told": texts.say(f"community.{row.judgement}", language),
                "found": _fit(row.found),
                "best": _fit(row.best),
            }
            for row in judged()
        ],
    }


def _card(gb: int) -> dict[str, Any]:
    place = PLACES[gb]
    bandwidth = cards.find(place.card).bandwidth
    return {"gb": gb, "card": place.card, "memory": place.memory, "bandwidth": bandwidth}


def _fit(found: Fit | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "type": found.type,
        "low": found.low,
        "on_card": found.on_card,
        "total": found.plan.total,
        "layers": found.plan.gpu_layers,
        "tokens_per_second": [round(rate, 1) for rate in found.rate],
    }


def page() -> str:
    """The planned table in Markdown: above what is on the card alone, below what the memory helps with."""
    rows = cells()
    lines = [
        "| card (with memory) | " + " | ".join(f"{size.name}<br>{size.shown}" for size in SIZES) + " |",
        "|---" * (len(SIZES) + 1) + "|",
    ]
    for gb, place in PLACES.items():
        name = f"{gb} GB<br>{place.card}<br>+ {place.memory // GIB} GB"
        lines.append(f"| {name} | " + " | ".join(_shown(rows[gb, size.name]) for size in SIZES) + " |")
    return "\n".join(lines)


def _shown(found: Cell) -> str:
    if found.impossible:
        return "impossible"
    whole = _named(found.whole) if found.whole else "–"
    return whole + (f"<br>*{_named(found.part)}*" if found.part else "")


def _named(found: Fit) -> str:
    low, high = found.rate
    digits = 0 if high >= 10 else 1
    return f"{found.type}{'!' if found.low else ''} {low:.{digits}f}–{high:.{digits}f}"


def lore_page() -> str:
    """The lore cell by cell in Markdown."""
    lines = ["| card | size | what goes around | planned |", "|---|---|---|---|"]
    lines += [f"| {row.card} GB | {row.size} | {row.type} | {_verdict(row)} |" for row in judged()]
    return "\n".join(lines)


def _verdict(row: Judged) -> str:
    told = texts.say(f"community.{row.judgement}", "en")
    if row.judgement == "part" and row.found:
        told += f" ({_named(row.found)} tokens/s)"
    if row.judgement in ("right", "depends"):
        return told
    best = f"{row.best.type}{'!' if row.best.low else ''}" if row.best else "nothing"
    return f"{told}; the card alone holds {best}"
