"""What goes wrong with an engine, and what a person is told."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest
from asking import collect, is_gone, plan_for, text_of

from fabula.core.errors import EngineDied, EngineTimeout, ModelLoadFailed
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import Held, Plan
from fabula.core.sampling import Sampling
from fabula.core.stream import Delta
from fabula.core.worker import Prompt
from fabula.engine.llamacpp import pulse
from fabula.engine.llamacpp.process import EngineProcess
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.engine.supervisor import Supervisor


@pytest.fixture
async def supervisor(model: LocalModel, tmp_path: Path) -> AsyncIterator[Supervisor]:
    def find(name: str) -> LocalModel:
        return model if name == model.name else LocalModel(name=name, path=tmp_path / name, size=1)

    def plan(model: LocalModel, options: LoadOptions, held: Held) -> Plan:
        return plan_for(model)

    supervisor = Supervisor(find, plan, lambda model: LlamaCppWorker(tmp_path / "logs"))
    yield supervisor
    await supervisor.close()


async def test_a_killed_engine_is_noticed_and_loaded_again(supervisor: Supervisor) -> None:
    seen: list[Delta] = []

    async def read_and_kill() -> None:
        async with supervisor.lease("starter") as worker:
            running = supervisor.running()
            async for delta in worker.stream(Prompt(("Once upon",)), Sampling(ignore_eos=True)):
                seen.append(delta)
                if len(text_of(seen)) >= 20 and running:  # once: what it had written before still comes
                    os.kill(running.pop().pid, signal.SIGKILL)

    with pytest.raises(EngineDied, match=r"was killed \(SIGKILL\)"):
        await read_and_kill()
    assert len(text_of(seen)) >= 20
    assert not supervisor.is_loaded("starter")
    async with supervisor.lease("starter") as worker:
        _, finished = await collect(worker, "Once upon", max_tokens=3)
    assert finished.completion_tokens == 3


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process can be stopped here")
async def test_an_engine_that_hangs_is_ended_and_loaded_again(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "LOOK_S", 0.2)
    monkeypatch.setattr(pulse, "ANSWER_S", 0.2)

    async def read_and_stop() -> None:
        async with supervisor.lease("starter") as worker:
            (running,) = supervisor.running()
            async for delta in worker.stream(Prompt(("Once upon",)), Sampling(ignore_eos=True)):
                if text_of([delta]):
                    os.kill(running.pid, signal.SIGSTOP)

    with pytest.raises(EngineDied, match="answered nothing and did nothing"):
        await read_and_stop()
    async with supervisor.lease("starter") as worker:
        _, finished = await collect(worker, "Once upon", max_tokens=3)
    assert finished.completion_tokens == 3


ASKED = {
    "tokenize": lambda worker: worker.tokenize(Prompt(("Once upon",))),
    "detokenize": lambda worker: worker.detokenize([1, 2, 3]),
    "embed": lambda worker: worker.embed(["Once upon"]),
    "save": lambda worker: worker.save_slot(0, "state"),
}


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process can be stopped here")
@pytest.mark.parametrize("asked", list(ASKED.values()), ids=list(ASKED))
async def test_so_is_one_that_hangs_while_something_else_than_a_text_is_asked(
    model: LocalModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: Callable[[LlamaCppWorker], Awaitable[object]],
) -> None:
    monkeypatch.setattr(pulse, "LOOK_S", 0.2)
    monkeypatch.setattr(pulse, "ANSWER_S", 0.2)
    worker = LlamaCppWorker(tmp_path)
    await worker.load(model, plan_for(model, options=LoadOptions(pooling="mean")))
    os.kill(worker.pid, signal.SIGSTOP)
    # A thread of it that runs elsewhere may still answer until the last one has stopped.
    os.waitid(os.P_PID, worker.pid, os.WSTOPPED | os.WNOWAIT)
    with pytest.raises(EngineDied, match="answered nothing and did nothing"):
        await asked(worker)
    await worker.close()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process can be stopped here")
async def test_one_that_hardly_gets_to_run_is_left_alone(
    model: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine that does something else: stopped for most of the time, and looked at all the time."""
    monkeypatch.setattr(pulse, "LOOK_S", 0.01)
    worker = LlamaCppWorker(tmp_path)
    await worker.load(model, plan_for(model))
    reading = asyncio.create_task(collect(worker, Prompt((tuple(range(100, 200)),)), max_tokens=2))
    while not reading.done():
        os.kill(worker.pid, signal.SIGSTOP)
        await asyncio.sleep(0.4)
        os.kill(worker.pid, signal.SIGCONT)
        await asyncio.sleep(0.1)
    _, finished = await reading
    await worker.close()
    assert finished.completion_tokens == 2


