"""What memory plans say to one who has to make room. Pure; knows no worker."""

from __future__ import annotations

from collections.abc import Mapping

from fabula.core.errors import DoesNotFit, ModelLoadFailed
from fabula.core.plan import HOST, Plan

MEMORY_BACK_SHARE = 0.75

_RANK = {"fits": 0, "tight": 0, "partial": 1, "no": 2}


def is_worse(plan: Plan, best: Plan) -> bool:
    """Whether other models cost this one its place, layers on the GPU, or context."""
    if _RANK[plan.verdict] != _RANK[best.verdict]:
        return _RANK[plan.verdict] > _RANK[best.verdict]
    return plan.verdict != "no" and (plan.gpu_layers, plan.context) < (best.gpu_layers, best.context)


def fitting(plan: Plan) -> Plan:
    """Raises DoesNotFit with the numbers of what is short, or ModelLoadFailed where that is not memory."""
    if plan.verdict != "no":
        return plan
    short = [part for part in plan.devices if part.total > part.available]
    if not short and plan.reasons:
        raise ModelLoadFailed(plan.model, plan.reasons[-1])
    alone = bool(short) and plan.total <= plan.available  # others have room enough, which is no help
    where = max(short, key=lambda part: part.total - part.available) if alone else plan
    raise DoesNotFit(plan.model, where.total, where.available, plan.context)


def gpu_devices(plan: Plan) -> dict[str, int]:
    """What was planned on each GPU, in bytes."""
    return {part.name: part.total for part in plan.devices if part.name != HOST}


def is_back(before: Mapping[str, int], now: Mapping[str, int], devices: Mapping[str, int]) -> bool:
    """Whether most of what a worker had on its GPUs is told as free again."""
    return all(
        now.get(name, 0) - before.get(name, 0) >= MEMORY_BACK_SHARE * size for name, size in devices.items()
    )
