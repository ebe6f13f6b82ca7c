"""Well-known graphics cards, for plans of other machines: memory and bandwidth, each with its source.

Bandwidth is interface width / 8 × data rate: the most that a card can reach. Knows no driver.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import cast

from fabula.core.errors import BadParameter
from fabula.core.texts import phrase
from fabula.models.gpus import APPLE_SHARE, Gpu, Kind

GIB = 1 << 30
_MAKERS = re.compile(r"\b(nvidia|geforce|amd|radeon|apple|tesla|graphics|laptop|gpu)\b|\((r|tm)\)")
_MEMORY = re.compile(r"\b(\d+)\s*gi?b?\b")
_CONSUMER = re.compile(r"^(GTX|RTX) \d{4}\b")
_GLUED = re.compile(r"\b(gtx|rtx|rx|titan)(?=\d)|(?<=\d)(?=(ti|super)\b)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Memory in bytes, bandwidth in bytes per second. Apple's chips share their memory with the processor."""

    name: str
    memory: int
    bandwidth: float
    kind: Kind
    source: str

    @property
    def gpu(self) -> Gpu:
        """As a machine would have it, with nothing else on it."""
        if self.kind == "metal":
            memory = int(self.memory * APPLE_SHARE)
            return Gpu(self.name, memory, memory, self.kind, unified=True)
        return Gpu(self.name, self.memory, self.memory, self.kind)


@functools.cache
def cards() -> tuple[Card, ...]:
    table = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return tuple(
        Card(
            name=row["name"],
            memory=row["memory_gb"] * GIB,
            bandwidth=row["bus_bits"] / 8 * row["gbps"] * 1e9,
            kind=cast(Kind, row["kind"]),
            source=table["sources"][row["source"]],
        )
        for row in table["cards"]
    )


def find(text: str) -> Card:
    """The card that a person means: "RTX 3060 12GB", "nvidia geforce rtx3060 12 GiB", "4090".

    Raises BadParameter with the nearest names where it is none, or several with different memory.
    """
    found = matching(text)
    if len(found) == 1:
        return found[0]
    names = [card.name for card in found] or _near(text)
    raise BadParameter("gpu", text[:80], phrase("expected.one_of", names=", ".join(names)))


def matching(text: str) -> list[Card]:
    """All cards that a name fits."""
    name, memory = _taken_apart(text)
    fitting = [card for card in cards() if memory in (0, card.memory)]
    whole = [card for card in fitting if _is_named(card, name)]
    return whole or [card for card in fitting if name and _taken_apart(card.name)[0].startswith(f"{name} ")]


def ordinary(memory: int) -> Card:
    """For a card without a name: of the consumer cards with about as much memory the middling one."""
    rows = [card for card in cards() if card.kind == "cuda" and _CONSUMER.match(card.name)]
    nearest = min((abs(card.memory - memory) for card in rows), default=0)
    same = sorted(
        (card for card in rows if abs(card.memory - memory) == nearest), key=lambda each: each.bandwidth
    )
    return same[(len(same) - 1) // 2]


def _is_named(card: Card, name: str) -> bool:
    """The name may go without its family: "4090"."""
    own, _ = _taken_apart(card.name)
    return bool(name) and name in (own, own.split(" ", 1)[-1])


def _taken_apart(text: str) -> tuple[str, int]:
    """(name without its maker, bytes of memory where it says so)"""
    low = _MAKERS.sub(" ", text.lower().replace("-", " "))
    memory = _MEMORY.search(low)
    low = _GLUED.sub(lambda match: f"{match[0]} ", _MEMORY.sub(" ", low))
    return " ".join(low.split()), int(memory[1]) * GIB if memory else 0


def _near(text: str) -> list[str]:
    names = {_taken_apart(card.name)[0]: card.name for card in cards()}
    close = get_close_matches(_taken_apart(text)[0], list(names), 5, 0.3)
    return [names[name] for name in close] or [card.name for card in cards()][:5]
