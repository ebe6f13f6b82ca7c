"""text-generation-webui's names as ours: sampling fields, orders, arguments of a load."""

from __future__ import annotations

from typing import Any

import pytest

from fabula.core.errors import BadParameter
from fabula.core.load import LoadOptions
from fabula.core.sampling import NEUTRAL, SAMPLERS, Sampling
from fabula.server import wire_names
from fabula.server.openai import parse
from fabula.server.textgen.loading import options_of
from fabula.server.wire_names import asks_nothing, limit_of, translated

USUAL = (
    "repetition_penalty\npresence_penalty\nfrequency_penalty\ndry\ntop_n_sigma\ntop_k\ntop_a\ntypical_p\ntfs\n"
    "epsilon_cutoff\neta_cutoff\ntop_p\nmin_p\nxtc\nquadratic_sampling\ntemperature\ndynamic_temperature\n"
    "mirostat\nadaptive_p\nencoder_repetition_penalty\nno_repeat_ngram"
)
SILLYTAVERN: dict[str, Any] = {
    # a body as SillyTavern 1.13 sends it to "Default (Oobabooga)", with its neutral settings
    "prompt": "Once",
    "max_new_tokens": 24,
    "max_tokens": 24,
    "stream": True,
    "truncation_length": 2048,
    "temperature": 0.7,
    "top_p": 1,
    "typical_p": 1,
    "typical": 1,
    "min_p": 0,
    "top_k": 40,
    "top_a": 0,
    "tfs": 1,
    "epsilon_cutoff": 0,
    "eta_cutoff": 0,
    "repetition_penalty": 1,
    "rep_pen": 1,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "repetition_penalty_range": 0,
    "rep_pen_range": 0,
    "rep_pen_slope": 1,
    "encoder_repetition_penalty": 1,
    "no_repeat_ngram_size": 0,
    "penalty_alpha": 0,
    "do_sample": True,
    "skew": 0,
    "temperature_last": True,
    "add_bos_token": True,
    "ban_eos_token": False,
    "skip_special_tokens": True,
    "dynamic_temperature": False,
    "dynatemp_low": 1,
    "dynatemp_high": 1,
    "dynatemp_range": 0,
    "dynatemp_exponent": 1,
    "smoothing_factor": 0,
    "smoothing_curve": 1,
    "dry_multiplier": 0,
    "dry_base": 1.75,
    "dry_allowed_length": 2,
    "dry_penalty_last_n": 0,
    "dry_sequence_breakers": '["\\n", ":"]',
    "xtc_threshold": 0.1,
    "xtc_probability": 0,
    "nsigma": 0,
    "top_n_sigma": 0,
    "min_keep": 0,
    "min_tokens": 0,
    "mirostat_mode": 0,
    "mirostat_tau": 5,
    "mirostat_eta": 0.1,
    "guidance_scale": 1,
    "negative_prompt": "",
    "grammar_string": "",
    "json_schema": None,
    "banned_strings": [],
    "custom_token_bans": "",
    "seed": -1,
    "sampler_seed": -1,
    "sampler_priority": USUAL.split("\n"),
    "stop": ["\nYou:"],
    "stopping_strings": ["\nYou:"],
    "speculative_ngram": False,
    "include_reasoning": False,
    "legacy_api": False,
    "api_type": "ooba",
    "num_ctx": 2048,
    "repeat_last_n": 0,
    "repeat_penalty": 1,
    "n_predict": 24,
    "num_predict": 24,
    "ignore_eos": False,
    "min_length": 0,
    "max_tokens_second": 0,
    "mirostat": 0,
    "n_probs": None,
    "api_server": "http://127.0.0.1:7341",
    "can_abort": True,
    "spaces_between_special_tokens": True,
    "adaptive_target": -0.01,
    "adaptive_decay": 0.9,
    "early_stopping": False,
    "length_penalty": 1,
    "num_beams": 1,
}


def sampling(**body: Any) -> Sampling:
    return parse.completion({"prompt": "x", **body}).sampling


def ignored(**body: Any) -> tuple[str, ...]:
    return parse.completion({"prompt": "x", **body}).ignored


def test_what_sillytavern_sends_is_understood_whole() -> None:
    wish = parse.completion(SILLYTAVERN)
    assert wish.ignored == ()
    assert (wish.sampling.max_tokens, wish.sampling.stop, wish.sampling.sampler_order) == (
        24,
        ("\nYou:",),
        (),
    )
    assert (wish.turn["overflow"], wish.turn["limit"]) == ("cut", 2048)


