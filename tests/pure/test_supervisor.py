"""Models are loaded when they are asked for, one at a time, and never more than fit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import NoneType

import pytest

from fabula.core.errors import (
    DoesNotFit,
    EngineDied,
    EngineFailure,
    FabulaError,
    ModelBroken,
    ModelBusy,
    ModelLoadFailed,
    ModelNotFound,
    QueueFull,
)
from fabula.core.load import NO_WISH, LoadOptions, Wish
from fabula.core.model import LocalModel
from fabula.core.plan import DevicePlan, Held, Plan
from fabula.core.sampling import Sampling
from fabula.core.stream import Loading, Queued
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
        self.most_context = self.fitting_context = 100_000
        self.usual_context = 512

    def changed(self) -> None:
        self.changes += 1

    def plan(self, model: LocalModel, options: LoadOptions, held: Held) -> Plan:
        needed, free = int(model.name), MEMORY - held.taken
        context = min(options.context or self.usual_context, self.most_context)
        if context > self.fitting_context:
            needed += MEMORY
        fits = needed <= free
        memory = DevicePlan(name="memory", weights=needed, kv=0, compute=0, available=free)
        return Plan(
            model=model.name, tier="rough", verdict="fits" if fits else "no", devices=(memory,),
            context=context, slots=options.slots or SLOTS,
            gpu_layers=0, threads=1,
            kv_type=options.kv_type or "f16", options=options,
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

    async def served(self, wished: Wish) -> None:
        async with self.supervisor.lease("10", wished):
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


async def test_a_busy_model_never_makes_room_but_is_waited_for() -> None:
    machine = Machine()
    async with machine.supervisor.lease("60"):
        other = asyncio.create_task(machine.use("50"))
        await until(lambda: machine.supervisor.loading() == ["50"])
        await asyncio.sleep(0.02)
        assert machine.loaded() == ["60"]
    await other
    assert machine.loaded() == ["50"]
    await machine.supervisor.close()


async def test_what_never_fits_is_refused_at_once_even_while_others_are_busy() -> None:
    machine = Machine()
    async with machine.supervisor.lease("60"):
        with pytest.raises(DoesNotFit) as refused:
            await machine.use("101")
    assert (refused.value.needed, refused.value.available) == (101, 100)
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
        third = asyncio.create_task(machine.use("10"))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull) as refused:
            await machine.use("10")
    assert (refused.value.waiting, refused.value.seconds) == (1, 1)
    await third
    await machine.use("10")
    await machine.supervisor.close()


async def test_requests_are_served_in_the_order_in_which_they_came() -> None:
    machine, served = Machine(), []

    async def ask(number: int) -> None:
        async with machine.supervisor.lease("10"):
            served.append(number)
            await asyncio.sleep(0.001)

    await asyncio.gather(*(ask(number) for number in range(20)))
    assert served == list(range(20))
    await machine.supervisor.close()


async def test_those_who_wait_hear_their_position() -> None:
    machine = Machine()
    async with machine.supervisor.lease("10"), machine.supervisor.lease("10"):
        asked = [asyncio.create_task(news(machine, "10")) for _ in range(2)]
        await asyncio.sleep(0.01)
    assert [await heard for heard in asked] == [[Queued(1)], [Queued(2)]]
    assert await news(machine, "20") == [Loading("20")]
    await machine.supervisor.close()


async def test_one_who_waits_can_leave_and_the_next_moves_up() -> None:
    machine = Machine()
    async with machine.supervisor.lease("10"), machine.supervisor.lease("10"):
        impatient = asyncio.create_task(machine.use("10"))
        patient = asyncio.create_task(news(machine, "10"))
        await asyncio.sleep(0.01)
        impatient.cancel()
        await asyncio.sleep(0.01)
        assert machine.supervisor.running()[0].waiting == 1
    assert await patient == [Queued(2), Queued(1)]
    await machine.supervisor.close()


async def test_a_model_that_many_want_cannot_starve_another() -> None:
    machine = Machine(patience_s=0.02)
    over = asyncio.Event()

    async def keep_busy() -> None:
        while not over.is_set():
            async with machine.supervisor.lease("60"):
                await asyncio.sleep(0.005)

    crowd = [asyncio.create_task(keep_busy()) for _ in range(6)]
    await until(lambda: machine.loaded() == ["60"])
    heard = await news(machine, "50")
    assert heard[-1] in (Loading("50"), Queued(1, behind="60"))
    over.set()
    await asyncio.gather(*crowd)
    await machine.supervisor.close()


async def test_after_two_crashes_in_a_row_there_is_a_pause_in_which_the_error_is_told() -> None:
    machine = Machine()
    for _ in range(2):
        async with machine.supervisor.lease("10"):
            machine.workers[-1].die()
    with pytest.raises(EngineDied, match="it ended"):
        await machine.use("10")
    assert len(machine.workers) == 2
    await machine.supervisor.load("10")  # a person may insist
    await machine.use("10")
    await machine.supervisor.close()


@pytest.mark.parametrize("how", ["crashes", "failed loads"])
async def test_the_pause_is_over_once_something_else_is_set_for_the_model(how: str) -> None:
    usual = LoadOptions(adapters=(("broken", 1.0),))
    machine = Machine(options=lambda model: usual)
    for _ in range(2):
        if how == "crashes":
            async with machine.supervisor.lease("10"):
                machine.workers[-1].die()
        else:
            machine.load_error = ModelLoadFailed("10", "no such type")
            with pytest.raises(ModelLoadFailed):
                await machine.use("10")
    machine.load_error = None
    with pytest.raises(EngineFailure):
        await machine.use("10")
    usual = LoadOptions()
    await machine.use("10")
    assert (machine.loaded(), len(machine.workers)) == (["10"], 3)
    await machine.supervisor.close()


async def test_a_model_that_stays_for_ever_comes_back_by_itself_after_a_crash() -> None:
    machine = Machine(keep_alive_s=-1)
    await machine.use("10")
    machine.workers[0].die()
    await until(lambda: len(machine.workers) == 2 and machine.loaded() == ["10"])
    await machine.supervisor.close()


async def test_how_long_it_stays_holds_beyond_a_crash() -> None:
    machine = Machine(keep_alive_s=60)
    async with machine.supervisor.lease("10", Wish(keep_alive_s=-1)):
        pass
    machine.workers[0].die()
    await until(lambda: len(machine.workers) == 2 and machine.loaded() == ["10"])
    assert machine.supervisor.running()[0].expires_at == 0
    await machine.supervisor.unload("10")
    await machine.use("10")
    assert machine.supervisor.running()[0].expires_at > 0
    await machine.supervisor.close()


async def test_a_request_can_say_how_long_the_model_stays() -> None:
    machine = Machine(keep_alive_s=-1)
    async with machine.supervisor.lease("10", Wish(keep_alive_s=0)):
        pass
    await until(lambda: not machine.loaded())
    async with machine.supervisor.lease("10", Wish(keep_alive_s=60)):
        assert machine.supervisor.running()[0].expires_at == 0
    assert machine.supervisor.running()[0].expires_at > 0
    await machine.supervisor.close()


async def test_what_was_said_last_holds_for_those_who_say_nothing() -> None:
    machine = Machine(keep_alive_s=60)
    async with machine.supervisor.lease("10", Wish(keep_alive_s=-1)):
        pass
    await machine.use("10")
    assert (machine.supervisor.running()[0].expires_at, machine.supervisor.running()[0].keep_alive_s) == (
        0,
        -1,
    )
    await machine.supervisor.load("10", wish(context=2048))  # loaded again
    await machine.use("10")
    assert machine.supervisor.running()[0].expires_at == 0
    await machine.supervisor.close()


async def test_how_long_it_stays_can_be_changed_while_it_writes() -> None:
    machine = Machine(keep_alive_s=60)
    async with machine.supervisor.lease("10"):
        told = await machine.supervisor.load("10", Wish(keep_alive_s=-1))
        assert (told.expires_at, told.keep_alive_s) == (0, -1)
    assert machine.supervisor.running()[0].expires_at == 0
    async with machine.supervisor.lease("10"):
        async with machine.supervisor.lease("10", Wish(keep_alive_s=0)):
            pass
        assert machine.loaded() == ["10"]
    await until(lambda: not machine.loaded())
    await machine.supervisor.close()


async def test_one_that_is_to_go_goes_after_its_last_reply_and_those_who_wait_are_served() -> None:
    machine = Machine(keep_alive_s=60)
    async with machine.supervisor.lease("10", wish(slots=1)):
        behind = asyncio.create_task(machine.use("10"))
        await until(lambda: machine.supervisor.running()[0].waiting == 1)
        await machine.supervisor.retire("10")
        assert machine.loaded() == ["10"]
    await behind
    await until(lambda: not machine.loaded())
    assert len(machine.workers) == 1
    await machine.supervisor.retire("10")
    assert machine.loaded() == []
    await machine.use("10")
    assert machine.supervisor.running()[0].keep_alive_s == 60
    await machine.supervisor.close()


async def test_one_that_is_loaded_for_no_time_at_all_is_described_and_goes() -> None:
    machine = Machine()
    told = await machine.supervisor.load("10", Wish(keep_alive_s=0))
    assert told.expires_at > 0
    assert machine.supervisor.running()[0].expires_at > 0
    await until(lambda: not machine.loaded())
    await machine.supervisor.close()


def wish(**options: object) -> Wish:
    return Wish(LoadOptions(**options))


async def test_wishes_that_what_is_loaded_can_serve_load_nothing() -> None:
    machine = Machine()
    await machine.supervisor.load("10", wish(context=2048))
    for options in ({}, {"context": 1024}, {"slots": 1}, {"threads": 8}, {"chat_template": "x"}):
        async with machine.supervisor.lease("10", wish(**options)):
            pass
    assert len(machine.workers) == 1
    await machine.supervisor.close()


async def test_a_wish_that_needs_another_load_waits_for_the_running_requests_and_says_why() -> None:
    machine = Machine()
    async with machine.supervisor.lease("10"):
        larger = asyncio.create_task(news(machine, "10", wish(context=4096)))
        await asyncio.sleep(0.01)
        assert len(machine.workers) == 1
    loading = (await larger)[-1]
    assert isinstance(loading, Loading)
    assert str(loading.why) == "It is loaded again because context is 512, and 4096 was asked for."
    assert machine.supervisor.running()[0].why == loading.why
    await machine.use("10")
    assert len(machine.workers) == 2
    await machine.supervisor.close()


async def test_what_could_not_be_had_once_is_not_tried_again_and_again() -> None:
    machine = Machine()
    machine.most_context = 1024
    for context in (4096, 4096, 2048):
        async with machine.supervisor.lease("10", wish(context=context)):
            pass
    assert len(machine.workers) == 2 - 1
    await machine.supervisor.close()


@pytest.mark.parametrize("loaded", [False, True])
async def test_a_wish_that_cannot_be_met_is_refused_to_those_who_have_it_and_takes_nothing_away(
    loaded: bool,
) -> None:
    machine = Machine()
    machine.fitting_context = 1024
    if loaded:
        await machine.use("10")
    huge = wish(context=9000)
    asked = [machine.served(own) for own in (NO_WISH, huge, NO_WISH, wish(slots=1), huge)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer) for answer in answers] == [NoneType, DoesNotFit, NoneType, NoneType, DoesNotFit]
    assert len(machine.workers) == 1
    await machine.supervisor.close()


async def test_a_wish_with_which_it_cannot_be_loaded_is_no_trouble_to_others() -> None:
    machine = Machine()
    machine.load_error = ModelLoadFailed("10", "no such type")
    for _ in range(3):
        with pytest.raises(ModelLoadFailed):
            await machine.served(wish(kv_type="q4_0"))
    assert len(machine.workers) == 2  # there is a pause
    machine.load_error = None
    await machine.served(NO_WISH)
    assert machine.loaded() == ["10"]
    await machine.supervisor.close()


async def test_a_person_who_loads_by_hand_gets_every_wish_but_never_from_a_busy_model() -> None:
    machine = Machine()
    await machine.supervisor.load("10")
    async with machine.supervisor.lease("10"):
        with pytest.raises(ModelBusy):
            await machine.supervisor.load("10", wish(kv_type="q8_0"))
    running = await machine.supervisor.load("10", wish(kv_type="q8_0"))
    assert running.plan.kv_type == "q8_0"
    assert str(running.why).startswith("It is loaded again because kv_type is f16")
    await machine.supervisor.close()


async def test_a_person_who_asks_for_less_context_gets_less_and_others_are_served_with_what_there_is() -> (
    None
):
    machine = Machine()
    await machine.supervisor.load("10", wish(context=2048))
    async with machine.supervisor.lease("10", wish(context=512)) as worker:
        assert worker.plan.context == 2048
    running = await machine.supervisor.load("10", wish(context=512), less=True)
    assert running.plan.context == 512
    await machine.supervisor.close()


async def test_a_request_that_wants_less_context_does_not_take_the_usual_one_from_others() -> None:
    machine = Machine()
    machine.usual_context = 1024
    for own, context in ((wish(context=256, slots=1), 1024), (wish(context=2048, slots=1), 2048)):
        await machine.served(own)
        assert machine.supervisor.running()[0].plan.context == context
    await machine.supervisor.load("10", wish(context=256), less=True)
    assert machine.supervisor.running()[0].plan.context == 256
    await machine.supervisor.unload("10")
    machine.fitting_context = 512  # the usual one does not fit
    await machine.served(wish(context=256))
    assert machine.supervisor.running()[0].plan.context == 256
    await machine.supervisor.close()


async def news(machine: Machine, name: str, asked: Wish = NO_WISH) -> list[Loading | Queued]:
    """What one who asks hears until it is served."""
    async with machine.supervisor.place(name, asked) as place:
        return [heard async for heard in place.steps()]


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


async def test_loads_by_hand_at_the_same_time_are_one_after_the_other() -> None:
    machine = Machine()
    machine.load_delay_s = 0.005
    wishes = [Wish(LoadOptions(kv_type=kv_type)) for kv_type in ("f16", "q8_0", "q4_0", "f16")]
    loads = [asyncio.create_task(machine.supervisor.load("10", wish)) for wish in wishes]
    most = 0
    while not all(load.done() for load in loads):
        most = max(most, sum(worker.alive for worker in machine.workers))
        await asyncio.sleep(0)
    told = [(await load).plan.kv_type for load in loads]
    assert told == ["f16", "q8_0", "q4_0", "f16"]
    assert most == 1
    (running,) = machine.supervisor.running()
    assert (running.plan.kv_type, "kv_type is q4_0, and f16" in str(running.why)) == ("f16", True)
    await machine.supervisor.close()


async def test_a_load_by_hand_does_not_fail_for_what_another_one_wished() -> None:
    machine = Machine()
    machine.fitting_context = 1000
    wishes = [Wish(LoadOptions(context=context)) for context in (2000, 800)]
    loads = [asyncio.create_task(machine.supervisor.load("10", wish)) for wish in wishes]
    with pytest.raises(DoesNotFit):
        await loads[0]
    assert (await loads[1]).plan.context == 800
    await machine.supervisor.close()


async def test_a_load_by_hand_that_waits_for_another_is_told_that_the_studio_closes() -> None:
    machine = Machine()
    machine.load_delay_s = 60
    wishes = [Wish(LoadOptions(kv_type=kv_type)) for kv_type in ("f16", "q8_0")]
    loads = [asyncio.create_task(machine.supervisor.load("10", wish)) for wish in wishes]
    await until(lambda: bool(machine.workers))
    await machine.supervisor.close()
    for load in loads:
        with pytest.raises(EngineDied, match="closing"):
            await load
    assert len(machine.workers) == 1


async def test_a_wish_for_what_is_not_there_leaves_what_is_loaded() -> None:
    def check(model: LocalModel, options: LoadOptions) -> None:
        if options.adapters:
            raise ModelNotFound(options.adapters[0][0], "")

    machine = Machine(check=check)
    await machine.use("10")
    with pytest.raises(ModelNotFound):
        await machine.served(Wish(LoadOptions(adapters=(("nobody", 1.0),))))
    await machine.use("10")
    assert len(machine.workers) == 1
    assert machine.workers[0].alive
    await machine.supervisor.close()


async def test_a_model_whose_file_has_changed_is_loaded_again_and_says_so() -> None:
    stamps = [1]
    machine = Machine(stamp=lambda model: stamps[0])
    await machine.use("10")
    async with machine.supervisor.lease("10"):
        stamps[0] = 2
        again = asyncio.create_task(machine.use("10"))
        await asyncio.sleep(0)
        assert machine.workers[0].alive, "a reply goes on with the weights that it began with"
    await again
    await machine.use("10")
    (running,) = machine.supervisor.running()
    assert (len(machine.workers), machine.workers[0].alive) == (2, False)
    assert "file on the disk has changed" in str(running.why)
    stamps[0] = 3
    assert "file on the disk has changed" in str((await machine.supervisor.load("10")).why)
    assert len(machine.workers) == 3
    await machine.supervisor.close()


async def test_a_model_whose_file_has_gone_can_be_unloaded_while_it_is_loaded() -> None:
    machine = Machine()
    await machine.use("10")
    machine.supervisor._find = gone
    with pytest.raises(ModelNotFound):
        await machine.use("10")
    await machine.supervisor.unload("10")
    assert machine.loaded() == []
    with pytest.raises(ModelNotFound):
        await machine.supervisor.unload("10")
    await machine.supervisor.close()


def gone(name: str) -> LocalModel:
    raise ModelNotFound(name, "")


async def test_of_several_that_are_unloaded_together_none_goes_while_one_is_busy() -> None:
    machine = Machine()
    await machine.use("10")
    async with machine.supervisor.lease("20"):
        with pytest.raises(ModelBusy, match="20"):
            await machine.supervisor.unload("10", "20")
        assert machine.loaded() == ["10", "20"]
    await machine.supervisor.unload("10", "20")
    assert machine.loaded() == []
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
