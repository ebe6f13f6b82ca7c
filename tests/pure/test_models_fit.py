"""The rough memory plan, and its rows of the engine's own plans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from adapter_making import write_model

from fabula.core import texts
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import Held
from fabula.models.fit import RESERVE, Wanted, left, needed_bytes, plan
from fabula.models.fit.cache import Load, cache_bytes
from fabula.models.fit.rough import counted, guess
from fabula.models.formats.identify import identify
from fabula.models.gpus import Gpu
from fabula.models.hardware import Machine

GIB = 1 << 30

STARTER = LocalModel(
    name="SmolLM2-135M-Instruct.Q4_1",
    path=Path("SmolLM2-135M-Instruct.Q4_1.gguf"),
    size=98_362_432,
    architecture="llama",
    trained_context=8192,
    layers=30,
    embedding=576,
    heads=9,
    kv_heads=3,
    key_length=64,
    value_length=64,
    vocabulary=49_152,
)
LLAMA_8B = replace(
    STARTER,
    name="Llama-3.1-8B.Q4_K_M",
    size=4_912_916_032,
    trained_context=131_072,
    layers=32,
    embedding=4096,
    heads=32,
    kv_heads=8,
    key_length=128,
    value_length=128,
    vocabulary=128_256,
)
LLAMA_13B = replace(
    LLAMA_8B, size=7_865_233_152, layers=40, embedding=5120, heads=40, kv_heads=40, vocabulary=32_000
)
LLAMA_70B = replace(LLAMA_8B, size=42_512_575_264, layers=80, embedding=8192, heads=64)
MISTRAL_24B = replace(LLAMA_8B, size=14_326_048_544, layers=40, embedding=5120, vocabulary=131_072)
QWEN_7B = replace(
    LLAMA_8B, size=4_677_140_000, layers=28, embedding=3584, heads=28, kv_heads=4, vocabulary=152_064
)
LAPTOP = Machine(
    system="Linux",
    processor="a processor",
    cores=8,
    physical_cores=4,
    memory=16 * GIB,
    memory_available=12 * GIB,
)
RTX = Gpu("RTX", 8 * GIB, 7 * GIB, "cuda")


def kv_bytes(model: LocalModel, context: int, slots: int = 1, kv_type: str = "f16") -> int:
    keys, _, values = kv_type.partition("/")
    load = Load(context=context * slots, sequences=slots, keys=keys, values=values or keys)
    return cache_bytes(guess(model), load)


# xllamacpp's log for the starter: context, KV and compute in MiB.
@pytest.mark.parametrize(
    ("context", "kv", "compute"),
    [(512, 11.25, 15.1), (2048, 45.0, 16.6), (8192, 180.0, 22.6), (32768, 720.0, 46.6)],
)
def test_the_starter_takes_what_the_engine_logged(context: int, kv: float, compute: float) -> None:
    assert kv_bytes(STARTER, context) == kv * (1 << 20)
    planned = needed_bytes(STARTER, context) - RESERVE
    assert planned == pytest.approx(STARTER.size + (kv + compute) * (1 << 20), rel=0.05)


def test_a_small_model_gets_its_whole_context_and_four_slots() -> None:
    planned = plan(STARTER, LAPTOP)
    assert (planned.verdict, planned.context, planned.slots) == ("fits", 8192, 4)
    assert (planned.threads, planned.gpu_layers, planned.largest_context) == (7, 0, 8192)
    assert planned.total == needed_bytes(STARTER, 8192, 4)
    assert planned.total < planned.available


def test_a_large_model_gets_one_slot() -> None:
    assert plan(LLAMA_8B, LAPTOP).slots == 1


def test_the_default_context_is_lowered_until_it_fits() -> None:
    planned = plan(LLAMA_13B, replace(LAPTOP, memory_available=10 * GIB))
    assert planned.verdict == "fits"
    assert planned.context < 8192
    assert [reason.key for reason in planned.reasons] == ["models.fit.context_lowered"]
    assert planned.reasons[0].fields == {"wanted": 8192, "context": planned.context}


def test_a_context_that_was_asked_for_is_not_lowered_in_silence() -> None:
    planned = plan(LLAMA_13B, LAPTOP, Wanted(context=32_768))
    assert (planned.context, planned.verdict) == (32_768, "no")
    assert planned.reasons[0].key == "models.fit.too_big"
    assert 0 < planned.largest_context < 8192


def test_a_context_beyond_the_training_is_stretched_with_a_warning() -> None:
    planned = plan(STARTER, LAPTOP, Wanted(context=32_768))
    rope = planned.options
    assert (planned.context, rope.rope_scaling, rope.rope_scale, rope.rope_original) == (
        32_768,
        "yarn",
        4,
        8192,
    )
    assert planned.warnings[0].say("en").startswith("A context of 32,768 tokens is 4.0 times what the model")


@pytest.mark.parametrize("scaling", ["none", "linear"])
def test_without_yarn_a_context_beyond_the_training_is_lowered_and_told(scaling: str) -> None:
    wanted = Wanted.of(LoadOptions(context=32_768, rope_scaling=scaling))
    planned = plan(STARTER, LAPTOP, wanted)
    assert (planned.context, planned.reasons[0].key) == (8192, "models.fit.context_trained")


def test_the_cache_of_keys_and_of_values_can_have_types_of_their_own() -> None:
    assert kv_bytes(STARTER, 1024, 1, "q8_0/q4_0") == (
        (kv_bytes(STARTER, 1024, 1, "q8_0") + kv_bytes(STARTER, 1024, 1, "q4_0")) / 2
    )


TWO = replace(LAPTOP, gpus=(RTX, RTX))


def test_cards_of_one_make_are_told_apart_and_shared_as_wished() -> None:
    planned = plan(LLAMA_8B, TWO, Wanted.of(LoadOptions(tensor_split=(3, 1))), gpu=True)
    names = [device.name for device in planned.devices]
    assert names == ["memory", "RTX", "RTX #2"]
    first, second = (device.weights for device in planned.devices[1:])
    assert first + second == LLAMA_8B.size - planned.devices[0].weights
    assert 2 < first / second < 3.5  # whole layers, and the output on the last card


def test_without_a_split_one_card_takes_it_all() -> None:
    planned = plan(LLAMA_8B, TWO, Wanted.of(LoadOptions(split_mode="none", main_gpu=1)), gpu=True)
    assert [device.name for device in planned.devices] == ["memory", "RTX #2"]


def test_the_cache_and_the_experts_can_stay_in_the_machines_memory() -> None:
    mixture = replace(LLAMA_8B, experts=8)
    options = LoadOptions(kv_offload=False, moe_cpu=-1)
    planned = plan(mixture, replace(LAPTOP, gpus=(RTX,)), Wanted.of(options), gpu=True)
    host, card = planned.devices
    assert (card.kv, host.kv) == (0, kv_bytes(mixture, planned.context, planned.slots))
    assert 0.1 * mixture.size < card.weights < 0.2 * mixture.size  # attention, and the output


def test_what_others_were_promised_comes_off_what_is_free() -> None:
    machine = replace(LAPTOP, gpus=(RTX,))
    less = left(machine, Held({"memory": 2 * GIB}, taken=4 * GIB))
    assert (less.memory_available, less.gpus[0].memory_free) == (10 * GIB, 7 * GIB)
    assert left(machine, Held({"memory": 2 * GIB}, taken=4 * GIB), limit=6 * GIB).memory_available == 2 * GIB
    assert left(machine, Held({"memory": -GIB, "RTX": -3 * GIB})).gpus[0].memory_free == 8 * GIB


def test_the_largest_context_fits_and_the_next_does_not() -> None:
    planned = plan(LLAMA_8B, LAPTOP, Wanted(slots=1))
    assert needed_bytes(LLAMA_8B, planned.largest_context) <= LAPTOP.memory_available
    assert needed_bytes(LLAMA_8B, planned.largest_context + 256) > LAPTOP.memory_available


def test_what_does_not_fit_at_all_says_how_much_is_missing() -> None:
    planned = plan(replace(LLAMA_8B, size=40 * GIB), LAPTOP)
    assert (planned.verdict, planned.largest_context) == ("no", 0)
    assert "12.0 GiB is free" in planned.reasons[-1].say("en")


def test_a_model_with_a_problem_is_not_planned_as_usable() -> None:
    planned = plan(replace(STARTER, problem="models.problem.truncated"), LAPTOP)
    assert planned.verdict == "no"
    assert "cut off" in planned.reasons[-1].say("en")


def test_an_engine_for_the_processor_leaves_the_gpu_alone_and_says_so() -> None:
    planned = plan(LLAMA_8B, replace(LAPTOP, gpus=(RTX,)))
    assert planned.gpu_layers == 0
    assert planned.warnings[0].say("en") == (
        "This machine has a RTX, but the installed engine uses only the processor."
    )


def test_a_gpu_takes_all_layers_or_as_many_as_fit() -> None:
    machine = replace(LAPTOP, gpus=(RTX,))
    whole = plan(LLAMA_8B, machine, gpu=True)
    assert (whole.gpu_layers, whole.verdict) == (33, "fits")
    assert 0 < whole.devices[0].weights < 0.1 * LLAMA_8B.size  # tokens are looked up in the host's memory
    part = plan(LLAMA_13B, machine, Wanted(context=4096), gpu=True)
    assert part.verdict == "partial"
    assert 0 < part.gpu_layers < 41
    assert sum(device.weights for device in part.devices) == LLAMA_13B.size


def test_wishes_are_followed() -> None:
    planned = plan(STARTER, LAPTOP, Wanted(context=1024, slots=2, threads=3, kv_type="q8_0"))
    assert (planned.context, planned.slots, planned.threads, planned.kv_type) == (1024, 2, 3, "q8_0")
    assert planned.devices[0].kv == kv_bytes(STARTER, 1024, 2, "q8_0")


def test_the_prompt_cache_stays_modest() -> None:
    assert plan(STARTER, LAPTOP).prompt_cache == int(12 * GIB * 0.05)
    assert plan(STARTER, replace(LAPTOP, memory_available=200 * GIB)).prompt_cache == GIB


def test_a_cache_that_is_only_bounded_is_called_so() -> None:
    keys = [note.key for note in plan(replace(LLAMA_8B, architecture="gemma3"), LAPTOP).warnings]
    assert keys == ["models.fit.upper_bound"]


def test_a_number_of_parameters_is_enough_for_a_rough_plan() -> None:
    eight = counted("8b:Q6_K")
    assert eight is not None
    planned = plan(eight, LAPTOP)
    assert (planned.tier, planned.verdict) == ("rough", "fits")
    assert counted("8B:Q9") is None
    assert counted("model.gguf") is None


def test_a_card_that_draws_a_screen_keeps_room_for_it() -> None:
    plain, shown = (replace(LAPTOP, gpus=(replace(RTX, display=display),)) for display in (False, True))
    told = plan(LLAMA_8B, shown, gpu=True)
    assert told.devices[1].reserve - plan(LLAMA_8B, plain, gpu=True).devices[1].reserve == 512 << 20
    assert "models.fit.display" in [note.key for note in told.warnings]


def test_drivers_for_windows_are_warned_of_when_a_card_is_nearly_full() -> None:
    full = replace(LAPTOP, system="Windows 11", gpus=(replace(RTX, memory=6 * GIB, memory_free=6 * GIB),))
    keys = [note.key for note in plan(LLAMA_8B, full, Wanted(context=2048, slots=1), gpu=True).warnings]
    assert keys == ["models.fit.spills"]


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_every_note_is_a_sentence_in_every_language(language: str) -> None:
    strange = replace(LLAMA_13B, layers=0, architecture="mamba")
    for planned in (
        plan(strange, replace(LAPTOP, gpus=(RTX,))),
        plan(LLAMA_13B, LAPTOP, Wanted(context=99_999)),
    ):
        for note in (*planned.reasons, *planned.warnings):
            sentence = note.say(language)
            assert sentence != note.key
            assert "{" not in sentence


def test_figures_for_another_engine_are_told_to_be_so() -> None:
    assert plan(LLAMA_8B, LAPTOP).warnings == ()
    [note] = plan(LLAMA_8B, LAPTOP, engine="b12000").warnings
    assert (note.key, note.fields["version"]) == ("models.fit.other_build", "b12000")


def test_a_model_whose_header_names_no_layer_is_planned_all_the_same(tmp_path: Path) -> None:
    shapes = {"token_embd.weight": (8, 32)}
    model = identify(write_model(tmp_path / "odd.gguf", shapes, general__architecture="unheard of"))
    assert model.layers == 0
    assert plan(model, LAPTOP).verdict == "fits"
