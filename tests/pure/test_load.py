"""Load options: wished, laid over each other, and what of them needs another load."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fabula.core.errors import BadParameter
from fabula.core.load import FOREVER, LoadOptions, seconds_of
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.engine.choice import choose
from fabula.engine.llamacpp.loading import arguments, config, load_mode, overrides
from fabula.engine.reload import beyond, reload_reason, together, unmet

PLAN = Plan(
    model="m", tier="rough", verdict="partial", devices=(), context=8192, slots=4, gpu_layers=12, threads=3
)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (90, 90.0), ("90", 90.0), ("5m", 300.0), ("1h30m", 5400.0), ("1.5h", 5400.0), ("250ms", 0.25),
        (0, 0.0), ("0", 0.0), (-1, FOREVER), ("-1", FOREVER), ("-5m", FOREVER), (" 2M ", 120.0),
        (float("inf"), FOREVER), (1e12, FOREVER), ("99999999999h", FOREVER),
    ],
)  # fmt: skip
def test_how_long_a_model_stays_can_be_said_in_many_ways(said: str | float, seconds: float) -> None:
    assert seconds_of(said) == seconds


@pytest.mark.parametrize("said", ["", "soon", "5 minutes", "m5", True, None, [], float("nan"), "5m!"])
def test_what_is_no_time_is_refused(said: object) -> None:
    with pytest.raises(BadParameter, match="5m"):
        seconds_of(said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        {"colour": "red"}, {"context": "big"}, {"context": 0}, {"slots": 0}, {"batch": 0}, {"kv_type": "q9"},
        {"rope_scale": float("nan")}, {"tensor_split": [1, "x"]}, {"keep_alive": "soon"}, {"mmap": 1},
    ],
    ids=str,
)  # fmt: skip
def test_wishes_are_checked(values: dict[str, object]) -> None:
    with pytest.raises(BadParameter):
        LoadOptions.of(values)


def test_a_range_is_told_in_whole_numbers() -> None:
    with pytest.raises(BadParameter, match="from 1 to 100,000,000"):
        LoadOptions.of({"context": 0})


def test_a_wish_is_laid_over_what_is_set() -> None:
    stored = LoadOptions(context=4096, kv_type="q8_0")
    assert LoadOptions(context=8192).over(stored) == LoadOptions(context=8192, kv_type="q8_0")


@pytest.mark.parametrize(
    "wish",
    [
        {}, {"context": 8192}, {"context": 100}, {"slots": 1}, {"threads": 8}, {"batch": 64}, {"mmap": False},
        {"chat_template": "x"}, {"keep_alive": "5m"}, {"gpu_layers": -1}, {"gpu_layers": 12},
        {"kv_type": "f16"}, {"kv_type_v": "f16"}, {"flash_attention": "auto"}, {"kv_offload": True},
        {"main_gpu": 0}, {"moe_cpu": 0}, {"rope_scaling": "none"}, {"split_mode": "layer"},
    ],
    ids=str,
)  # fmt: skip
def test_what_changes_nothing_needs_no_load(wish: dict[str, object]) -> None:
    assert reload_reason(PLAN, LoadOptions(**wish)) is None


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"context": 8193}, "context is 8192, and 8193"),
        ({"slots": 5}, "slots is 4, and 5"),
        ({"kv_type": "q8_0"}, "kv_type is f16, and q8_0"),
        ({"kv_type_v": "q4_0"}, "kv_type_v is f16, and q4_0"),
        ({"gpu_layers": 0}, "gpu_layers is 12, and 0"),
        ({"rope_base": 1e6}, "rope_base is –, and 1000000.0"),
        ({"flash_attention": "off"}, "flash_attention is auto, and off"),
    ],
)
def test_what_does_is_named(wish: dict[str, object], told: str) -> None:
    reason = reload_reason(PLAN, LoadOptions(**wish))
    assert reason
    assert told in str(reason)


@pytest.mark.parametrize(
    "wish",
    [
        {"gpu_layers": 99}, {"tensor_split": (1.0, 2.0)}, {"main_gpu": 1}, {"split_mode": "row"},
        {"kv_offload": False}, {"moe_cpu": -1},
    ],
    ids=str,
)  # fmt: skip
def test_options_of_gpus_need_no_load_where_there_is_none(wish: dict[str, object]) -> None:
    alone = replace(PLAN, gpu_layers=0)
    assert reload_reason(alone, LoadOptions(**wish)) is None
    kept_off = replace(alone, options=LoadOptions(gpu_layers=0))  # there may be one
    assert bool(reload_reason(kept_off, LoadOptions(**wish))) == ("gpu_layers" in wish)
    assert reload_reason(PLAN, LoadOptions(**wish))


def test_no_shares_are_as_good_as_none() -> None:
    assert reload_reason(PLAN, LoadOptions(tensor_split=())) is None


# ── what is in force, however that came about ───────────────────────────────────────────────────────

TOOK = LoadOptions(
    flash_attention="on", batch=512, mmap=True, mlock=False,
    rope_scaling="linear", rope_base=1e5, rope_scale=1.0, rope_original=8192,
)  # fmt: skip


@pytest.mark.parametrize("name", TOOK.said())
def test_what_the_engine_took_by_itself_needs_no_load(name: str) -> None:
    wish = LoadOptions(**{name: TOOK.said()[name]})
    assert reload_reason(PLAN, wish, TOOK, by_hand=True) is None
    assert unmet(PLAN, wish, TOOK) == ()


def test_of_an_engine_that_tells_nothing_nothing_is_taken_for_granted() -> None:
    for name in ("flash_attention", "batch", "rope_base"):
        assert reload_reason(PLAN, LoadOptions(**{name: TOOK.said()[name]}), by_hand=True)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"rope_base": 1e4}, "rope_base is 100000.0, and 10000.0"),
        ({"flash_attention": "off"}, "flash_attention is on, and off"),
        ({"batch": 64}, "batch is 512, and 64"),
        ({"rope_scaling": "linear", "rope_scale": 2.0}, "rope_scale is 1.0, and 2.0"),
        ({"mmap": False}, "mmap is True, and False"),
    ],
)
def test_what_it_did_not_take_does(wish: dict[str, object], told: str) -> None:
    assert told in str(reload_reason(PLAN, LoadOptions(**wish), TOOK, by_hand=True))


@pytest.mark.parametrize(
    "wish",
    [
        {"rope_scaling": "none"}, {"rope_scaling": "yarn"}, {"rope_scaling": "yarn", "rope_original": 2048},
        {"rope_original": 2048}, {"rope_scaling": "none", "rope_scale": 4.0},
    ],
    ids=str,
)  # fmt: skip
def test_what_stretches_nothing_needs_no_load(wish: dict[str, object]) -> None:
    assert reload_reason(PLAN, LoadOptions(**wish), TOOK) is None


def test_a_models_own_stretch_is_in_force_until_it_is_taken_away() -> None:
    own = replace(TOOK, rope_scaling="yarn", rope_scale=4.0)
    assert reload_reason(PLAN, LoadOptions(rope_scaling="yarn", rope_scale=4.0), own) is None
    assert "rope_scaling is yarn, and none" in str(reload_reason(PLAN, LoadOptions(rope_scaling="none"), own))
    assert reload_reason(PLAN, LoadOptions(rope_original=4096), own)
    flat = replace(PLAN, options=LoadOptions(rope_scaling="none"))
    assert reload_reason(flat, LoadOptions(rope_scale=4.0), own) is None
    assert reload_reason(flat, LoadOptions(rope_scaling="yarn"), own)


def test_what_was_said_to_the_engine_is_in_force_before_what_it_took() -> None:
    off = replace(PLAN, options=LoadOptions(flash_attention="off"))
    assert (
        reload_reason(off, LoadOptions(flash_attention="off"), replace(TOOK, flash_attention="off")) is None
    )
    assert reload_reason(off, LoadOptions(flash_attention="auto"), replace(TOOK, flash_attention="off"))
    assert reload_reason(PLAN, LoadOptions(flash_attention="auto"), TOOK) is None


def test_layers_are_left_to_the_plan_again() -> None:
    few = replace(PLAN, options=LoadOptions(gpu_layers=12))
    assert "gpu_layers is 12, and -1" in str(reload_reason(few, LoadOptions(gpu_layers=-1)))
    assert reload_reason(PLAN, LoadOptions(gpu_layers=-1)) is None


def test_more_layers_than_there_are_is_all_of_them() -> None:
    whole = replace(PLAN, verdict="fits")
    assert reload_reason(whole, LoadOptions(gpu_layers=99)) is None
    assert reload_reason(whole, LoadOptions(gpu_layers=11))


def test_shares_are_parts_of_a_whole() -> None:
    halves = replace(PLAN, options=LoadOptions(tensor_split=(0.5, 0.5)))
    assert reload_reason(halves, LoadOptions(tensor_split=(2.0, 2.0))) is None
    assert reload_reason(halves, LoadOptions(tensor_split=(2.0, 1.0)))


def test_what_can_change_nothing_here_needs_no_load_and_is_told_as_unmet() -> None:
    idle = replace(PLAN, gpu_layers=0, options=LoadOptions(gpu_layers=0), idle=("gpu_layers", "kv_type"))
    assert reload_reason(idle, LoadOptions(gpu_layers=-1, kv_type="q8_0")) is None
    assert unmet(idle, LoadOptions(gpu_layers=20, kv_type="q8_0")) == ("kv_type", "gpu_layers")


def test_by_hand_the_speed_counts_too() -> None:
    assert reload_reason(PLAN, LoadOptions(threads=2), by_hand=True)
    assert not reload_reason(PLAN, LoadOptions(threads=3), by_hand=True)


@pytest.mark.parametrize("exact", ["auto", "always", "swap", "never"])
def test_by_hand_the_engine_that_was_set_since_the_load_counts_too(exact: str) -> None:
    wish, is_exact = LoadOptions(exact=exact), exact in ("always", "swap")
    assert bool(reload_reason(PLAN, wish, by_hand=True)) == is_exact
    assert (
        bool(reload_reason(replace(PLAN, options=LoadOptions(exact="swap")), wish, by_hand=True)) != is_exact
    )
    assert reload_reason(PLAN, wish) is None
    assert unmet(PLAN, wish) == ()


def test_who_wants_less_room_gets_less() -> None:
    assert "context is 8192, and 512" in str(reload_reason(PLAN, LoadOptions(context=512), less=True))
    assert reload_reason(PLAN, LoadOptions(context=8192, slots=4), less=True) is None
    asked = LoadOptions(context=8192)
    assert beyond(LoadOptions(context=512), asked) == LoadOptions()
    assert beyond(LoadOptions(context=512), asked, less=True) == LoadOptions(context=512)


def test_those_who_wait_together_get_room_for_all() -> None:
    wishes = [LoadOptions(context=100, kv_type="q8_0"), LoadOptions(context=900, slots=2)]
    assert together(wishes) == LoadOptions(context=900, slots=2, kv_type="q8_0")


def test_what_was_asked_for_at_the_load_is_not_asked_again() -> None:
    asked = LoadOptions(context=9000, main_gpu=1)
    assert beyond(LoadOptions(context=8500, main_gpu=1, slots=9), asked) == LoadOptions(slots=9)


# ── what the engine is told ─────────────────────────────────────────────────────────────────────────

MODEL = LocalModel(name="m", path=Path("/models/m.gguf"), size=1)


def test_experts_of_some_layers_or_of_all_stay_with_the_processor() -> None:
    assert overrides(LoadOptions()) == ""
    assert overrides(LoadOptions(moe_cpu=-1)) == r"ffn_(up|down|gate|gate_up)_(ch|)exps=CPU"
    assert overrides(LoadOptions(moe_cpu=2)).count(r"blk\.") == 2


@pytest.mark.parametrize(
    ("mmap", "mlock", "mode"),
    [
        (None, None, "AUTO"), (True, None, "MMAP"), (False, None, "NONE"), (None, True, "MMAP_MLOCK"),
        (False, True, "MLOCK"),
    ],
)  # fmt: skip
def test_how_a_file_is_read(mmap: bool | None, mlock: bool | None, mode: str) -> None:
    assert load_mode(LoadOptions(mmap=mmap, mlock=mlock)) == mode


def test_a_llama_server_gets_its_command_line_without_what_was_not_wished() -> None:
    plain = arguments(config(MODEL, PLAN, "", {"checkpoints": 4, "checkpoint_step": 64}))
    assert plain[:4] == ["--model", "/models/m.gguf", "--ctx-size", "32768"]
    assert not {"--tensor-split", "--rope-scaling", "--batch-size", "--load-mode"} & set(plain)


def test_a_llama_server_is_told_who_guesses_ahead() -> None:
    wished = replace(PLAN, options=LoadOptions(speculation="ngram_map", draft="small"))
    small = Path("/models/small.gguf")
    line = arguments(config(MODEL, wished, "", {"checkpoints": 4, "checkpoint_step": 64}, draft=small))
    assert line[line.index("--spec-type") + 1] == "ngram-map-k"
    assert line[line.index("--model-draft") + 1] == "/models/small.gguf"
    plain = arguments(config(MODEL, PLAN, "", {"checkpoints": 4, "checkpoint_step": 64}))
    assert not {"--spec-type", "--model-draft"} & set(plain)


# ── the engine ──────────────────────────────────────────────────────────────────────────────────────


def test_an_engine_that_cannot_read_the_file_is_told_as_such() -> None:
    with pytest.raises(BadParameter, match="transformers does not read them"):
        choose(MODEL, LoadOptions(engine="transformers"))


def test_the_engine_follows_from_what_the_model_is() -> None:
    choice = choose(MODEL, LoadOptions())
    assert (choice.engine, str(choice.reason)) == (
        "llama.cpp",
        "llama.cpp runs it, because the file is gguf.",
    )


def test_a_person_can_choose_but_not_the_impossible() -> None:
    assert "was chosen" in str(choose(MODEL, LoadOptions(engine="llama.cpp")).reason)
    for options in (LoadOptions(engine="steam"), LoadOptions()):
        other = LocalModel(name="m", path=Path("m"), size=1, format="another")
        with pytest.raises(BadParameter, match=r"llama\.cpp"):
            choose(other, options)
    with pytest.raises(BadParameter, match="safetensors"):
        choose(MODEL, LoadOptions(quantize="4bit"))


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"threads": 3, "mmap": True, "speculation": "none", "context": 512, "slots": 4}, ()),
        ({"threads": 2, "batch": 64, "mlock": True}, ("threads", "batch", "mlock")),
        ({"context": 16_384, "kv_type": "q8_0"}, ("context",)),
        ({"gpu_layers": 12, "tensor_split": (1.0,)}, ()),
    ],
    ids=str,
)
def test_wishes_that_a_loaded_model_does_not_meet_are_named(
    wish: dict[str, object], told: tuple[str, ...]
) -> None:
    """A cache of another type is a reload, which says why."""
    assert unmet(PLAN, LoadOptions(**wish)) == told


def test_so_are_those_of_gpus_where_none_takes_part() -> None:
    alone = replace(PLAN, gpu_layers=0)
    assert unmet(alone, LoadOptions(gpu_layers=20, main_gpu=1)) == ("gpu_layers", "main_gpu")
    assert unmet(alone, LoadOptions(gpu_layers=-1, main_gpu=0)) == ()
