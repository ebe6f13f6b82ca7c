"""What loaded models hold of this machine's memory: planned against measured. Knows no engine.

A system counts pages of mapped weights as available, and a cache takes memory only where it was written. So
what is free now is not what a new model may have: what the loaded ones were promised comes off first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import psutil

from fabula.core.plan import HOST, Held, Plan

Loaded = Iterable[tuple[Plan, int]]
"""Plan and process of each loaded model; 0 = it has none."""


def resident(pid: int) -> int:
    """Bytes of the process that are in memory now, mapped files included."""
    try:
        return int(psutil.Process(pid).memory_info().rss) if pid else 0
    except psutil.Error:
        return 0


def own(pid: int) -> int:
    """Bytes that the process takes away from others: without mapped files, which can be read again."""
    try:
        told = psutil.Process(pid).memory_info() if pid else None
    except psutil.Error:
        return 0
    return max(int(told.rss - getattr(told, "shared", 0)), 0) if told else 0


def planned(plan: Plan, device: str = HOST) -> int:
    return sum(part.total for part in plan.devices if part.name == device)


def held(loaded: Loaded) -> Held:
    """What free memory has to keep for those that are loaded."""
    claimed: Counter[str] = Counter()
    taken = 0
    for plan, pid in loaded:
        mine, promised = own(pid), planned(plan) + plan.prompt_cache
        claimed[HOST] += max(promised - mine, 0)
        taken += max(promised, mine)
    return Held(dict(claimed), taken)


def given_back(loaded: Loaded) -> Held:
    """As if they were all unloaded: what they use now would be free."""
    claimed: Counter[str] = Counter()
    for plan, pid in loaded:
        claimed[HOST] -= own(pid)
        for part in plan.devices:
            if part.name != HOST:
                claimed[part.name] -= part.total
    return Held(dict(claimed), 0)
