"""Many requests over more models than the memory holds: none lost, none mixed up, no wait without an end.

    scripted   10,000 requests in random order over 3 models, memory for 2, workers that play a script
    engine     500 with the real engine: the starter under 3 names, a budget that 2 of them fill
    crowd      200 requests at once through the whole studio, health asked for all the while

`soak` is the part that the tests use too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil

from bench import health, instant
from bench.paired import median
from bench.report import Report, at_most, reported
from bench.studio import fresh_home, hosted, model_file
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import HOST, DevicePlan, Held, Plan
from fabula.core.sampling import Sampling
from fabula.core.stream import Token
from fabula.core.worker import Prompt, Worker
from fabula.engine.llamacpp.connection import request
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.engine.scripted import Reply, ScriptedWorker
from fabula.engine.supervisor import Supervisor
from fabula.models.formats.identify import identify

NAMES = ("ash", "birch", "cedar")
SLOTS = 4
CALLERS = 40  # requests that are under way at a time
PATIENCE_S = 0.05
ENGINE_PATIENCE_S = 1.0
BUDGET = 2  # models
POSITION = re.compile(r"\d+ requests are already waiting")
HEALTH_BEGINS_S = 0.3


@dataclass
class Tally:
    """What became of the requests."""

    answered: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    mixed_up: int = 0
    evicted_busy: int = 0
    over_budget: int = 0
    loads: int = 0
    waits: list[float] = field(default_factory=list)  # seconds until the first token's turn
    seconds: float = 0.0
    left: int = 0  # workers after the end

    @property
    def total(self) -> int:
        return sum(self.answered.values())


class Watched:
    """A worker that notices when it is closed while it writes."""

    def __init__(self, worker: Any, tally: Tally, alive: set[int]) -> None:
        self._worker, self._tally, self._alive, self._writing = worker, tally, alive, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._worker, name)

    @property
    def pid(self) -> int:
        return int(self._worker.pid)

    @property
    def alive(self) -> bool:
        return bool(self._worker.alive)

    async def gone(self) -> None:
        await self._worker.gone()

    async def load(self, model: LocalModel, plan: Plan) -> None:
        self._tally.loads += 1
        self._alive.add(id(self))
        self._tally.over_budget += len(self._alive) > BUDGET
        await self._worker.load(model, plan)

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Any]:
        self._writing += 1
        try:
            async for delta in self._worker.stream(prompt, sampling):
                yield delta
        finally:
            self._writing -= 1

    async def close(self) -> None:
        self._tally.evicted_busy += self._writing > 0
        await self._worker.close()
        self._alive.discard(id(self))


@asynccontextmanager
async def stage(
    models: dict[str, LocalModel], make: Callable[[LocalModel], Any], patience_s: float
) -> AsyncIterator[tuple[Supervisor, Tally, set[int]]]:
    """A supervisor with memory for two of the models."""
    tally, alive = Tally(), set[int]()

    def plan(model: LocalModel, options: LoadOptions, held: Held) -> Plan:
        free = BUDGET * 100 - held.taken
        memory = DevicePlan(name=HOST, weights=100, kv=0, compute=0, available=free)
        return Plan(
            model=model.name, tier="rough", verdict="fits" if free >= 100 else "no", devices=(memory,),
            context=512, slots=SLOTS, gpu_layers=0, threads=2,
        )  # fmt: skip

    def watched(model: LocalModel) -> Worker:
        worker: Any = Watched(make(model), tally, alive)
        return worker  # type: ignore[no-any-return]

    supervisor = Supervisor(models.__getitem__, plan, watched, patience_s=patience_s, keep_alive_s=-1)
    try:
        yield supervisor, tally, alive
    finally:
        await supervisor.close()
        tally.left = len(alive)


async def soak(
    supervisor: Supervisor, tally: Tally, requests: int, ask: Callable[[Worker, str], Any], seed: int = 1
) -> Tally:
    """`CALLERS` at a time ask models in random order. `ask` answers which model it heard."""
    names = iter(random.Random(seed).choices(NAMES, k=requests))
    started = time.perf_counter()

    async def caller() -> None:
        for name in names:
            asked = time.perf_counter()
            try:
                async with supervisor.lease(name) as worker:
                    tally.waits.append(time.perf_counter() - asked)
                    tally.mixed_up += await ask(worker, name) != name
                tally.answered[name] += 1
            except Exception as failure:  # noqa: BLE001  # every failure is a lost request, and counted
                tally.lost.append(f"{type(failure).__name__}: {failure}")

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    tally.seconds = time.perf_counter() - started
    return tally


# ── scripted ────────────────────────────────────────────────────────────────────────────────────────


async def scripted(requests: int, seed: int = 1) -> Tally:
    """Workers that say their model's name."""
    models = {name: LocalModel(name=name, path=Path(name), size=100) for name in NAMES}

    def make(model: LocalModel) -> ScriptedWorker:
        return ScriptedWorker([Reply(model.name, delay_s=0.0005)], load_delay_s=0.002)

    async with stage(models, make, PATIENCE_S) as (supervisor, tally, _):
        await soak(supervisor, tally, requests, _name_heard, seed)
    return tally