@pytest.mark.parametrize(
    ("wire", "field", "value"),
    [
        ({"max_new_tokens": 9}, "max_tokens", 9),
        ({"repetition_penalty_range": 0}, "repetition_window", -1),
        ({"repetition_penalty_range": 256}, "repetition_window", 256),
        ({"encoder_repetition_penalty": 1.1}, "encoder_repetition_penalty", 1.1),
        ({"no_repeat_ngram_size": 3}, "no_repeat_ngram", 3),
        ({"epsilon_cutoff": 3}, "epsilon_cutoff", 3.0),
        ({"eta_cutoff": 3}, "eta_cutoff", 3.0),
        ({"mirostat_mode": 2}, "mirostat", 2),
        ({"grammar_string": 'root ::= "a"'}, "grammar", 'root ::= "a"'),
        ({"custom_token_bans": "7, 8"}, "banned_tokens", (7, 8)),
        ({"ban_eos_token": True}, "ignore_eos", True),
        ({"do_sample": False}, "temperature", 0.0),
        ({"top_k": -1}, "top_k", 0),
        ({"dry_sequence_breakers": '"\\n", "#"'}, "dry_sequence_breakers", ("\n", "#")),
        ({"negative_prompt": "dull", "guidance_scale": 1.5}, "guidance_scale", 1.5),
        ({"stopping_strings": ["a"]}, "stop", ("a",)),
        ({"custom_stopping_strings": '"a", "b"'}, "stop", ("a", "b")),
        ({"min_length": 3}, "min_tokens", 3),
        ({"auto_max_new_tokens": True, "max_new_tokens": 9}, "max_tokens", None),
    ],
)
def test_a_name_of_theirs_is_a_field_of_ours(wire: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(sampling(**wire), field) == value
    assert ignored(**wire) == ()


def test_a_range_of_temperatures_is_a_middle_and_what_it_is_to_both_sides() -> None:
    made = sampling(dynamic_temperature=True, dynatemp_low=0.5, dynatemp_high=1.5, temperature=0.7)
    assert (made.temperature, made.dynatemp_range) == (1.0, 0.5)
    off = sampling(dynamic_temperature=False, dynatemp_low=0.5, dynatemp_high=1.5, temperature=0.7)
    assert (off.temperature, off.dynatemp_range) == (0.7, 0.0)


@pytest.mark.parametrize("given", [["temperature", "top_k", "min_p"], "temperature\ntop_k\nmin_p"])
def test_an_order_comes_as_names_or_as_lines(given: Any) -> None:
    assert sampling(sampler_priority=given).sampler_order == ("temperature", "top_k", "min_p")


def test_temperature_last_comes_last_wherever_it_was_named() -> None:
    order = sampling(sampler_priority=["temperature", "min_p", "top_k"], temperature_last=True).sampler_order
    assert order == ("min_p", "top_k", "temperature")


def test_an_order_that_changes_nothing_is_not_set() -> None:
    assert sampling(sampler_priority=["top_k", "top_p", "min_p", "bogus", "temperature"]).sampler_order == ()
    assert ignored(sampler_priority=["top_k", "top_p", "min_p", "bogus", "temperature"]) == (
        "sampler_priority[bogus]",
    )


def test_every_step_that_an_order_gets_is_one_of_ours() -> None:
    values, _ = translated({"sampler_priority": USUAL.split("\n")[::-1], "xtc_probability": 0.5, "tfs": 0.5})
    assert set(values["sampler_order"]) <= set(SAMPLERS)


def test_of_two_names_that_say_different_things_ours_counts_and_the_other_is_told() -> None:
    body = {"repetition_penalty": 1.1, "rep_pen": 1.3}
    assert (sampling(**body).repetition_penalty, ignored(**body)) == (1.1, ("rep_pen",))


@pytest.mark.parametrize(
    "body",
    [
        {"mode": "chat"},
        {"character": "Assistant"},
        {"skip_special_tokens": False},
        {"add_bos_token": False},
        {"max_tokens_second": 5},
        {"penalty_alpha": 0.6},
        {"custom_token_bans": "words"},
    ],
)
def test_what_nobody_heeds_is_told(body: dict[str, Any]) -> None:
    assert ignored(**body) == tuple(body)


def test_neutral_values_ask_for_nothing() -> None:
    assert asks_nothing("penalty_alpha", 0)
    assert not asks_nothing("penalty_alpha", 0.6)
    assert not asks_nothing("temperature", None)


@pytest.mark.parametrize(
    ("switch", "detail"),
    [
        (
            {"dry_multiplier": 0},
            {"dry_base": 1.8, "dry_sequence_breakers": '["\\n"]', "dry_penalty_last_n": 5},
        ),
        ({"xtc_probability": 0}, {"xtc_threshold": 0.2}),
        ({"mirostat_mode": 0}, {"mirostat_tau": 4}),
        ({"rep_pen": 1}, {"rep_pen_range": 9, "rep_pen_slope": 0.7}),
        ({"dynamic_temperature": False}, {"dynatemp_exponent": 2}),
    ],
)
def test_details_of_what_is_switched_off_ask_for_nothing(
    switch: dict[str, Any], detail: dict[str, Any]
) -> None:
    assert sampling(**switch, **detail) == sampling()
    assert sampling(**detail) != sampling(), "who forgot the switch is told by the engine"


def test_the_shortest_length_is_the_limit_and_nonsense_is_none() -> None:
    assert limit_of({"truncation_length": 512, "max_context_length": 300}) == 300
    assert [limit_of({"truncation_length": value}) for value in (0, -1, None, "9", True)] == [0] * 5


# ── loading ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("args", "options"),
    [
        ({"ctx_size": 4096}, {"context": 4096}),
        ({"n_ctx": 0}, {}),
        ({"gpu_layers": 0, "threads": 0}, {"gpu_layers": 0}),
        ({"n_gpu_layers": -1, "batch_size": 512}, {"gpu_layers": -1, "batch": 512}),
        ({"cache_type": "q8_0"}, {"kv_type": "q8_0"}),
        ({"cache_type": "fp16"}, {"kv_type": "f16"}),
        ({"no_mmap": True, "mlock": True}, {"mmap": False, "mlock": True}),
        ({"no_mmap": False}, {}),
        ({"flash_attn": True, "row_split": True}, {"flash_attention": "on", "split_mode": "row"}),
        ({"parallel": 2, "rope_freq_base": 10000}, {"slots": 2, "rope_base": 10000}),
    ],
)
def test_arguments_of_a_load_are_load_options(args: dict[str, Any], options: dict[str, Any]) -> None:
    assert options_of({"model_name": "m", "args": args}) == (options, ())
    assert LoadOptions.of(options)


