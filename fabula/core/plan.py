"""The memory plan of one model on one machine, in bytes. Knows no formula: those live in `models/fit`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fabula.core import texts
from fabula.core.load import NOTHING, LoadOptions

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
    beside: int = 0  # adapters, the projector for images, a model that guesses ahead
    repacked: int = (
        0  # of the weights: rearranged copies, whose originals the system may drop; not in the total
    )
    available: int
    memory: int = 0  # of the whole device; 0 = not told

    @property
    def total(self) -> int:
        return self.weights + self.kv + self.compute + self.output + self.reserve + self.beside


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
    options: LoadOptions = NOTHING  # what else the engine is told; decided, no longer wished
    idle: tuple[str, ...] = ()  # load options that can change nothing for this model on this machine
    rough: bool = False  # the working memory on the device may be far off

    @property
    def total(self) -> int:
        return sum(device.total for device in self.devices)

    @property
    def available(self) -> int:
        return sum(device.available for device in self.devices)


HOST = "memory"
"""The name of the machine's own memory among the devices of a plan."""

ON_CARDS = ("split_mode", "tensor_split", "main_gpu", "kv_offload", "moe_cpu")
"""Load options that say nothing where all of a model lies in the machine's memory."""


@dataclass(frozen=True, slots=True)
class Held:
    """What loaded models make of the free memory that a machine tells, in bytes.

    `claimed` was promised to them and is not in use yet, by device: weights that are mapped, caches that were
    never touched. It is negative for what they would give back. `taken` is all that they have of the host.
    """

    claimed: Mapping[str, int] = field(default_factory=dict)
    taken: int = 0


def off(plan: Plan, reported: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """How far each device's plan is from what its engine took: 0.01 = one percent too much was planned."""
    parts = ("weights", "kv", "compute", "output")
    planned = {device.name: device for device in plan.devices}
    sums = {name: sum(told.get(part, 0) for part in parts) for name, told in reported.items()}
    return {
        name: sum(getattr(planned[name], part) for part in parts) / total - 1
        for name, total in sums.items()
        if total and name in planned
    }
