"""A small soak with the real engine. `bench/soak.py` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import soak


async def test_no_request_is_lost_mixed_up_or_cut_off(
    starter_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soak, "model_file", lambda: starter_model)
    tally = await soak.engine(24, tmp_path)
    assert (tally.total, tally.lost) == (24, [])
    assert (tally.mixed_up, tally.evicted_busy, tally.over_budget, tally.left) == (0, 0, 0, 0)
    assert tally.loads >= 3
