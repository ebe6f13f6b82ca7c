"""Several replies to one prompt, each of which can be written again. Knows no dialect and no engine."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TypeVar

from fabula.core.sampling import SEED_LIMIT
from fabula.turn.request import TurnRequest

Asked = TypeVar("Asked", bound=TurnRequest)


def alternatives(request: Asked, count: int) -> list[Asked]:
    """One for each: with the seed that was asked for, or one that is drawn, and those after it. So the first
    is what a single one would be, and all of them come again where that seed is asked for."""
    asked = request.sampling.seed
    first = secrets.randbelow(SEED_LIMIT) if asked is None else asked
    seeds = [first, *((first + number) % SEED_LIMIT for number in range(1, count))]
    unasked = request.unasked | (frozenset({"seed"}) if asked is None else frozenset())
    return [
        replace(request, sampling=replace(request.sampling, seed=seed), unasked=unasked, number=number)
        for number, seed in enumerate(seeds)
    ]


def led(request: Asked, seed: int | None) -> Asked:
    """With the seed that its model has, where the caller has said nothing of one."""
    if seed is None or "seed" not in request.unasked or "seed" in request.sampling.said:
        return request
    own = (seed + request.number) % SEED_LIMIT
    return replace(
        request,
        sampling=replace(request.sampling, seed=own),
        unasked=request.unasked - {"seed"},
    )