async def test_one_whose_threads_all_write_is_left_alone_though_it_does_not_answer(
    model: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More requests than it has threads for them: the next one waits until one of them has ended."""
    monkeypatch.setattr(pulse, "LOOK_S", 0.05)
    monkeypatch.setattr(pulse, "ANSWER_S", 0.05)
    missed = asyncio.Event()
    answers = pulse._answers

    async def noted(address: tuple[str, int]) -> bool:
        if not (answered := await answers(address)):
            missed.set()
        return answered

    monkeypatch.setattr(pulse, "_answers", noted)
    worker = LlamaCppWorker(tmp_path)
    await worker.load(model, plan_for(model, slots=4, context=256))
    body = {"prompt": "Once upon", "n_predict": 60, "ignore_eos": True}
    written = await asyncio.gather(*(worker._post("/completion", body) for _ in range(16)))
    await worker.close()
    assert [each["tokens_predicted"] for each in written] == [60] * 16
    if not missed.is_set():
        pytest.skip("the engine has a thread for each of 16 requests on this machine")


async def test_an_idle_engine_that_dies_is_taken_off_the_list(supervisor: Supervisor) -> None:
    running = await supervisor.load("starter")
    os.kill(running.pid, signal.SIGKILL)
    while supervisor.running():
        await asyncio.sleep(0.01)
    assert await is_gone(running.pid)


async def test_a_broken_model_leaves_nothing_loaded(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_text("This is a shopping list.\n" * 20)
    with pytest.raises(ModelLoadFailed, match="invalid magic characters: 'This', expected 'GGUF'"):
        async with supervisor.lease("broken.gguf"):
            pass
    assert supervisor.running() == []


async def test_a_child_that_never_gets_ready_is_given_up(model: LocalModel, tmp_path: Path) -> None:
    worker = LlamaCppWorker(tmp_path, start_timeout_s=1)
    endless = dataclasses.replace(model, path=tmp_path / "endless.gguf")
    os.mkfifo(endless.path)  # opening it waits for a writer, for ever
    with pytest.raises(EngineTimeout):
        await worker.load(endless, plan_for(model))
    assert not worker.alive


async def test_a_load_that_nobody_wants_any_more_leaves_nothing(model: LocalModel, tmp_path: Path) -> None:
    load = asyncio.create_task(LlamaCppWorker(tmp_path).load(model, plan_for(model)))
    while not psutil.Process().children():
        await asyncio.sleep(0.01)
    load.cancel()
    with pytest.raises(asyncio.CancelledError):
        await load


async def test_an_unknown_setting_stops_the_child(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadFailed, match="unexpected keyword argument 'colour'"):
        await EngineProcess.start("starter", {"colour": "red"}, tmp_path / "engine.log", 30)


STUDIO = """
import asyncio, sys
from pathlib import Path
from asking import plan_for
from fabula.core.model import LocalModel
from fabula.engine.llamacpp.worker import LlamaCppWorker

async def main():
    model = LocalModel(name="starter", path=Path(sys.argv[1]), size=1)
    worker = LlamaCppWorker(Path(sys.argv[2]))
    await worker.load(model, plan_for(model))
    print("loaded", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("when", ["loading", "loaded"])
async def test_no_engine_outlives_a_killed_studio(starter_model: Path, tmp_path: Path, when: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUDIO, str(starter_model), str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent,
    ) as studio:
        assert studio.stdout
        if when == "loaded":
            studio.stdout.readline()
        while not (children := psutil.Process(studio.pid).children()):
            await asyncio.sleep(0.01)
        studio.kill()
    assert await is_gone(children[0].pid)


async def test_two_hundred_requests_on_four_slots_are_all_answered(model: LocalModel, tmp_path: Path) -> None:
    worker = LlamaCppWorker(tmp_path)
    await worker.load(model, plan_for(model, slots=4, context=256))
    try:
        asked = (collect(worker, f"Number {number}:", max_tokens=2) for number in range(200))
        answers = await asyncio.gather(*asked)
    finally:
        await worker.close()
    assert [finished.completion_tokens for _, finished in answers] == [2] * 200


def test_all_this_holds_on_the_event_loop_of_the_server(model: LocalModel, tmp_path: Path) -> None:
    uvloop = pytest.importorskip("uvloop", reason="there is no uvloop for this system")

    async def load_read_and_kill() -> str:
        worker = LlamaCppWorker(tmp_path)
        await worker.load(model, plan_for(model))
        deltas, _ = await collect(worker, "1, 2, 3, 4,", temperature=0, max_tokens=4)
        os.kill(worker.pid, signal.SIGKILL)
        await worker.gone()
        with pytest.raises(EngineDied, match="SIGKILL"):
            await collect(worker, "Hello")
        await worker.close()
        return text_of(deltas)

    assert uvloop.run(load_read_and_kill()) == " 5, "


async def test_no_secret_is_visible_from_outside(model: LocalModel, tmp_path: Path) -> None:
    worker = LlamaCppWorker(tmp_path)
    await worker.load(model, plan_for(model))
    process = worker._process
    assert process
    told = " ".join(psutil.Process(worker.pid).cmdline()) + (tmp_path / "engine-starter.log").read_text()
    await worker.close()
    assert process.key not in told