async def _name_heard(worker: Worker, name: str) -> str:
    deltas = [delta async for delta in worker.stream(Prompt(("Who are you?",)), Sampling())]
    return "".join(delta.text for delta in deltas if isinstance(delta, Token))


# ── the real engine ─────────────────────────────────────────────────────────────────────────────────


async def engine(requests: int, folder: Path, seed: int = 1) -> Tally:
    """The starter under three names, each a file of its own."""
    file = model_file()
    models = {name: replace(identify(_linked(file, folder, name)), name=name) for name in NAMES}

    async def heard(worker: Worker, name: str) -> str:
        """Which file the engine itself says it has loaded, once it has really written."""
        asked = Sampling(max_tokens=2, temperature=0)
        deltas = [delta async for delta in worker.stream(Prompt((f"I am {name},",)), asked)]
        wrote = any(isinstance(delta, Token) and delta.text for delta in deltas)
        process = worker._process  # type: ignore[attr-defined]
        async with request(process.address, process.key, "/props") as answer:
            told = json.loads(await answer.body())
        return Path(told["model_path"]).stem if wrote else ""

    def make(model: LocalModel) -> LlamaCppWorker:
        return LlamaCppWorker(folder / "logs")

    async with stage(models, make, ENGINE_PATIENCE_S) as (supervisor, tally, _):
        await soak(supervisor, tally, requests, heard, seed)
    return tally


def _linked(file: Path, folder: Path, name: str) -> Path:
    target = folder / f"{name}.gguf"
    target.hardlink_to(file) if file.stat().st_dev == folder.stat().st_dev else target.symlink_to(file)
    return target


# ── 200 at once ─────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Crowd:
    statuses: Counter[int]
    told: int  # refusals that say how many wait
    retry_after: int  # refusals that say when to come again
    health_ms: list[float]
    bound_ms: list[float]  # of a server that has nothing else to do, on the same busy machine
    seconds: float


async def crowd(port: int, requests: int) -> Crowd:
    """All at once, not streamed; meanwhile somebody asks whether the studio is well."""
    body = {"model": "smollm2", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
    limits = httpx.Limits(max_connections=requests + 8)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=300, limits=limits) as client:
        with _asking_health(port) as asking, _idle_server() as idle, _asking_health(idle) as bound:
            started = time.perf_counter()
            asked = (client.post("/v1/chat/completions", json=body) for _ in range(requests))
            answers = await asyncio.gather(*asked)
            seconds = time.perf_counter() - started
    statuses = Counter(answer.status_code for answer in answers)
    found = Crowd(statuses, 0, 0, asking.found, bound.found, seconds)
    for answer in answers:
        if answer.status_code == 503:
            found.told += bool(POSITION.search(answer.json()["error"]["message"]))
            found.retry_after += "retry-after" in answer.headers
    return found


@dataclass
class _Asking:
    found: list[float] = field(default_factory=list)


