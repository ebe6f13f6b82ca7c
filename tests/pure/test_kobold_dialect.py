"""KoboldCpp's bodies as core requests, and core deltas as its answers."""

from __future__ import annotations

import base64
import contextlib
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fabula.core.errors import (
    BadParameter,
    ContextExceeded,
    EngineDied,
    FabulaError,
    ModelNotFound,
    QueueFull,
)
from fabula.core.messages import IMAGE
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.stream import Choice, Finished, Queued, Token
from fabula.server.answering import Written
from fabula.server.kobold import errors, parse
from fabula.server.kobold.placeholders import replaced, stopped, tags_of
from fabula.server.kobold.render import Voice, logprobs, stop_reason
from fabula.server.wire_names import translated

USUAL = [6, 0, 1, 3, 4, 2, 5]


def sampling(**body: Any) -> Sampling:
    return parse.generate({"prompt": "x", **body}).sampling


def ignored(**body: Any) -> tuple[str, ...]:
    return parse.generate({"prompt": "x", **body}).ignored


def finished(**more: Any) -> Finished:
    usual: dict[str, Any] = dict.fromkeys(("prompt_ms", "predicted_ms"), 1.0)
    counts = dict.fromkeys(("prompt_tokens", "reused_tokens", "processed_tokens", "completion_tokens"), 3)
    return Finished(**{"reason": "stop", **usual, **counts, **more})