def test_arguments_that_nobody_heeds_are_told() -> None:
    body = {"args": {"trust_remote_code": True, "ctx_size": 9}, "instruction_template": "Alpaca"}
    assert options_of(body) == ({"context": 9}, ("args.trust_remote_code", "instruction_template"))


@pytest.mark.parametrize("wrong", [{"args": [1]}, {"args": {"cache_type": "tiny"}}])
def test_a_load_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadParameter):
        options_of(wrong)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"max_length": 2, "max_tokens": None}, {"max_tokens": 2}),
        ({"typical": 0.5, "typical_p": None}, {"typical_p": 0.5}),
        ({"repetition_penalty_range": 0, "repetition_window": None}, {"repetition_window": -1}),
    ],
    ids=str,
)
def test_null_under_our_name_says_nothing(body: dict[str, Any], said: dict[str, Any]) -> None:
    assert translated(body) == (said, ())


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"truncation_length": "long"}, "truncation_length"),
        ({"max_context_length": [1]}, "max_context_length"),
        ({"dynamic_temperature": True, "dynatemp_low": 2, "dynatemp_high": 1}, "dynamic_temperature"),
        ({"dynamic_temperature": True}, "dynamic_temperature"),
        ({"dynamic_temperature": "yes"}, "dynamic_temperature"),
        ({"do_sample": "no"}, "do_sample"),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_told(body: dict[str, Any], told: str) -> None:
    assert told in translated(body)[1]


PLAIN = {
    name: value for name, value in NEUTRAL.items() if name not in wire_names.HEARD and value is not None
} | {
    "model": "m",
    "messages": [{"role": "user", "content": "Hi"}],
    "stream": True,
    "num_ctx": 4096,
    "logprobs": True,
    "max_tokens": 9,
    "seed": 1,
    "stop": ["."],
    "tools": [],
    "user": "me",
    "load": {},
}
VALUES = ("as usual", 0, -1, 1.5, True, False, "", "text", [], [1], ["a"], {}, {"a": 1})


@pytest.mark.parametrize(
    "value", ["as usual", 0, -1, 1.5, True, False, "", "text", [], [1], ["a"], {}, {"a": 1}]
)
def test_what_no_translation_looks_at_stays_as_it_is(value: Any) -> None:
    """The short way past the translation, and the translation itself, say the same."""
    body = PLAIN if value == "as usual" else dict.fromkeys(PLAIN, value) | {"messages": PLAIN["messages"]}
    assert wire_names.HEARD.isdisjoint(body)
    assert wire_names._translated(body) == (body, ())
    assert translated(body) == (body, ())
    assert translated(body)[0] is not body


def test_a_null_is_no_reason_to_stay() -> None:
    assert translated({"temperature": None, "model": "m"}) == ({"model": "m"}, ())
