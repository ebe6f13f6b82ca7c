"""The plan of a load against what the real engine says that it took."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fabula.core.plan import HOST, off
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.models import fit
from fabula.models.formats.identify import identify
from fabula.models.hardware import machine


@pytest.mark.parametrize(("context", "slots", "kv_type"), [(1024, 1, "f16"), (512, 4, "q8_0")])
async def test_a_load_takes_what_was_planned_and_is_written_down(
    starter_model: Path, tmp_path: Path, context: int, slots: int, kv_type: str
) -> None:
    model = identify(starter_model)
    wanted = fit.Wanted(context=context, slots=slots, threads=1, kv_type=kv_type, gpu_layers=0)
    plan = fit.plan(model, machine(), wanted)
    worker = LlamaCppWorker(tmp_path)
    try:
        await worker.load(model, plan)
        assert abs(off(plan, worker.reported)[HOST]) < 0.005
        assert worker.reported[HOST]["kv"] == pytest.approx(plan.devices[0].kv, abs=6000)  # 0.01 MiB
        [line] = (tmp_path / "plans.jsonl").read_text(encoding="utf-8").splitlines()
        assert json.loads(line)["planned"][HOST]["kv"] == plan.devices[0].kv
    finally:
        await worker.close()
