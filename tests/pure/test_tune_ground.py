"""What is searched for a model on a machine, and what a measurement holds for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fabula.core.errors import DoesNotFit
from fabula.core.model import LocalModel
from fabula.engine.builds.builds import Build
from fabula.engine.tune.job import KV_TYPES, Ground, Wishes
from fabula.engine.tune.measure import CONTEXT, Cell
from fabula.engine.tune.search import BATCHES, Setup
from fabula.engine.tune.shelf import fingerprint, key
from fabula.models.hardware import Machine

GIB = 1 << 30
PC = Machine(
    system="Linux 6", processor="A", cores=8, physical_cores=4, memory=16 * GIB, memory_available=12 * GIB
)
MODEL = LocalModel(
    name="small",
    path=Path("small.gguf"),
    size=100 << 20,
    trained_context=8192,
    layers=30,
    embedding=576,
    heads=9,
    kv_heads=3,
    key_length=64,
    value_length=64,
    vocabulary=49_152,
)
OURS = Build(name="")


def ground(
    machine: Machine = PC, build: Build = OURS, model: LocalModel = MODEL, **changes: object
) -> Ground:
    told = {"model": model.name, "options": {}} | changes
    return Ground(model, build, Wishes(**told), machine)  # type: ignore[arg-type]


def measured(start: Setup, read: float = 500.0) -> Cell:
    """The first sample, with so many tokens read per second."""
    return Cell(
        axis="confirm",
        setup=start,
        read=read,
        written=50.0,
        turn=6.0,
        ratio=1.0,
        spread=0.0,
        load=0.0,
        noisy=False,
        rounds=1,
    )


def test_the_search_begins_where_a_load_without_measurement_would() -> None:
    assert ground().start == Setup(threads=7, batch=512)
    assert ground(options={"threads": 2, "batch": 64}).start == Setup(threads=2, batch=64)


def test_what_is_set_is_not_searched() -> None:
    open_ground = ground()
    space = open_ground.space(measured(open_ground.start))
    assert (space.threads[-1], space.batches, space.speculation) == (8, BATCHES, ("ngram",))
    given = ground(options={"threads": 2, "batch": 64, "flash_attention": "on", "speculation": "none"})
    space = given.space(measured(given.start))
    searched = (space.threads, space.batches, space.flash_attention, space.speculation)
    assert not any(searched)


def test_a_slow_reader_keeps_its_batch() -> None:
    slow = ground()
    assert slow.space(measured(slow.start, read=20)).batches == ()


def test_cache_types_and_every_core_have_to_be_asked_for() -> None:
    plain, asked = ground(), ground(kv_types=True, all_cores=True)
    assert plain.space(measured(plain.start)).kv_types == ()
    assert plain.space(measured(plain.start)).spare_cores
    assert asked.space(measured(asked.start)).kv_types == KV_TYPES
    assert not asked.space(measured(asked.start)).spare_cores


def test_a_quantized_cache_needs_flash_attention() -> None:
    small = ground(options={"kv_type": "q8_0"})
    assert small.space(measured(small.start)).flash_attention == ()


def test_a_server_of_ones_own_is_not_asked_to_guess() -> None:
    own = ground(build=Build(name="", program="/opt/llama-server"))
    assert own.space(measured(own.start)).speculation == ()


def test_measured_is_one_slot_with_as_much_context_as_is_needed() -> None:
    plan = ground(options={"context": 8192}).plan(Setup(threads=3, batch=128, speculation="ngram"))
    assert (plan.context, plan.slots, plan.threads, plan.prompt_cache) == (CONTEXT, 1, 3, 0)
    assert (plan.options.batch, plan.options.speculation) == (128, "ngram")
    assert ground(options={"context": 512}).plan(Setup(threads=3, batch=128)).context == 512


def test_two_are_loaded_only_where_both_fit() -> None:
    assert ground().room() == 2
    assert ground(replace(PC, memory_available=400 << 20)).room() == 1
    with pytest.raises(DoesNotFit):
        ground(replace(PC, memory_available=100 << 20))


def test_a_measurement_holds_for_one_file_one_engine_and_one_machine(tmp_path: Path) -> None:
    model = replace(MODEL, path=tmp_path / "small.gguf")
    model.path.write_bytes(b"weights")
    first = key(model, Build(name="cuda", version="1"), PC)
    assert key(model, Build(name="cuda", version="1"), replace(PC, memory_available=1)) == first
    assert key(model, Build(name="cuda", version="2"), PC) != first
    assert key(model, Build(name="cuda", version="1"), replace(PC, cores=4)) != first
    model.path.write_bytes(b"other weights")
    assert key(model, Build(name="cuda", version="1"), PC) != first
    assert key(model, OURS, PC).engine


def test_memory_is_compared_in_whole_gibibytes() -> None:
    assert fingerprint(PC) == fingerprint(replace(PC, memory=16 * GIB - 1000))
    assert fingerprint(PC) != fingerprint(replace(PC, memory=8 * GIB))
