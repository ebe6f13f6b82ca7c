"""Why a reply is bad: each rule finds its fault and nothing else, and a healthy chat has none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fabula.chats.why.evidence import Evidence, Weights
from fabula.chats.why.repetition import repeated_sentences, repeated_share
from fabula.chats.why.rules import RULES, findings
from fabula.core import texts
from fabula.core.sampling import Sampling
from fabula.core.texts import phrase

TEMPLATE = "{% for message in messages %}<|im_start|>{{ message.content }}<|im_end|>{% endfor %}"
TEXT = (
    "The keeper set the lamp upon the sill and listened. Far below, the water worked at the rocks with a "
    "sound like a slow saw, and somewhere in the fog a bell answered nobody in particular."
)
MODEL = Weights(
    name="good-8b.Q5_K_M",
    parameters=8_000_000_000,
    bits=5.7,
    quantization="Q5_K_M",
    trained_context=32_768,
    chat_template=TEMPLATE,
    bos="<s>",
)
HEALTHY = Evidence(
    text=TEXT,
    facts={"finish_reason": "stop", "prompt_tokens": 900, "completion_tokens": 60, "cut_messages": 0},
    effective=Sampling().all(),
    model=MODEL,
    earlier=("Good evening. You are late tonight.",),
    said="What did he hear?",
    greeting="Good evening. You are late tonight, and the fog has come before you to the door of my house.",
    person="Ada",
    is_story=True,
    layout="steady",
    prompt="<|im_start|>system\nA lighthouse.<|im_end|>\n<|im_start|>user\nWhat did he hear?<|im_end|>\n",
    parts={"description": 300, "system_prompt": 60},
    context=8192,
    kv_type="f16",
)


def sampled(**values: Any) -> dict[str, Any]:
    return {"effective": Sampling().all() | values}


def ended(reason: str, **facts: Any) -> dict[str, Any]:
    return {"facts": {**HEALTHY.facts, "finish_reason": reason, **facts}}


def model(**fields: Any) -> dict[str, Any]:
    return {"model": replace(MODEL, **fields)}


FAULTS: dict[str, dict[str, Any]] = {
    "model_elsewhere_made": model(pooling="mean"),
    "template_missing": model(chat_template=""),
    "template_mismatch": {"prompt": "[INST] What did he hear? [/INST]", "layout": "text"},
    "template_set": {"own_template": False},
    "bos_doubled": {"prompt": "<s><s>" + HEALTHY.prompt},
    "broken_off": ended("interrupted"),
    "empty": {"text": " \n"},
    "only_thought": {"text": "", "reasoning": "He heard the bell."},
    "cut_short": ended("length") | sampled(max_tokens=60),
    "context_full": ended("length", prompt_tokens=8140),
    "wrong_form": ended("stop", form_problem=phrase("why.no_template").kept()),
    "speaks_for_the_person": {"text": TEXT + "\n\nAda: I heard it too."},
    "repeats_itself": {"text": "He heard the bell, and he waited. " * 8},
    "repeats_the_chat": {"earlier": ("The keeper set the lamp upon the sill, and listened!",)},
    "too_hot": sampled(temperature=1.3, min_p=0.0, top_p=1.0, top_k=0),
    "too_cold": sampled(temperature=0.0) | {"text": TEXT + TEXT[:60]},
    "penalty_strong": sampled(repetition_penalty=1.35),
    "cut_narrow": sampled(top_k=2),
    "trait_strong": sampled(adapters={"rain": 1.8}),
    "context_cut": ended("stop", cut_messages=12),
    "context_stretched": ended("stop", prompt_tokens=40_000),
    "head_large": {"parts": {"description": 3900, "system_prompt": 200}},
    "bits_low": model(bits=2.9, quantization="Q2_K"),
    "kv_low": {"kv_type": "q4_0"},
    "macros_left": {"prompt": HEALTHY.prompt + "{{user_mood}}"},
    "greeting_short": {"greeting": "Hi."},
    "greeting_missing": {"greeting": None, "earlier": ()},
    "ignored": {"ignored": ("tfs",)},
    "unavoided": ended("stop", bans={"unavoided": ["bell"]}),
    "model_small": model(parameters=135_000_000),
}


def test_a_healthy_chat_has_no_fault() -> None:
    assert findings(HEALTHY) == []


def test_of_a_reply_of_which_nothing_is_known_nothing_is_said() -> None:
    assert findings(Evidence(text=TEXT)) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_with_its_numbers_and_a_way_out(fault: str) -> None:
    (found,) = findings(replace(HEALTHY, **FAULTS[fault]))
    assert found.rule == fault
    assert bool(found.fix) != bool(found.advice)
    for language in texts.LANGUAGES:
        for words in (found.words, found.advice, found.fix and found.fix.words):
            assert not words or ("{" not in words.say(language) or "{{" in words.say(language))
            assert not words or not words.say(language).startswith("why.")


def test_every_rule_has_its_fault() -> None:
    """Two rules name what they find by its kind."""
    named = {rule.__name__ for rule in RULES}
    assert named <= set(FAULTS)
    assert set(FAULTS) - named == {"only_thought", "context_full"}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_fix_changes_can_be_set(fault: str) -> None:
    (found,) = findings(replace(HEALTHY, **FAULTS[fault]))
    if found.fix:
        Sampling.of(dict(found.fix.sampling))
        assert found.fix.sampling or found.fix.model or found.fix.load


def test_with_the_fix_the_fault_is_gone() -> None:
    for fault in ("too_hot", "penalty_strong", "cut_narrow", "trait_strong"):
        seen = replace(HEALTHY, **FAULTS[fault])
        (found,) = findings(seen)
        assert findings(replace(seen, effective={**seen.effective, **found.fix.sampling})) == []


def test_the_same_model_with_more_bits_is_offered() -> None:
    (found,) = findings(replace(HEALTHY, **model(bits=2.9, better="good-8b.Q6_K")))
    assert found.fix.model == "good-8b.Q6_K"


def test_a_longer_context_is_offered_as_far_as_the_model_goes() -> None:
    (found,) = findings(replace(HEALTHY, **ended("stop", cut_messages=3)))
    assert found.fix.load == {"context": 16_384}


def test_the_likeliest_reason_comes_first() -> None:
    seen = replace(HEALTHY, ignored=("tfs",), **sampled(repetition_penalty=1.5), kv_type="q4_0")
    assert [found.weight for found in findings(seen)] == ["likely", "possible", "note"]


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [(TEXT, 0, 0), ("a b c d " * 4, 0.6, 1), ("他走進房間，看見燈亮著。" * 4, 0.6, 1), ("Yes.", 0, 0)],
)
def test_repetition_is_measured_in_runs_of_four_words(text: str, least: float, most: float) -> None:
    assert least <= repeated_share(text) <= most


def test_a_short_sentence_may_come_again() -> None:
    assert repeated_sentences("Yes, he said. And so on.", ["Yes, he said."]) == []