# ── sampling ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wire", "field", "value"),
    [
        ({"typical": 0.9}, "typical_p", 0.9),
        ({"tfs": 0.9}, "tfs", 0.9),
        ({"top_a": 0.2}, "top_a", 0.2),
        ({"nsigma": 1.5}, "top_n_sigma", 1.5),
        ({"nsigma": -1}, "top_n_sigma", 0.0),
        ({"rep_pen_range": 320}, "repetition_window", 320),
        ({"rep_pen_range": 0}, "repetition_window", 1),
        ({"rep_pen_slope": 0}, "repetition_slope", 1.0),
        ({"dynatemp_range": 0.5}, "dynatemp_range", 0.5),
        ({"dynatemp_exponent": 2}, "dynatemp_exponent", 2.0),
        ({"smoothing_factor": 0.3}, "smoothing_factor", 0.3),
        ({"smoothing_curve": 2}, "smoothing_curve", 2.0),
        ({"dry_multiplier": 0.8}, "dry_multiplier", 0.8),
        ({"dry_penalty_last_n": 0}, "dry_window", -1),
        ({"xtc_threshold": 0.2}, "xtc_threshold", 0.2),
        ({"mirostat": 2}, "mirostat", 2),
        ({"adaptive_target": -1}, "adaptive_target", 0.0),
        ({"adaptive_target": 0.5}, "adaptive_target", 0.5),
        ({"grammar": 'root ::= "a"'}, "grammar", 'root ::= "a"'),
        ({"presence_penalty": 0.5}, "presence_penalty", 0.5),
        ({"max_length": 12}, "max_tokens", 12),
        ({}, "max_tokens", parse.DEFAULT_LENGTH),
        ({"sampler_seed": 7}, "seed", 7),
        ({"sampler_seed": 0}, "seed", None),
        ({"seed": -1}, "seed", None),
        ({"use_default_badwordsids": True}, "ignore_eos", True),
        ({"ban_eos_token": False}, "ignore_eos", False),
        ({"logprobs": True}, "logprobs", 5),
        ({"custom_token_bans": "1, 2"}, "banned_tokens", (1, 2)),
        ({"banned_tokens": ["a b", "c"]}, "banned_strings", ("a b", "c")),
        ({"banned_strings": ["a"], "banned_tokens": ["b"]}, "banned_strings", ("a", "b")),
        ({"logit_bias": {"5": 250, "6": -1.5}}, "logit_bias", ((5, 100.0), (6, -1.5))),
        ({"stop_sequence": ["a", "", "a"]}, "stop", ("a",)),
        ({"singleline": True, "stop_sequence": ["x"]}, "stop", ("x", "\n")),
        ({"min_p": 0.1}, "min_p", 0.1),
    ],
)
def test_a_name_of_theirs_is_a_field_of_ours(wire: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(sampling(**wire), field) == value
    assert ignored(**wire) == ()


def test_the_largest_of_the_three_names_of_the_penalty_counts() -> None:
    assert sampling(rep_pen=1.05, repetition_penalty=1.2, repeat_penalty=1.1).repetition_penalty == 1.2


@pytest.mark.parametrize("given", [["\n", "###"], '["\\n", "###"]', '"\\n", "###"'])
def test_breakers_come_as_a_list_as_json_or_bare(given: Any) -> None:
    assert sampling(dry_sequence_breakers=given).dry_sequence_breakers == ("\n", "###")


def test_a_single_breaker_comes_as_it_is() -> None:
    assert sampling(dry_sequence_breakers="###").dry_sequence_breakers == ("###",)


def test_the_usual_order_needs_no_saying() -> None:
    assert sampling(sampler_order=USUAL).sampler_order == ()


def test_another_order_runs_what_belongs_together_together() -> None:
    order = sampling(sampler_order=[6, 5, 0, 1, 3, 4, 2]).sampler_order
    heat, cut = order.index("temperature"), order.index("top_p")
    assert heat < cut < order.index("min_p") < order.index("xtc")
    assert order.index("penalties") < heat


def test_an_unknown_number_of_the_order_is_told() -> None:
    assert "sampler_order[9]" in ignored(sampler_order=[*USUAL, 9])


def test_tail_free_sampling_has_its_place_in_their_order() -> None:
    """Theirs runs it before typical sampling, ours behind."""
    order = sampling(sampler_order=USUAL, tfs=0.9, typical=0.9).sampler_order
    assert order.index("tfs") < order.index("typical_p")


def test_fields_of_ours_have_their_own_names_too() -> None:
    assert sampling(no_repeat_ngram=3, think=False).no_repeat_ngram == 3


@pytest.mark.parametrize(
    "neutral",
    [
        {"use_story": False, "use_memory": False, "use_authors_note": False, "use_world_info": False},
        {"quiet": True, "trim_stop": True, "render_special": False, "bypass_eos": False},
        {"grammar_retain_state": False, "frmttriminc": False, "n": 1, "genkey": "KCPP1"},
        {"memory": None, "sampler_order": None, "stop_sequence": []},
    ],
)
def test_what_asks_for_nothing_is_not_told(neutral: dict[str, Any]) -> None:
    assert ignored(**neutral) == ()


@pytest.mark.parametrize(
    "name", ["grammar_retain_state", "render_special", "use_story", "frmttriminc", "bogus"]
)
def test_what_nobody_heeds_is_told(name: str) -> None:
    assert ignored(**{name: True}) == (name,)


def test_the_end_token_cannot_be_passed_over_only_forbidden() -> None:
    assert sampling(bypass_eos=True).ignore_eos
    assert ignored(bypass_eos=True) == ("bypass_eos (as ignore_eos)",)


def test_lists_that_are_too_long_are_cut_and_told() -> None:
    many = {"stop_sequence": [f"{n}" for n in range(300)], "logit_bias": {f"{n}": 1 for n in range(600)}}
    assert set(ignored(**many)) == {"stop_sequence[256…]", "logit_bias[512…]"}
    assert (len(sampling(**many).stop), len(sampling(**many).logit_bias)) == (256, 512)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": ["x"]}, "prompt"),
        ({"memory": 1}, "memory"),
        ({"stop_sequence": [1]}, "stop_sequence"),
        ({"max_length": 0}, "max_length"),
        ({"rep_pen": 1000}, "rep_pen"),
        ({"rep_pen_range": -5}, "rep_pen_range"),
        ({"typical": 7}, "typical"),
        ({"temperature": "hot"}, "temperature"),
        ({"logit_bias": {"a": 1}}, "logit_bias"),
        ({"genkey": 5}, "genkey"),
        ({"images": ["no image"]}, "images[0]"),
        ({"n": 99}, "n"),
        ({"rep_pen": "much"}, "rep_pen"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(wrong: dict[str, Any], name: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        parse.generate({"prompt": "x", **wrong})
    assert refusal.value.name == name


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = sorted(
    {
        *parse.KNOWN,
        "rep_pen_range",
        "sampler_order",
        "samplers",
        "typical",
        "nsigma",
        "dynatemp_low",
        "do_sample",
    }
    | {"dry_sequence_breakers", "custom_token_bans", "sampler_priority", "dynamic_temperature", "max_length"}
)


@given(st.dictionaries(st.sampled_from(NAMES), json_values, max_size=5))
def test_any_body_is_understood_or_refused(body: dict[str, Any]) -> None:
    with contextlib.suppress(BadParameter):
        assert parse.generate({"prompt": "x", **body}).prompts


@given(st.dictionaries(st.sampled_from(NAMES), json_values, max_size=5))
def test_a_translated_body_stays_as_it_is(body: dict[str, Any]) -> None:
    once, _ = translated(body)
    twice, _ = translated(once)
    assert said(twice) == said(once)


def said(body: dict[str, Any]) -> set[str]:
    """null says nothing, or that there is no limit."""
    return {name for name, value in body.items() if value is not None}


# ── the prompt ──────────────────────────────────────────────────────────────────────────────────────────


def test_memory_stands_before_the_prompt_and_lengths_are_limits() -> None:
    wish = parse.generate({"prompt": "p", "memory": "m", "max_context_length": 100, "genkey": "K"})
    assert (wish.prompts, wish.turn["head"], wish.turn["limit"], wish.key) == ((("p",),), "m", 100, "K")
    assert wish.turn["overflow"] == "cut"


@pytest.mark.parametrize("beginning", ["", "data:image/png;base64,"])
def test_images_stand_between_memory_and_prompt(beginning: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    coded = beginning + base64.b64encode(file.getvalue()).decode()
    wish = parse.generate({"prompt": "What is it?", "memory": "m", "images": [coded]})
    assert (wish.prompts, wish.turn["head"]) == (((f"{IMAGE}What is it?",),), "m")
    assert len(wish.turn["images"]) == 1


CHATML = LocalModel(
    name="m",
    path=None,  # type: ignore[arg-type]  # no file is read
    size=0,
    chat_template="{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
)


def test_placeholders_become_what_the_models_template_writes() -> None:
    tags = tags_of(CHATML)
    asked = replaced("{{[INPUT]}}Hi{{[OUTPUT]}}Yo{{[INPUT]}}Bye{{[OUTPUT]}}", tags, begins=True)
    turn = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n{}"
    assert asked == turn.format("Hi", "Yo<|im_end|>\n") + turn.format("Bye", "")


def test_with_marks_for_ends_each_mark_is_only_itself() -> None:
    text = "{{[SYSTEM]}}S{{[SYSTEM_END]}}{{[INPUT]}}U{{[INPUT_END]}}{{[OUTPUT]}}"
    expected = "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"
    assert replaced(text, tags_of(CHATML), begins=True) == expected


def test_behind_a_memory_the_first_turn_ends_one_too() -> None:
    assert replaced("{{[INPUT]}}", tags_of(CHATML), begins=False) == "<|im_end|>\n<|im_start|>user\n"


def test_a_stop_string_is_what_a_turn_begins_with() -> None:
    tags = tags_of(CHATML)
    assert [stopped(stop, tags) for stop in ("{{[INPUT]}}", "\nYou:")] == ["<|im_start|>user", "\nYou:"]


def test_without_being_asked_placeholders_stay() -> None:
    assert parse.generate({"prompt": "{{[INPUT]}}"}).prompts == (("{{[INPUT]}}",),)


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────


def voice(*, trims_stop: bool = True, wants_logprobs: bool = False) -> Voice:
    return Voice(trims_stop=trims_stop, wants_logprobs=wants_logprobs, language="en")


def test_an_event_has_its_name_and_its_token() -> None:
    expected = 'event: message\ndata: {"token": "né", "finish_reason": null}\n\n'
    assert voice().piece(0, Token("né")).decode() == expected


@pytest.mark.parametrize(("reason", "told"), [("stop", "stop"), ("length", "length"), ("stopped", "stop")])
def test_the_last_event_says_why_it_ended(reason: str, told: str) -> None:
    last = voice().piece(0, finished(reason=reason, ignored=("x",), cut_tokens=4)).decode()
    body = json.loads(last.partition("data: ")[2])
    assert (body["token"], body["finish_reason"], body["fabula"]["ignored"]) == ("", told, ["x"])
    assert (body["fabula"]["reasons"], body["fabula"]["cut_tokens"]) == ([reason], 4)


@pytest.mark.parametrize(("trims", "text"), [(True, "Hi"), (False, "Hi###")])
def test_a_stop_string_is_part_of_the_text_where_it_is_not_trimmed(trims: bool, text: str) -> None:
    written = Written(text="Hi", end=finished(stop_string="###"))
    answer = voice(trims_stop=trims).whole([written])
    assert answer["results"][0] | {"text": text} == answer["results"][0]


def test_a_failure_in_mid_stream_is_an_event_with_their_detail() -> None:
    last = json.loads(voice().failed(EngineDied("m", "SIGKILL")).partition(b"data: ")[2])
    assert (last["finish_reason"], last["detail"]["type"], last["detail"]["code"]) == (
        "error",
        "server_error",
        "engine_died",
    )


def test_a_place_in_the_queue_is_a_comment() -> None:
    assert voice().piece(0, Queued(2)) == b": queued 2\n\n"


def test_log_probabilities_have_both_of_their_shapes() -> None:
    best = (Choice(1, "a", -0.1), Choice(2, "b", -2.5))
    told = logprobs([Token("a", (1,), best[0], best)])
    assert told
    assert (told["tokens"], told["token_logprobs"], told["top_logprobs"]) == (
        ["a"],
        [-0.1],
        [{"a": -0.1, "b": -2.5}],
    )
    assert [row["token"] for row in told["content"][0]["top_logprobs"]] == ["a", "b"]
    assert logprobs([Token("a", (1,))]) is None


def test_why_an_answer_ended_is_a_number() -> None:
    ends = [
        finished(reason="length"),
        finished(),
        finished(stop_string="#"),
        finished(reason="stopped"),
        None,
    ]
    assert [stop_reason(end) for end in ends] == [0, 1, 2, -1, -1]


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (QueueFull(3), "service_unavailable"),
        (ModelNotFound("x", ""), "not_found"),
        (ContextExceeded(3, 2), "bad_input"),
        (EngineDied("m", "x"), "server_error"),
    ],
)
def test_errors_have_their_shape(failure: FabulaError, kind: str) -> None:
    detail = errors.body(failure)["detail"]
    assert (detail["type"], detail["msg"]) == (kind, failure.sentence())
