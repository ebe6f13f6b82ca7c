"""Every generation parameter changes what the real engine writes, or is told as ignored: none is dropped."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest
from asking import collect, ids_of, text_of

from fabula.core.sampling import OUTSIDE_THE_ENGINE, Sampling
from fabula.core.stream import Token
from fabula.engine.llamacpp.worker import LlamaCppWorker

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPT = "<|im_start|>user\nTell me about the sea, the sea, the sea.<|im_end|>\n<|im_start|>assistant\n"
SEEDS = (1, 2, 3)
WILD = {"temperature": 1.5, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
"""A base on which every filter has something to take away."""

# What is set, on which base, so that the text differs for at least one of a few seeds.
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "temperature": ({}, {"temperature": 0.1}),
    "top_k": (WILD, {"top_k": 1}),
    "top_p": (WILD, {"top_p": 0.05}),
    "min_p": (WILD, {"min_p": 0.9}),
    "typical_p": (WILD, {"typical_p": 0.05}),
    "top_n_sigma": (WILD, {"top_n_sigma": 0.5}),
    "xtc_probability": ({}, {"xtc_probability": 1.0, "xtc_threshold": 0.05}),
    "xtc_threshold": ({"xtc_probability": 1.0}, {"xtc_threshold": 0.02}),
    "dynatemp_range": ({}, {"dynatemp_range": 0.8}),
    "dynatemp_exponent": ({"dynatemp_range": 0.8}, {"dynatemp_exponent": 4.0}),
    "adaptive_target": (WILD, {"adaptive_target": 0.9}),
    "adaptive_decay": (WILD | {"adaptive_target": 0.5}, {"adaptive_decay": 0.1}),
    "repetition_penalty": ({}, {"repetition_penalty": 1.8}),
    "repetition_window": ({"repetition_penalty": 1.8}, {"repetition_window": 2}),
    "presence_penalty": ({}, {"presence_penalty": 2.0}),
    "frequency_penalty": ({}, {"frequency_penalty": 2.0}),
    "dry_multiplier": ({"temperature": 0}, {"dry_multiplier": 4.0, "dry_allowed_length": 1}),
    "dry_base": (
        {
            "temperature": 0,
            "dry_multiplier": 0.2,
            "dry_allowed_length": 1,
            "dry_base": 1.0,
            "max_tokens": 120,
        },
        {"dry_base": 20.0},
    ),
    "dry_allowed_length": ({"temperature": 0, "dry_multiplier": 4.0}, {"dry_allowed_length": 1}),
    "dry_window": (
        {"temperature": 0, "dry_multiplier": 4.0, "dry_allowed_length": 1},
        {"dry_window": 3},
    ),
    "dry_sequence_breakers": (
        {"temperature": 0, "dry_multiplier": 4.0, "dry_allowed_length": 1},
        {"dry_sequence_breakers": [" the", " sea", " a", ","]},
    ),
    "mirostat": ({}, {"mirostat": 2}),
    "mirostat_tau": ({"mirostat": 2}, {"mirostat_tau": 0.5}),
    "mirostat_eta": ({"mirostat": 2}, {"mirostat_eta": 1.0}),
    "grammar": ({}, {"grammar": 'root ::= "yes" | "no"'}),
    "json_schema": ({}, {"json_schema": {"type": "boolean"}}),
    "regex": ({}, {"regex": "[a-c]{3}"}),
    "sampler_order": (WILD | {"temperature": 3.0, "min_p": 0.3}, {"sampler_order": ["temperature", "min_p"]}),
    "banned_strings": ({}, {"banned_strings": ["THE ", " sea"]}),
    "banned_regexes": ({}, {"banned_regexes": [r"\bsea\b", r"\bthe\b"]}),
    "seed": ({"temperature": 1.5}, {"seed": 77}),
    "stop": ({}, {"stop": ["e"]}),
    "max_tokens": ({}, {"max_tokens": 3}),
}
# What is shown in another way, in a test of its own: below, and `test_adapters` of adapters.
SHOWN_APART = {"logit_bias", "banned_tokens", "logprobs", "ignore_eos", "adapters"}


async def written(worker: LlamaCppWorker, seed: int, values: dict[str, Any]) -> str:
    asked = Sampling.of({"seed": seed, "max_tokens": 32} | values)
    deltas, _ = await collect(worker, PROMPT, **asked.all())
    return text_of(deltas)


@pytest.mark.parametrize("name", CHANGES)
async def test_it_changes_what_is_written(worker: LlamaCppWorker, name: str) -> None:
    base, change = CHANGES[name]
    for seed in SEEDS:
        if await written(worker, seed, base) != await written(worker, seed, base | change):
            return
    pytest.fail(f"{name} changed nothing with the seeds {SEEDS}")


@pytest.mark.parametrize("name", CHANGES)
async def test_what_changes_the_text_is_not_told_as_ignored(worker: LlamaCppWorker, name: str) -> None:
    base, change = CHANGES[name]
    _, ignored = worker.honours(Sampling.of(base | change))
    assert name not in ignored


async def test_a_dynamic_temperature_runs_where_the_order_names_it(worker: LlamaCppWorker) -> None:
    """The engine has one step for both."""
    hot = WILD | {"temperature": 3.0, "dynatemp_range": 1.0, "min_p": 0.3}
    by_name = {
        step: [
            await written(worker, seed, hot | {"sampler_order": [step, "min_p"], "max_tokens": 8})
            for seed in SEEDS
        ]
        for step in ("dynatemp", "temperature")
    }
    last = [await written(worker, seed, hot | {"max_tokens": 8}) for seed in SEEDS]
    assert by_name["dynatemp"] == by_name["temperature"] != last


async def test_every_other_field_is_told_as_ignored(worker: LlamaCppWorker) -> None:
    for field in dataclasses.fields(Sampling):
        if field.name in {*CHANGES, *SHOWN_APART, *OUTSIDE_THE_ENGINE, "said"}:
            continue
        _, ignored = worker.honours(
            dataclasses.replace(Sampling(), **{field.name: other_than_neutral(field)})
        )
        assert field.name in ignored, field.name


def other_than_neutral(field: dataclasses.Field[Any]) -> Any:
    kind = str(field.type).removesuffix(" | None")
    return {
        "int": 3,
        "float": 0.5,
        "str": "text",
        "bool": True,
        "tuple[str, ...]": ("text",),
        "tuple[int, ...]": (5,),
        "tuple[tuple[str, float, int, int], ...]": (("towards-the-sea", 1.0, 0, 0),),
    }[kind]


async def test_a_biased_token_comes_and_a_banned_one_does_not(worker: LlamaCppWorker) -> None:
    first = ids_of((await collect(worker, PROMPT, temperature=0, max_tokens=1))[0])[0]
    forbidden = ids_of(
        (await collect(worker, PROMPT, temperature=0, max_tokens=8, banned_tokens=(first,)))[0]
    )
    assert first not in forbidden
    other = 28 if first != 28 else 17
    biased, _ = await collect(worker, PROMPT, temperature=0, max_tokens=3, logit_bias=((other, 100.0),))
    assert ids_of(biased) == (other,) * 3
    without, _ = await collect(worker, PROMPT, temperature=0, max_tokens=8, logit_bias=((first, -math.inf),))
    assert first not in ids_of(without)


async def test_log_probabilities_come_when_asked_for(worker: LlamaCppWorker) -> None:
    deltas, _ = await collect(worker, PROMPT, temperature=0, max_tokens=3, logprobs=4)
    tokens = [delta for delta in deltas if isinstance(delta, Token)]
    assert all(token.chosen and len(token.likeliest) == 4 for token in tokens)


async def test_the_end_can_be_ignored(worker: LlamaCppWorker) -> None:
    prompt = "<|im_start|>user\nSay: Hi.<|im_end|>\n<|im_start|>assistant\nHi."
    _, usual = await collect(worker, prompt, temperature=0, max_tokens=40)
    _, longer = await collect(worker, prompt, temperature=0, max_tokens=40, ignore_eos=True)
    assert (usual.reason, longer.reason) == ("stop", "length")


async def test_a_window_of_zero_is_off_and_minus_one_is_everything(worker: LlamaCppWorker) -> None:
    plain = await written(worker, 1, {"temperature": 0})
    off = await written(worker, 1, {"temperature": 0, "repetition_penalty": 1.8, "repetition_window": 0})
    assert off == plain
    effective, _ = worker.honours(Sampling(repetition_penalty=1.1, repetition_window=-1))
    assert effective["repetition_window"] == worker.plan.context
    effective, ignored = worker.honours(Sampling(repetition_penalty=1.1, repetition_window=0))
    assert (effective["repetition_penalty"], ignored) == (1.0, ("repetition_penalty",))


async def test_a_form_is_kept(worker: LlamaCppWorker) -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    schema["additionalProperties"] = False
    text = await written(worker, 1, {"json_schema": schema, "max_tokens": 60})
    assert isinstance(json.loads(text)["age"], int)
    assert await written(worker, 2, {"regex": "[a-c]{3}"}) in {
        f"{a}{b}{c}" for a in "abc" for b in "abc" for c in "abc"
    }
