"""Which well-known file is recommended, and that what is said of the others is true."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from fabula.models.hardware import Machine
from fabula.models.known.entries import entries
from fabula.models.recommend import Choice, Wish, recommend

TASKS = st.sampled_from(["", "chat", "roleplay", "story"])


def choices(gib: int, wish: Wish) -> list[Choice]:
    memory = gib << 30
    machine = Machine(
        system="Linux", processor="", cores=8, physical_cores=8, memory=memory, memory_available=memory
    )
    return recommend(entries(), machine, wish)


@settings(deadline=None, max_examples=15)
@given(TASKS, st.integers(1, 64), st.integers(1, 32))
def test_more_memory_never_recommends_less(task: str, gib: int, more: int) -> None:
    wish = Wish(task=task)
    small, large = choices(gib, wish)[0], choices(gib + more, wish)[0]
    assert small.out or (not large.out and large.terms >= small.terms)


@settings(deadline=None, max_examples=10)
@given(TASKS, st.integers(1, 64), st.sampled_from(["", "zh"]))
def test_reasons_are_true(task: str, gib: int, language: str) -> None:
    for choice in choices(gib, Wish(task=task, language=language)):
        match choice.out:
            case "language":
                assert language not in choice.entry.languages
            case "bits":
                assert choice.file.quantization.startswith(("Q2", "IQ2", "IQ1"))
            case "memory":
                assert choice.plan.total > choice.plan.available
            case _:
                assert choice.plan.verdict != "no"


def test_tuned_for_the_task_comes_before_larger() -> None:
    first = choices(64, Wish(task="roleplay"))[0]
    assert (first.entry.name, first.file.quantization) == ("MistralThinker-v1.1", "Q8_0")


def test_two_bits_are_only_recommended_when_asked_for() -> None:
    assert not any(each.file.quantization == "Q2_K" and not each.out for each in choices(64, Wish()))
    assert any(each.file.quantization == "Q2_K" and not each.out for each in choices(64, Wish(two_bits=True)))
