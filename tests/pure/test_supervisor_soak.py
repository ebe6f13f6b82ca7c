"""A small soak: more models than memory, in random order. `bench/soak.py` is the long one."""

from __future__ import annotations

import pytest

from bench import soak


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_request_is_lost_mixed_up_or_cut_off(seed: int) -> None:
    tally = await soak.scripted(600, seed)
    assert (tally.total, tally.lost) == (600, [])
    assert (tally.mixed_up, tally.evicted_busy, tally.over_budget, tally.left) == (0, 0, 0, 0)
    assert tally.loads > 3
