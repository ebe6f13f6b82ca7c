"""Which well-known model is recommended, and that what is said of the others is true."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabula.core import texts
from fabula.models.fit.asking import Question, machine_for
from fabula.models.hardware import Machine
from fabula.models.known.entries import entries
from fabula.models.recommend import LOW, Advice, Wish, ground, recommend, why, why_not

TASKS = st.sampled_from(["", "chat", "roleplay", "story", "code"])
GIB = 1 << 30


def memory(gib: int) -> Machine:
    return Machine(
        system="Linux", processor="", cores=8, physical_cores=8, memory=gib * GIB, memory_available=gib * GIB
    )


@cache
def advice(gib: int, wish: Wish) -> Advice:
    return recommend(entries(), ground(memory(gib), gpu=False), wish)


@cache
def on_card(gpu: str, wish: Wish) -> Advice:
    machine = machine_for(Question(target="", gpu=gpu, ram=32 * GIB), memory(32))
    return recommend(entries(), ground(machine, gpu=True), wish)


@settings(deadline=None, max_examples=6)
@given(TASKS, st.sampled_from([2, 6, 16]), st.sampled_from([1, 8, 48]))
def test_more_memory_never_recommends_less(task: str, gib: int, more: int) -> None:
    small, large = (advice(each, Wish(task=task)).best for each in (gib, gib + more))
    assert not small or large[0].terms >= small[0].terms


@pytest.mark.parametrize("task", ["", "roleplay", "code"])
@pytest.mark.parametrize("language", ["", "zh"])
def test_reasons_are_true(task: str, language: str) -> None:
    wish = Wish(task=task, language=language)
    for choice in advice(12, wish).out:
        told = {
            "obstacle": bool(choice.entry.obstacle),
            "language": language not in choice.entry.languages,
            "task": choice.entry.stage == "base",
            "context": choice.entry.context < wish.context,
            "nowhere": not choice.entry.quantized,
            "bits": bool(LOW.match(choice.quantization)),
            "memory": choice.plan.total > choice.plan.available,
            "slow": choice.rate < wish.slowest,
        }
        assert told[choice.out], (choice.entry.name, choice.out)


def test_the_order_is_that_of_the_terms_and_each_model_comes_once() -> None:
    found = on_card("RTX 3090", Wish(task="roleplay"))
    terms = [choice.terms for choice in found.best]
    names = [choice.entry.name for choice in (*found.best, *found.out)]
    assert terms == sorted(terms, reverse=True)
    assert sorted(names) == sorted(entry.name for entry in entries())


def test_tuned_for_the_task_comes_before_larger() -> None:
    best = on_card("RTX 3090", Wish(task="roleplay")).best
    first, larger = best[0], max(best, key=lambda each: each.entry.parameters)
    assert first.tuned
    assert not larger.tuned
    assert larger.entry.parameters > first.entry.parameters


def test_of_one_model_the_highest_type_that_fits_and_is_bearable_is_taken() -> None:
    [found] = [each for each in on_card("RTX 3060 12GB", Wish()).best if each.entry.name == "magnum-v4-12b"]
    slower = [each for each in on_card("RTX 3060 12GB", Wish(slowest=12)).best if each.entry == found.entry]
    assert found.quantization == "Q8_0"
    assert slower[0].bits < found.bits


def test_two_bits_are_only_recommended_when_asked_for() -> None:
    assert not any(LOW.match(each.quantization) for each in advice(4, Wish()).best)
    assert any(LOW.match(each.quantization) for each in advice(4, Wish(two_bits=True)).best)


def test_a_model_that_was_trained_for_less_context_is_not_recommended_for_more() -> None:
    [out] = [each for each in advice(16, Wish(context=16_384)).out if each.entry.name == "MythoMax-L2-13B"]
    assert out.out == "context"
    assert "4,096" in why_not(out, Wish(context=16_384)).say("en")


def test_a_recurrent_model_has_no_length_that_is_too_short() -> None:
    names = [each.entry.name for each in advice(16, Wish(context=65_536)).best]
    assert "RWKV-7-World-v3-2.9B" in names


def test_what_lies_partly_in_memory_comes_with_what_lies_on_the_card() -> None:
    best = on_card("RTX 3060 12GB", Wish(task="code")).best
    [coder] = [each for each in best if each.entry.name == "Qwen2.5 Coder 14B Instruct"]
    assert (coder.plan.verdict, coder.quantization) == ("partial", "Q8_0")
    assert coder.quicker is not None
    assert coder.quicker.plan.verdict != "partial"
    assert coder.quicker.rate > 2 * coder.rate
    assert coder.quicker.quantization in " ".join(note.say("en") for note in why(coder, Wish(task="code")))
    assert all(each.quicker is None for each in best if each.plan.verdict != "partial")


def test_what_was_seen_nowhere_is_listed_when_asked_for() -> None:
    wish = Wish(anywhere=True)
    [found] = [each for each in on_card("RTX 3090", wish).best if each.entry.name == "Qwen2.5 7B Instruct"]
    assert found.source == ""
    assert found.approximate


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_every_choice_is_explained_in_the_readers_language(language: str) -> None:
    wish = Wish(task="roleplay", language="en")
    found = on_card("RTX 3060 12GB", wish)
    told = [note.say(language) for choice in found.best for note in why(choice, wish)]
    told += [why_not(choice, wish).say(language) for choice in found.out]
    assert told
    assert not any("{" in sentence or "recommend." in sentence for sentence in told)
