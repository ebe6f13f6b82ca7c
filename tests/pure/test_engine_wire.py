"""Our sampling in the engine's words."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from fabula.core.errors import BadParameter, BansWithForm
from fabula.core.sampling import SEED_LIMIT, Sampling
from fabula.core.worker import Prompt
from fabula.engine.llamacpp import wire


def body(**sampling: object) -> dict[str, object]:
    asked = Sampling.of(sampling)
    return wire.body(Prompt(("Hi",)), asked, wire.effective(asked, context=2048, seed=99))


def test_windows_count_tokens_and_minus_one_is_the_whole_context() -> None:
    on = {"repetition_penalty": 1.1, "dry_multiplier": 0.8}
    sent = body(repetition_window=-1, dry_window=-1, **on)
    assert (sent["repeat_last_n"], sent["dry_penalty_last_n"]) == (2048, 2048)
    sent = body(repetition_window=0, dry_window=0, **on)
    assert (sent["repeat_last_n"], sent["dry_penalty_last_n"]) == (0, 0)


def test_what_a_window_of_nothing_switches_off_is_told() -> None:
    asked = Sampling(
        repetition_penalty=1.5, presence_penalty=1.0, repetition_window=0, dry_multiplier=2.0, dry_window=0
    )
    told = wire.effective(asked, context=2048, seed=1)
    assert (told["repetition_penalty"], told["presence_penalty"], told["dry_multiplier"]) == (1.0, 0.0, 0.0)
    assert set(wire.ignored(asked)) == {"repetition_penalty", "presence_penalty", "dry_multiplier"}
    assert wire.ignored(dataclasses.replace(asked, repetition_window=-1, dry_window=1)) == ()
    assert wire.ignored(Sampling(repetition_window=0, dry_window=-1)) == ("repetition_window",)


def test_what_is_off_is_off_in_the_engines_way() -> None:
    assert body()["top_n_sigma"] == -1.0
    assert body(top_n_sigma=1.5)["top_n_sigma"] == 1.5
    assert body(dry_sequence_breakers=[])["dry_sequence_breakers"] == ["\0"]
    assert body(stop=["", "x"])["stop"] == ["x"]


def test_a_seed_is_always_sent_and_told() -> None:
    assert body()["seed"] == 99
    assert body(seed=7)["seed"] == 7
    assert body(seed=SEED_LIMIT)["seed"] == 99  # the engine reads it as "random"
    assert wire.effective(Sampling(), context=2048, seed=99)["seed"] == 99


def test_a_forbidden_token_can_be_said_in_json() -> None:
    asked = Sampling(logit_bias=((5, -math.inf), (6, 1.5)))
    told = wire.effective(asked, context=2048, seed=99)
    assert wire.body(Prompt(("Hi",)), asked, told)["logit_bias"] == [[5, False], [6, 1.5]]
    assert Sampling.of(json.loads(json.dumps(told, allow_nan=False))).logit_bias == asked.logit_bias


def test_log_probabilities_and_length_are_asked_for_only_when_wanted() -> None:
    assert (body()["n_probs"], body(logprobs=0)["n_probs"], body(logprobs=5)["n_probs"]) == (0, 1, 5)
    assert (body()["n_predict"], body(max_tokens=9)["n_predict"]) == (-1, 9)


def test_a_prompt_is_text_ids_or_both() -> None:
    assert wire.mixed(Prompt(("Hi",))) == "Hi"
    assert wire.mixed(Prompt(((1, 2), "Hi", (3,)))) == [1, 2, "Hi", 3]


@pytest.mark.parametrize("id", [-1, 1 << 31, 1 << 40, 1 << 70])
def test_a_number_that_the_engine_would_cut_to_another_token_is_refused(id: int) -> None:
    with pytest.raises(BadParameter):
        wire.mixed(Prompt(("Hi", (1, id))))


def test_ids_that_are_none_of_the_vocabulary_are_refused_with_the_range() -> None:
    prompt = Prompt(("Hi", (1, 500)))
    with pytest.raises(BadParameter, match="500, but must be a whole number from 0 to 499"):
        wire.check(prompt, Sampling(), 500)
    wire.check(prompt, Sampling(), 501)
    wire.check(prompt, Sampling())


def test_what_another_parameter_switches_off_is_told() -> None:
    assert wire.ignored(Sampling(top_k=5, repetition_penalty=1.2, mirostat=2)) == (
        "top_k",
        "repetition_penalty",
    )
    used = wire.effective(Sampling(top_k=5, repetition_penalty=1.2, mirostat=2), context=64, seed=1)
    assert [used[name] for name in ("top_k", "top_p", "min_p", "repetition_penalty")] == [0, 1, 0, 1]
    assert wire.ignored(Sampling(mirostat_tau=3, dry_base=2, xtc_threshold=0.2)) == (
        "xtc_threshold",
        "dry_base",
        "mirostat_tau",
    )
    assert wire.ignored(Sampling(repetition_window=9)) == ("repetition_window",)
    assert wire.ignored(Sampling(repetition_window=9, presence_penalty=1, top_k=3)) == ()


def test_what_the_engine_cannot_do_is_told_and_not_claimed() -> None:
    asked = Sampling(tfs=0.9, top_a=0.2, min_tokens=9, top_k=3)
    assert wire.ignored(asked) == ("tfs", "top_a", "min_tokens")
    told = wire.effective(asked, context=2048, seed=99)
    assert (told["tfs"], told["banned_strings"], told["json_schema"], told["top_k"]) == (1.0, (), "", 3)


def test_banned_tokens_are_forbidden_and_a_grammar_is_sent() -> None:
    sent = body(banned_tokens=[7], logit_bias=[[5, 1.5]], grammar='root ::= "yes"')
    assert (sent["logit_bias"], sent["grammar"]) == ([[5, 1.5], [7, False]], 'root ::= "yes"')


def test_what_the_engine_says_it_used_is_believed() -> None:
    told = wire.effective(Sampling(), context=2048, seed=99)
    settings = {"top_k": 30, "top_p": 0.949999988079071, "top_n_sigma": -1.0, "n_probs": 0}
    assert wire.settled(told, settings) == told | {"top_k": 30}


def test_samplers_that_are_not_named_keep_their_place_behind_the_named_ones() -> None:
    steps = wire.body(Prompt(("x",)), Sampling(sampler_order=("temperature", "top_k", "tfs")), effective())[
        "samplers"
    ]
    assert steps[:3] == ["temperature", "top_k", "penalties"]
    assert sorted(steps) == sorted(wire.STEPS.values())


def test_a_dynamic_temperature_is_heard_where_it_is_named() -> None:
    for order in (("dynatemp", "min_p"), ("dynatemp", "min_p", "temperature")):
        asked = Sampling(sampler_order=order, dynatemp_range=1.0, temperature=3.0)
        steps = wire.body(Prompt(("x",)), asked, effective())["samplers"]
        assert steps[:2] == ["temperature", "min_p"]
        assert sorted(steps) == sorted(wire.STEPS.values())


def test_adaptive_p_comes_last_and_only_when_asked_for() -> None:
    assert (
        wire.body(Prompt(("x",)), Sampling(adaptive_target=0.3), effective())["samplers"][-1] == "adaptive_p"
    )
    assert "adaptive_p" not in wire.body(Prompt(("x",)), Sampling(), effective())["samplers"]


def test_a_form_is_sent_in_the_engines_words() -> None:
    asked = wire.body(Prompt(("x",)), Sampling(json_schema='{"type":"integer"}'), effective())
    assert asked["json_schema"] == {"type": "integer", "x-guidance": wire.ON_ONE_LINE}


def effective() -> dict[str, object]:
    return wire.effective(Sampling(), context=2048, seed=1)


def test_banned_texts_and_a_form_are_refused_unless_a_trigger_begins_it() -> None:
    asked = Sampling(banned_regexes=("x+",), grammar='root ::= "a"')
    with pytest.raises(BansWithForm) as refused:
        wire.check(Prompt(("hello",)), asked)
    assert refused.value.form == "grammar"
    wire.check(Prompt(("hello",), triggers=("<call>",)), asked)
    wire.check(Prompt(("hello",)), dataclasses.replace(asked, grammar=""))