@contextmanager
def _idle_server() -> Iterator[int]:
    """The port of a server in a process of its own that answers at once."""
    with subprocess.Popen(
        [sys.executable, str(Path(instant.__file__))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write('{"key": "none"}\n')
        process.stdin.flush()
        ready = json.loads(process.stdout.readline().removeprefix(instant.READY))
        yield int(ready["address"].rpartition(":")[2])
        process.terminate()


@contextmanager
def _asking_health(port: int) -> Iterator[_Asking]:
    """A process that asks while the block runs; what it found is there at its end."""
    asking, command = _Asking(), [sys.executable, str(Path(health.__file__)), f"{port}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        time.sleep(HEALTH_BEGINS_S)
        yield asking
        told, _ = process.communicate()
        asking.found = json.loads(told)


# ── the report ──────────────────────────────────────────────────────────────────────────────────────


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench soak", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few requests: to see that it works")
    parser.add_argument("--only", choices=("scripted", "engine", "crowd"), help="one part")
    given = parser.parse_args(arguments)
    many, real, at_once = (500, 30, 40) if given.quick else (10_000, 500, 200)
    with reported("soak", "many requests, memory for two of three models") as report:
        if given.only in (None, "scripted"):
            report.heading(f"{many} requests, scripted workers")
            told(report, asyncio.run(scripted(many)), many)
        if given.only in (None, "engine"):
            report.heading(f"{real} requests, the real engine")
            alone(report, real)
        if given.only in (None, "crowd"):
            report.heading(f"{at_once} requests at once, through the studio")
            rushed(report, at_once)


def alone(report: Report, requests: int) -> None:
    own = psutil.Process(os.getpid())
    before = own.memory_info().rss
    with TemporaryDirectory(prefix="fabula-soak-") as folder:
        told(report, asyncio.run(engine(requests, Path(folder))), requests)
    report.measure("processes left, with all of their memory", len(own.children()), "", at_most(0))
    report.measure("growth of this process", (own.memory_info().rss - before) / 2**20, "MiB")


def told(report: Report, tally: Tally, asked: int) -> None:
    report.measure("requests answered", tally.total)
    report.measure("lost", asked - tally.total, "", at_most(0))
    report.measure("answered by the wrong model", tally.mixed_up, "", at_most(0))
    report.measure("busy models evicted", tally.evicted_busy, "", at_most(0))
    report.measure("loads beyond the budget", tally.over_budget, "", at_most(0))
    report.measure("workers left at the end", tally.left, "", at_most(0))
    report.measure("loads", tally.loads)
    report.measure("median wait", median(tally.waits).scaled(1000), "ms")
    report.measure("longest wait", max(tally.waits) * 1000, "ms")
    report.measure("requests per second", asked / tally.seconds)
    for failure, count in Counter(tally.lost).most_common(3):
        report.note(f"{count} × {failure}")


def rushed(report: Report, at_once: int) -> None:
    settings = {"engine_context": 512, "engine_slots": SLOTS, "engine_queue_limit": at_once * 3 // 4}
    with fresh_home() as home, hosted(home, settings) as studio:
        studio.client.post("/models/smollm2/load")
        found = asyncio.run(crowd(studio.port, at_once))
    report.measure("answered", found.statuses[200])
    report.measure("refused with 503 and a position", found.told)
    report.measure("of those with Retry-After", found.retry_after)
    report.measure("neither", at_once - found.statuses[200] - found.told, "", at_most(0))
    report.measure("until all were answered", found.seconds, "s")
    report.measure("health meanwhile, median", median(found.health_ms), "ms")
    report.measure("health meanwhile, 99th of 100", quantiles(found.health_ms, n=100)[98], "ms")
    report.measure("health meanwhile, worst", max(found.health_ms), "ms", at_most(50))
    report.measure("a server with nothing else to do, worst (bound)", max(found.bound_ms), "ms")
    report.measure("health was asked", len(found.health_ms), "times")


if __name__ == "__main__":
    main()
