"""What memory plans say to one who has to make room. Pure; knows no worker."""

from __future__ import annotations

from collections.abc import Mapping

from fabula.core.errors import DoesNotFit
from fabula.core.plan import HOST, Plan

MEMORY_BACK_SHARE = 0.75

_RANK = {"fits": 0, "tight": 0, "partial": 1, "no": 2}


def is_worse(plan: Plan, best: Plan) -> bool:
    """Whether other models cost this one its place, layers on the GPU, or context."""
    if _RANK[plan.verdict] != _RANK[best.verdict]:
        return _RANK[plan.verdict] > _RANK[best.verdict]
    return plan.verdict != "no" and (plan.gpu_layers, plan.context) < (best.gpu_layers, best.context)


def fitting(plan: Plan) -> Plan:
    """Raises DoesNotFit."""
    if plan.verdict == "no":
        raise DoesNotFit(plan.model, plan.total, plan.available, plan.context)
    return plan


def gpu_devices(plan: Plan) -> dict[str, int]:
    """What was planned on each GPU, in bytes."""
    return {part.name: part.total for part in plan.devices if part.name != HOST}


def is_back(before: Mapping[str, int], now: Mapping[str, int], devices: Mapping[str, int]) -> bool:
    """Whether most of what a worker had on its GPUs is told as free again."""
    return all(
        now.get(name, 0) - before.get(name, 0) >= MEMORY_BACK_SHARE * size for name, size in devices.items()
    )
