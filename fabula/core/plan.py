"""The memory plan of one model on one machine, in bytes. Knows no formula: those live in `models/fit`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fabula.core import texts

Verdict = Literal["fits", "tight", "partial", "no"]


Note = texts.Phrase
"""A reason or a warning: a text key with its numbers and names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePlan:
    """What one device (a GPU, or the host's memory) holds, against what it has free."""

    name: str
    weights: int
    kv: int
    compute: int
    output: int = 0
    reserve: int = 0
    available: int

    @property
    def total(self) -> int:
        return self.weights + self.kv + self.compute + self.output + self.reserve


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a model will be loaded and what that takes.

    `tier` says where the figures come from: "rough" (an estimate), "closed form" or "engine" (its own plan).
    """

    model: str
    tier: Literal["rough", "closed form", "engine"]
    verdict: Verdict
    devices: tuple[DevicePlan, ...]
    context: int  # tokens per slot
    slots: int
    gpu_layers: int
    threads: int
    kv_type: str = "f16"
    prompt_cache: int = 0  # bytes of host memory for evicted prompts
    largest_context: int = 0  # tokens that would still fit
    reasons: tuple[Note, ...] = ()
    warnings: tuple[Note, ...] = ()

    @property
    def total(self) -> int:
        return sum(device.total for device in self.devices)

    @property
    def available(self) -> int:
        return sum(device.available for device in self.devices)
