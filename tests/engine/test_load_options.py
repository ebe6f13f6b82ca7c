"""Load options with the real engine, in its own build and as a llama-server of one's own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from asking import collect, is_gone, plan_for, text_of

from fabula.core.errors import EngineDied, ModelLoadFailed
from fabula.core.load import NAMES, LoadOptions, Wish
from fabula.core.model import LocalModel
from fabula.engine.builds.builds import Build
from fabula.engine.llamacpp.connection import request
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.engine.reload import STRETCH, settled_by
from fabula.engine.supervisor import Supervisor
from fabula.models import fit
from fabula.models.formats.identify import identify

SERVER = Path(__file__).with_name("llama_server.py")
COUNTING = "1, 2, 3, 4, 5, 6,"


@asynccontextmanager
async def loaded(
    model: LocalModel, folder: Path, build: Build | None = None, **plan: object
) -> AsyncIterator[tuple[LlamaCppWorker, str]]:
    """A worker with those options, and its log."""
    worker = LlamaCppWorker(folder, build=build)
    try:
        await worker.load(model, plan_for(model, **plan))
        yield worker, (folder / "engine-starter.log").read_text()
    finally:
        await worker.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kv_type_v": "q8_0"}, "V (q8_0)"),
        ({"flash_attention": "off"}, "flash_attn            = disabled"),
        ({"batch": 128}, "n_ubatch              = 128"),
        ({"rope_scaling": "linear", "rope_scale": 2.0}, "freq_scale            = 0.5"),
        ({"rope_base": 20_000.0}, "freq_base             = 20000.0"),
        ({"moe_cpu": 2}, "starter"),
        ({"mmap": False}, "load_mode = none"),
        ({"split_mode": "row", "main_gpu": 0, "tensor_split": (1, 2), "kv_offload": False}, "starter"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
async def test_each_option_reaches_the_engine(
    model: LocalModel, tmp_path: Path, options: dict[str, object], said: str
) -> None:
    async with loaded(model, tmp_path, options=LoadOptions(**options), context=512) as (worker, log):
        deltas, _ = await collect(worker, COUNTING, temperature=0, max_tokens=4)
    assert said in log or said == "starter"
    assert text_of(deltas)


async def test_an_option_said_at_the_value_in_force_loads_nothing_again(
    starter_model: Path, tmp_path: Path
) -> None:
    """Every option there is, by hand and by a request; and each at another value, where that matters here."""
    model, machine = identify(starter_model), fit.Machine(**ROOMY)
    supervisor = Supervisor(
        lambda name: model,
        lambda model, options, held: fit.plan(model, machine, fit.Wanted.of(options)),
        lambda model: LlamaCppWorker(tmp_path),
    )
    plan = (await supervisor.load(model.name)).plan
    async with supervisor.lease(model.name) as worker:
        took = settled_by(worker).said()
    assert took.keys() == {*STRETCH, "rope_base", "batch", "flash_attention", "mmap", "mlock"}
    in_force = took | {
        name: getattr(plan, name) for name in ("context", "slots", "threads", "kv_type", "gpu_layers")
    }
    in_force |= {"kv_type_v": plan.kv_type, "split_mode": "layer", "tensor_split": (), "main_gpu": 0}
    in_force |= {"kv_offload": True, "moe_cpu": 0, "speculation": "none", "draft": "", "adapters": ()}
    in_force |= {"chat_template": model.chat_template, "keep_alive": "5m", "exact": "auto"}
    assert in_force.keys() == {*NAMES} - {"engine", "quantize", "pooling"}  # these have no such value
    pid = worker.pid
    for name, value in in_force.items():
        wish = Wish(LoadOptions(**{name: value}))
        async with supervisor.lease(model.name, wish):
            pass
        assert (name, (await supervisor.load(model.name, wish, less=True)).pid) == (name, pid)
    why = (await supervisor.load(model.name, Wish(LoadOptions(rope_base=in_force["rope_base"] / 2)))).why
    await supervisor.close()
    assert "rope_base" in str(why)


async def test_a_stretch_by_one_is_none(model: LocalModel, tmp_path: Path) -> None:
    """So that it needs no load."""
    said = LoadOptions(rope_scaling="yarn", rope_scale=1.0, rope_original=512)
    texts = []
    for options in (LoadOptions(), said):
        async with loaded(model, tmp_path, options=options) as (worker, _):
            deltas, _ = await collect(worker, "Once upon a time", temperature=0, max_tokens=48)
            texts.append(text_of(deltas))
    assert texts[0] == texts[1]


async def test_yarn_carries_a_slot_past_what_the_model_was_trained_for(
    starter_model: Path, tmp_path: Path
) -> None:
    model = identify(starter_model)
    wanted = fit.Wanted(context=2 * model.trained_context, slots=1, threads=2, kv_type="q8_0")
    planned = fit.plan(model, fit.Machine(**ROOMY), wanted)
    worker = LlamaCppWorker(tmp_path)
    await worker.load(model, planned)
    process = worker._process
    assert process
    async with request(process.address, process.key, "/slots") as answer:
        (slot,) = json.loads(await answer.body())
    await worker.close()
    assert slot["n_ctx"] == planned.context == 2 * model.trained_context


ROOMY = {
    "system": "Linux",
    "processor": "",
    "cores": 3,
    "physical_cores": 3,
    "memory": 8 << 30,
    "memory_available": 8 << 30,
}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"kv_type_v": "q4_0", "flash_attention": "off"}, "flash"),
    ],
)
async def test_options_that_exclude_each_other_are_refused_in_the_engines_words(
    model: LocalModel, tmp_path: Path, options: dict[str, object], reason: str
) -> None:
    with pytest.raises(ModelLoadFailed) as refused:
        async with loaded(model, tmp_path, options=LoadOptions(**options)):
            pass
    assert reason in refused.value.reason.lower()


# ── a llama-server of one's own; here a stand-in that understands its command line ──────────────────


@pytest.fixture
def own(tmp_path: Path) -> Build:
    program = tmp_path / "llama-server"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {SERVER} "$@"\n')
    program.chmod(0o755)
    return Build(name=str(program), program=str(program))


async def test_a_server_of_ones_own_answers_as_the_built_in_one_does(
    model: LocalModel, tmp_path: Path, own: Build
) -> None:
    async with loaded(model, tmp_path / "ours") as (worker, _):
        ours, _ = await collect(worker, COUNTING, temperature=0, max_tokens=8)
    async with loaded(model, tmp_path / "theirs", own, slots=2) as (worker, log):
        theirs, _ = await collect(worker, COUNTING, temperature=0, max_tokens=8)
        assert await worker.count(["Hello there"]) == [2]
        command = " ".join(psutil.Process(worker.pid).cmdline())
    assert text_of(theirs) == text_of(ours)
    assert "stand-in" in worker.engine
    assert "--parallel 2" in command
    assert worker._process
    assert worker._process.key not in command + log
    assert await is_gone(worker.pid)


async def test_a_server_of_ones_own_that_dies_is_told(model: LocalModel, tmp_path: Path, own: Build) -> None:
    async with loaded(model, tmp_path, own) as (worker, _):
        os.kill(worker.pid, signal.SIGKILL)
        await asyncio.wait_for(worker.gone(), 10)
        with pytest.raises(EngineDied, match=r"was killed \(SIGKILL\)"):
            await collect(worker, "Hello")


async def test_a_server_of_ones_own_is_watched_unless_it_computes_on_a_card(
    model: LocalModel, tmp_path: Path, own: Build
) -> None:
    """It may answer only between two batches, and a card's work is no work of the processor."""
    for uses_gpus in (False, True):
        async with loaded(model, tmp_path, replace(own, uses_gpus=uses_gpus)) as (worker, _):
            assert worker._process
            assert (worker._process._watch is None) == uses_gpus


async def test_a_server_of_ones_own_that_cannot_load_says_why(
    model: LocalModel, tmp_path: Path, own: Build
) -> None:
    broken = replace(model, path=tmp_path / "nothing.gguf")
    with pytest.raises(ModelLoadFailed, match="No such file or directory"):
        async with loaded(broken, tmp_path, own):
            pass
