"""The engine's own plan: the seam through which it is asked, and what becomes of a plan when it has answered.

Knows no engine: `engine/oracle` implements the seam.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from fabula.core.model import LocalModel
from fabula.core.plan import DevicePlan, Plan
from fabula.models.fit.plan import verdict_of
from fabula.models.formats.gguf import Header

MIB = 1 << 20


class Oracle(Protocol):
    """Asks the engine how it would load a model, without its weights."""

    async def plan(self, model: LocalModel, plan: Plan, headers: tuple[Header, ...] = ()) -> Plan:
        """`plan` with the engine's figures. `headers` are those of a model whose file is elsewhere.

        Raises BadParameter where this engine cannot be asked, or an EngineFailure.
        """
        ...


def told(plan: Plan, figures: Mapping[str, Mapping[str, int]]) -> Plan:
    """The plan with what the engine says of each device: `weights`, `kv` and `compute` in bytes.

    The engine's log rounds; where the header's exact weights agree with it, they stay.
    """
    devices = tuple(_corrected(device, figures.get(device.name, {})) for device in plan.devices)
    return replace(
        plan, tier="engine", devices=devices, rough=False, verdict=verdict_of(plan.verdict, devices)
    )


def _corrected(device: DevicePlan, figures: Mapping[str, int]) -> DevicePlan:
    if not figures:
        return device
    weights = figures["weights"]
    exact = device.weights if abs(device.weights - weights) <= MIB else weights
    return replace(device, weights=exact, kv=figures["kv"], compute=figures["compute"])
