"""Presets that come with Fabula, and preset files of other programs as our sampling."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from needs import need

from fabula.core import texts
from fabula.core.errors import BadParameter
from fabula.core.sampling import SAMPLERS, Sampling
from fabula.engine.presets.built_in import built_in
from fabula.engine.presets.importing import LeftOut, exported, imported
from fabula.engine.presets.names import FIELDS, STEPS
from fabula.server.wire_names import translated

REAL = os.environ.get("FABULA_TEST_PRESETS", "")
"""A folder of real SillyTavern presets, where there is one: their licence keeps them out of here."""


def sampling(**content: Any) -> dict[str, Any]:
    return imported(content).sampling


def left_out(**content: Any) -> list[tuple[str, str]]:
    return [(row.key, row.why) for row in imported(content).left_out]


@pytest.mark.parametrize("name", built_in())
def test_a_preset_of_ours_is_valid_and_told_in_every_language(name: str) -> None:
    assert Sampling.of(built_in()[name])
    for language in texts.LANGUAGES:
        assert {f"presets.{name}.title", f"presets.{name}.about"} <= texts.catalogue(language).keys()


def test_no_two_presets_of_ours_are_the_same() -> None:
    assert len({json.dumps(Sampling.of(values).all()) for values in built_in().values()}) == len(built_in())


def test_every_name_on_the_wire_means_a_field_and_every_step_a_sampler() -> None:
    assert {field for field, _ in FIELDS.values()} <= Sampling().all().keys()
    assert {step for steps in STEPS.values() for step in steps} == set(SAMPLERS)


def test_a_sillytavern_preset_is_taken_over() -> None:
    found = imported(
        {
            "temp": 1.2,
            "rep_pen": 1.05,
            "rep_pen_range": 0,
            "freq_pen": 0.2,
            "nsigma": 1.5,
            "mirostat_mode": 2,
            "dry_sequence_breakers": '["\\n", "*"]',
            "banned_tokens": '[5, 6]\n"Suddenly"\nshivers down',
            "grammar_string": 'root ::= "a"',
            "num_beams": 1,
            "do_sample": True,
            "genamt": 300,
            "max_length": 8192,
        }
    )
    assert found.sampling == {
        "temperature": 1.2,
        "repetition_penalty": 1.05,
        "repetition_window": -1,
        "frequency_penalty": 0.2,
        "top_n_sigma": 1.5,
        "mirostat": 2,
        "dry_sequence_breakers": ("\n", "*"),
        "banned_tokens": (5, 6),
        "banned_strings": ("Suddenly", "shivers down"),
        "grammar": 'root ::= "a"',
        "max_tokens": 300,
    }
    assert found.left_out == (LeftOut("max_length", "unsupported"),)


def test_two_limits_of_the_temperature_are_a_middle_and_a_range() -> None:
    asked = {"temp": 0.7, "min_temp": 0.5, "max_temp": 2}
    assert sampling(dynatemp=True, **asked) == {"temperature": 1.25, "dynatemp_range": 0.75}
    assert sampling(dynatemp=False, **asked) == {"temperature": 0.7}
    webui = sampling(dynamic_temperature=True, dynatemp_low=1, dynatemp_high=3)
    assert webui == {"temperature": 2, "dynatemp_range": 1}


def test_bans_that_sillytavern_does_not_send_are_not_taken_and_those_of_all_presets_are() -> None:
    lists = {"banned_tokens": "[5]\nshivers", "global_banned_tokens": '[6]\n"spine"', "extensions": {}}
    both = {"banned_tokens": (5, 6), "banned_strings": ("shivers", "spine")}
    assert sampling(**lists, send_banned_tokens=True) == both
    assert sampling(**lists) == both
    assert sampling(**lists, send_banned_tokens=False) == {}
    assert left_out(**lists, send_banned_tokens=False) == []


def test_a_switch_that_is_neither_on_nor_off_is_told() -> None:
    assert left_out(dynatemp=1, min_temp=0.5, max_temp=2) == [("dynatemp", "unusable")]
    assert left_out(sampler_order=[True]) == [("sampler_order[True]", "unknown")]


@pytest.mark.parametrize(
    ("key", "order"),
    [
        ("sampler_priority", ["temperature", "quadratic_sampling", "min_p"]),
        ("samplers_priorities", ["temperature", "quadratic", "min_p"]),
        ("samplers", "temperature;smoothing;min_p"),
        ("sampler_priority", "temperature\nquadratic_sampling\nmin_p"),
    ],
)
def test_an_order_is_understood_in_each_program_s_way(key: str, order: Any) -> None:
    assert sampling(**{key: order}) == {"sampler_order": ("temperature", "smoothing", "min_p")}


def test_kobold_s_numbers_and_llama_cpp_s_letters_are_orders_too() -> None:
    order = sampling(sampler_order=[6, 0, 1, 3, 4, 2, 5])["sampler_order"]
    kobold = ["penalties", "top_k", "top_a", "tfs", "typical_p", "top_p", "temperature"]
    assert [step for step in order if step in kobold] == kobold
    assert sampling(samplers="tk") == {"sampler_order": ("temperature", "top_k")}


def test_kobold_s_numbers_mean_in_a_file_what_they_mean_in_a_request() -> None:
    usual = sampling(sampler_order=[6, 0, 1, 3, 4, 2, 5])["sampler_order"]
    assert usual.index("dry") < usual.index("min_p") < usual.index("temperature")
    other = {"sampler_order": [6, 5, 0, 1, 3, 4, 2], "min_p": 0.1, "temp": 2.0}
    assert sampling(**other)["sampler_order"] == tuple(translated(other)[0]["sampler_order"])
    assert left_out(sampler_order=[6, 9, True]) == [
        ("sampler_order[9]", "unknown"),
        ("sampler_order[True]", "unknown"),
    ]


def test_the_usual_order_is_no_wish() -> None:
    usual = ["penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"]
    assert sampling(samplers=usual) == {}


def test_temperature_last_goes_before_the_order() -> None:
    order = ["temperature", "min_p", "top_k"]
    assert sampling(sampler_priority=order, temperature_last=True)["sampler_order"] == (
        *("min_p", "top_k"),
        "temperature",
    )


def test_all_that_heats_comes_last_then() -> None:
    order = ["dynamic_temperature", "quadratic_sampling", "min_p", "top_k"]
    heat = {"dynamic_temperature": True, "dynatemp_low": 1, "dynatemp_high": 3, "smoothing_factor": 0.2}
    found = sampling(sampler_priority=order, temperature_last=True, **heat)["sampler_order"]
    assert found == ("min_p", "top_k", "dynatemp", "smoothing")
    assert found == tuple(
        translated({"sampler_priority": order, "temperature_last": True, **heat})[0]["sampler_order"]
    )


def test_one_of_several_orders_is_taken_and_the_others_are_told() -> None:
    asked = {"sampler_order": [5, 0], "samplers": ["temperature", "top_k"]}
    assert left_out(**asked) == [("sampler_order", "superseded")]


def test_what_is_not_understood_is_listed_and_what_asks_for_nothing_is_not() -> None:
    assert left_out(num_beams=1, skew=0, penalty_alpha=0, add_bos_token=True) == []
    assert left_out(num_beams=4, hamster_wheel=2, samplers=["temperature", "hamster"]) == [
        ("num_beams", "unsupported"),
        ("hamster_wheel", "unknown"),
        ("samplers[hamster]", "unknown"),
    ]


def test_two_names_of_one_field_do_not_hide_each_other() -> None:
    assert left_out(temp=0.5, temperature=0.9) == [("temperature", "superseded")]
    assert sampling(ignore_eos_token=False, ban_eos_token=True) == {"ignore_eos": True}


def test_a_length_is_the_reply_s_in_kobold_s_files_and_the_context_s_in_others() -> None:
    assert sampling(max_length=120, max_context_length=4096) == {"max_tokens": 120}
    assert left_out(max_length=4096) == [("max_length", "unsupported")]


def test_switches_of_other_programs_become_our_neutral_values() -> None:
    assert sampling(top_k=-1, seed=-1, nsigma=-1, n_predict=-1, do_sample=False) == {
        "top_k": 0,
        "seed": None,
        "top_n_sigma": 0,
        "max_tokens": None,
        "temperature": 0,
    }


def test_a_yaml_file_of_text_generation_webui_is_read() -> None:
    text = (
        "temperature: 0.7\nrepetition_penalty_range: 0\nsampler_priority:\n- temperature\n- top_p\nfoo: 1\n"
    )
    found = imported(text)
    assert found.sampling == {
        "temperature": 0.7,
        "repetition_window": -1,
        "sampler_order": ("temperature", "top_p"),
    }
    assert found.left_out == (LeftOut("foo", "unknown"),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1, 2]",
        "just words",
        "{",
        "a: [b",
        "temp: !!python/object:os.system {}",
        "x: {y: 1}",
        "a: &a [*a]",
    ],
)
def test_what_is_no_preset_is_refused(text: str) -> None:
    with pytest.raises(BadParameter):
        imported(text)


def test_a_wrong_value_is_told_by_the_name_in_the_file() -> None:
    with pytest.raises(BadParameter) as told:
        imported({"rep_pen": "much"})
    assert told.value.name == "rep_pen"


def test_a_master_export_gives_its_preset() -> None:
    found = imported(
        {"preset": {"temp": 0.5, "name": "Calm"}, "instruct": {"name": "ChatML"}, "name": "Mine"}
    )
    assert (found.sampling, found.name) == ({"temperature": 0.5}, "Mine")
    assert found.left_out == (LeftOut("instruct", "unsupported"),)


@pytest.mark.parametrize("name", built_in())
def test_what_was_exported_comes_back(name: str) -> None:
    found = imported(json.dumps(exported(name, built_in()[name])))
    assert (found.name, found.sampling, found.left_out) == (name, built_in()[name], ())


def test_banned_texts_that_are_no_list_are_refused_and_not_added_to() -> None:
    with pytest.raises(BadParameter):
        imported({"banned_strings": 1e308, "banned_tokens": "a line"})


def test_a_range_of_temperature_beyond_all_numbers_is_left_out() -> None:
    assert left_out(dynatemp=True, max_temp=10**400) == [("dynatemp", "unusable")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5
)


@given(st.dictionaries(st.sampled_from([*FIELDS, "banned_tokens", "samplers", "dynatemp", "max_temp"]), JSON))
def test_a_file_is_taken_or_refused_whatever_is_in_it(content: dict[str, Any]) -> None:
    try:
        found = imported(content)
    except BadParameter:
        return  # anything else would fail the test
    assert Sampling.of(found.sampling)


def test_every_real_preset_is_understood_key_by_key() -> None:
    if not REAL:
        need("presets", "FABULA_TEST_PRESETS names no folder of SillyTavern presets")
    files = sorted(Path(REAL).glob("*.json"))
    assert files
    for file in files:
        found = imported(file.read_text(encoding="utf-8"))
        assert Sampling.of(found.sampling), file.name
        assert [row for row in found.left_out if row.why == "unknown"] == [], file.name
