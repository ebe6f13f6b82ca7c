"""Models are loaded when they are asked for, one at a time, and never more than fit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from fabula.core.errors import (
    DoesNotFit,
    EngineDied,
    FabulaError,
    ModelBroken,
    ModelBusy,
    ModelLoadFailed,
    QueueFull,
)
from fabula.core.model import LocalModel
from fabula.core.plan import DevicePlan, Plan
from fabula.core.sampling import Sampling
from fabula.core.worker import Prompt, Worker
from fabula.engine.scripted import Reply, ScriptedWorker
from fabula.engine.supervisor import Supervisor

MEMORY = 100  # bytes of this machine; a model is as large as the number in its name
SLOTS = 2


class Machine:
    """A machine whose workers are scripted; counts what happens on it."""

    def __init__(self, **options: object) -> None:
        self.workers: list[ScriptedWorker] = []
        self.changes = 0
        self.load_error: FabulaError | None = None
        self.load_delay_s = 0.0
        self.supervisor = Supervisor(find, self.plan, self.make, on_change=self.changed, **options)

    def changed(self) -> None:
        self.changes += 1

    def plan(self, model: LocalModel) -> Plan:
        used = sum(int(running.model) for running in self.supervisor.running())
        needed = int(model.name)
        memory = DevicePlan(name="memory", weights=needed, kv=0, compute=0, available=MEMORY - used)
        verdict = "fits" if needed <= MEMORY - used else "no"
        return Plan(
            model=model.name, tier="rough", verdict=verdict, devices=(memory,), context=512, slots=SLOTS,
            gpu_layers=0, threads=1,
        )  # fmt: skip

    def make(self, model: LocalModel) -> Worker:
        hello = [Reply("Hello there", delay_s=0.001)]
        worker = ScriptedWorker(hello, load_delay_s=self.load_delay_s, load_error=self.load_error)
        self.workers.append(worker)
        return worker

    def loaded(self) -> list[str]:
        return [running.model for running in self.supervisor.running()]

    async def use(self, name: str) -> None:
        async with self.supervisor.lease(name):
            pass


def find(name: str) -> LocalModel:
    problem = "models.problem.empty" if name == "99" else ""
    return LocalModel(name=name, path=Path(name), size=int(name), problem=problem)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


async def test_a_lease_loads_the_model_once() -> None:
    machine = Machine()
    assert not machine.supervisor.is_loaded("10")
    await machine.use("10")
    await machine.use("10")
    assert machine.supervisor.is_loaded("10")
    assert (len(machine.workers), machine.changes) == (1, 1)
    await machine.supervisor.close()


async def test_those_who_ask_at_the_same_time_share_the_load() -> None:
    machine = Machine()
    machine.load_delay_s = 0.01
    await asyncio.gather(*(machine.use("10") for _ in range(5)))
    assert len(machine.workers) == 1
    await machine.supervisor.close()


async def test_one_who_goes_away_does_not_stop_the_load_of_the_others() -> None:
    machine = Machine()
    machine.load_delay_s = 0.01
    impatient, patient = asyncio.create_task(machine.use("10")), asyncio.create_task(machine.use("10"))
    await asyncio.sleep(0)
    impatient.cancel()
    await patient
    assert machine.loaded() == ["10"]
    await machine.supervisor.close()


async def test_models_that_fit_together_stay_loaded() -> None:
    machine = Machine()
    await machine.use("60")
    await machine.use("40")
    assert machine.loaded() == ["60", "40"]
    await machine.supervisor.close()


async def test_the_model_used_longest_ago_makes_room() -> None:
    machine = Machine()
    for name in ("30", "40", "30", "50"):
        await machine.use(name)
    assert machine.loaded() == ["30", "50"]
    await machine.supervisor.close()


async def test_a_busy_model_never_makes_room() -> None:
    machine = Machine()
    async with machine.supervisor.lease("60"):
        with pytest.raises(DoesNotFit) as refused:
            await machine.use("50")
        assert machine.loaded() == ["60"]
    assert (refused.value.needed, refused.value.available) == (50, 40)
    await machine.supervisor.close()


async def test_an_idle_model_is_unloaded_in_time() -> None:
    machine = Machine(keep_alive_s=0.01)
    await machine.use("10")
    await until(lambda: not machine.workers[0].alive)
    assert machine.loaded() == []
    await machine.supervisor.close()


async def test_a_busy_model_does_not_expire() -> None:
    machine = Machine(keep_alive_s=0.005)
    async with machine.supervisor.lease("10"):
        await asyncio.sleep(0.05)
        assert machine.supervisor.running()[0].expires_at == 0
        assert machine.loaded() == ["10"]
    await until(lambda: not machine.loaded())
    await machine.supervisor.close()


async def test_a_negative_keep_alive_means_for_ever() -> None:
    machine = Machine(keep_alive_s=-1)
    await machine.use("10")
    assert machine.supervisor.running()[0].expires_at == 0
    await machine.supervisor.close()
    assert machine.loaded() == []


async def test_a_dead_worker_is_noticed_and_replaced() -> None:
    machine = Machine()
    async with machine.supervisor.lease("10") as worker:
        machine.workers[0].die()
        with pytest.raises(EngineDied):
            [delta async for delta in worker.stream(Prompt(("Hi",)), Sampling())]
    assert not machine.supervisor.is_loaded("10")
    await machine.use("10")
    assert len(machine.workers) == 2
    await machine.supervisor.close()


async def test_a_model_that_keeps_failing_is_left_alone_for_a_while() -> None:
    machine = Machine()
    machine.load_error = ModelLoadFailed("10", "invalid magic")
    for _ in range(4):
        with pytest.raises(ModelLoadFailed, match="invalid magic"):
            await machine.use("10")
    assert len(machine.workers) == 2
    machine.load_error = None
    await machine.supervisor.load("10")  # a person may insist
    await machine.use("10")
    await machine.supervisor.close()


async def test_a_file_that_is_no_model_is_not_even_tried() -> None:
    machine = Machine()
    with pytest.raises(ModelBroken, match=r"99 cannot be loaded\. The file 99 is empty\."):
        await machine.use("99")
    assert machine.workers == []


async def test_the_queue_has_an_end() -> None:
    machine = Machine(queue_limit=1)
    async with machine.supervisor.lease("10"), machine.supervisor.lease("10"):
        async with machine.supervisor.lease("10"):
            with pytest.raises(QueueFull):
                await machine.use("10")
        await machine.use("10")
    await machine.supervisor.close()


async def test_a_model_can_be_loaded_and_unloaded_by_hand() -> None:
    machine = Machine()
    running = await machine.supervisor.load("10")
    assert (running.model, running.busy, running.plan.context) == ("10", 0, 512)
    async with machine.supervisor.lease("10"):
        with pytest.raises(ModelBusy):
            await machine.supervisor.unload("10")
    await machine.supervisor.unload("10")
    await machine.supervisor.unload("10")
    assert (machine.loaded(), machine.changes) == ([], 2)
    await machine.supervisor.close()


async def test_closing_ends_loads_and_workers() -> None:
    machine = Machine()
    await machine.use("10")
    machine.load_delay_s = 60
    load = asyncio.create_task(machine.use("20"))
    await until(lambda: len(machine.workers) == 2)
    await machine.supervisor.close()
    with pytest.raises(EngineDied, match="closing"):
        await load
    assert not any(worker.alive for worker in machine.workers)
