"""What loaded models make of the memory that a machine says is free."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from fabula.core.errors import DoesNotFit, FabulaError, ModelLoadFailed
from fabula.core.plan import DevicePlan, Plan
from fabula.core.texts import LANGUAGES, phrase
from fabula.engine import memory
from fabula.engine.line import Line
from fabula.engine.room import fitting, is_back, is_worse
from fabula.models.gpus import Gpu, named, read_used

MINE = os.getpid()
GIB = 1 << 30


def planned(host: int, card: int = 0, **facts: object) -> Plan:
    devices = [DevicePlan(name="memory", weights=host, kv=0, compute=0, available=host)]
    if card:
        devices.append(DevicePlan(name="RTX", weights=card, kv=0, compute=0, available=card))
    plain = {"verdict": "fits", "context": 512, "slots": 1, "gpu_layers": 0, "threads": 1}
    return Plan(model="m", tier="rough", devices=tuple(devices), **(plain | facts))


def test_what_was_promised_and_not_touched_is_kept() -> None:
    used = memory.own(MINE)
    assert 0 < used < memory.resident(MINE)
    held = memory.held([(planned(100 * GIB), MINE), (planned(GIB), 0)])
    assert abs(held.claimed["memory"] - (101 * GIB - used)) < GIB // 4
    assert held.taken == 101 * GIB


def test_one_that_takes_more_than_was_planned_counts_as_it_is() -> None:
    held = memory.held([(planned(1), MINE)])
    assert (held.claimed["memory"], held.taken > 1) == (0, True)


def test_unloading_gives_back_what_is_used_here_and_what_was_planned_there() -> None:
    given = memory.given_back([(planned(GIB, card=2 * GIB), MINE)])
    assert given.claimed["memory"] < 0
    assert given.claimed["RTX"] == -2 * GIB


def test_a_process_that_is_gone_holds_nothing() -> None:
    assert (memory.own(2**22 - 1), memory.resident(0)) == (0, 0)


def test_others_cost_a_model_its_place_its_layers_or_its_context() -> None:
    best = planned(1, context=8192, gpu_layers=33)
    assert is_worse(planned(1, verdict="no"), best)
    assert is_worse(planned(1, verdict="partial", gpu_layers=20), best)
    assert is_worse(planned(1, context=4096, gpu_layers=33), best)
    assert not is_worse(planned(1, context=8192, gpu_layers=33, verdict="tight"), best)


def test_a_gpus_memory_is_back_when_most_of_it_is_told_as_free() -> None:
    before = {"RTX": GIB}
    assert not is_back(before, {"RTX": 2 * GIB}, {"RTX": 4 * GIB})
    assert is_back(before, {"RTX": 4 * GIB}, {"RTX": 4 * GIB})


CARDS = "GPU-aaa, NVIDIA L4\nGPU-bbb, NVIDIA L4\n"
APPS = "77, GPU-bbb, 2048\n77, GPU-aaa, 512\n12, GPU-aaa, 9000\n77, GPU-zzz, [N/A]\n"


def test_the_driver_tells_what_a_process_has_on_each_card() -> None:
    assert read_used(CARDS, APPS, 77) == {"NVIDIA L4": 512 << 20, "NVIDIA L4 #2": 2048 << 20}
    assert read_used("", "", 77) == {}
    assert [name for name, _ in named((Gpu("A", 1, 1, "cuda"),) * 2)] == ["A", "A #2"]


def test_when_to_come_again_follows_from_how_long_requests_take() -> None:
    line = Line(model=None, slots=2, mean_s=3.0)  # type: ignore[arg-type]
    line.waiting = [None] * 4  # type: ignore[list-item]
    assert line.retry_s == 6


def refused(plan: Plan) -> FabulaError:
    with pytest.raises(FabulaError) as caught:
        fitting(plan)
    return caught.value


def test_what_is_short_is_told_with_its_own_numbers() -> None:
    card = DevicePlan(name="RTX", weights=8 * GIB, kv=0, compute=0, available=4 * GIB)
    host = DevicePlan(name="memory", weights=GIB, kv=0, compute=0, available=16 * GIB)
    told = refused(replace(planned(1, verdict="no"), devices=(host, card)))
    assert isinstance(told, DoesNotFit)
    assert (told.needed, told.available) == (8 * GIB, 4 * GIB)
    told = refused(replace(planned(1, verdict="no"), devices=(replace(host, available=0), card)))
    assert isinstance(told, DoesNotFit)
    assert (told.needed, told.available) == (9 * GIB, 4 * GIB)


def test_what_is_refused_for_another_reason_names_it() -> None:
    why = phrase("models.fit.refused_values", keys="f16", values="q4_0")
    told = refused(replace(planned(1, verdict="no"), reasons=(why,)))
    assert isinstance(told, ModelLoadFailed)
    for language in LANGUAGES:
        assert "flash attention" in told.sentence(language).lower()
        assert "q4_0" in told.sentence(language)
