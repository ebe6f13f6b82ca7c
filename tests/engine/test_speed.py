"""Models of zeros in the real engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fabula.engine.builds.builds import ours
from fabula.engine.speed import measure as measuring
from fabula.engine.speed.zero import Shape
from fabula.models.hardware import machine


async def test_rates_of_a_type_are_measured_with_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    little = Shape(1, 256, 1024)
    monkeypatch.setattr(measuring, "LARGE", little)
    monkeypatch.setattr(measuring, "WRITTEN", 4)
    told: list[str] = []
    setting = measuring.Setting(machine=replace(machine(), gpus=()), build=ours(), threads=1)
    rates = await measuring.measure(["Q4_0"], setting, told.append)
    assert told == ["Q4_0"]
    assert rates.read["Q4_0"] > 0
    assert rates.compute["Q4_0"] > 0
    assert rates.fixed > 0
