"""Which models are worth getting on which machine."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from fabula.core import texts
from fabula.core.model import LocalModel
from fabula.models.gpus import Gpu
from fabula.models.hardware import Machine
from fabula.models.sources import parse
from fabula.models.suggestions import suggest

GIB = 1 << 30


def with_memory(gib: int) -> Machine:
    memory = gib * GIB
    return Machine(
        system="Linux",
        processor="",
        cores=8,
        physical_cores=8,
        memory=memory,
        memory_available=memory * 3 // 4,
    )


@pytest.mark.parametrize("gib", [4, 8, 16, 32, 64, 128])
def test_what_is_suggested_fits_with_8k_of_context(gib: int) -> None:
    for suggestion in suggest(with_memory(gib)):
        assert suggestion.size < gib * GIB
        assert suggestion.context >= 8192
        assert suggestion.verdict != "no"


def test_a_larger_machine_gets_a_larger_first_choice() -> None:
    small, middle, large = (suggest(with_memory(gib))[0].parameters for gib in (4, 16, 128))
    assert small < middle <= large


def test_without_a_gpu_the_first_choice_reads_little_per_token() -> None:
    first = suggest(with_memory(64))[0]
    assert first.active < 6e9


def test_a_gpu_changes_the_choice() -> None:
    machine = replace(with_memory(32), gpus=(Gpu("RTX", 24 * GIB, 23 * GIB, "cuda"),))
    with_card, without = (suggest(machine, gpu=gpu)[0] for gpu in (True, False))
    assert with_card.active > 20e9 > without.active


def test_the_best_three_come_from_different_families() -> None:
    titles = [suggestion.title.split()[0] for suggestion in suggest(with_memory(32))[:3]]
    assert len(set(titles)) == 3


def test_what_is_installed_is_not_suggested_again() -> None:
    machine = with_memory(32)
    first = suggest(machine)[0].title
    here = LocalModel(name=first.replace(" ", "-") + "-Q4_K_M", path=Path("x.gguf"), size=1)
    assert first not in [suggestion.title for suggestion in suggest(machine, [here])]


def test_a_tiny_machine_gets_no_false_promise() -> None:
    assert suggest(with_memory(0)) == []
    for gib in (1, 2, 4):
        assert all(row.size < gib * GIB for row in suggest(with_memory(gib)))


def test_a_reader_of_chinese_gets_what_speaks_it() -> None:
    for language in ("zh-Hans", "zh-Hant"):
        found = suggest(with_memory(32), language=language)
        assert len(found) > 2
        assert all("zh" in row.languages for row in found)


def test_every_suggestion_can_be_pulled_and_explained() -> None:
    for suggestion in suggest(with_memory(256)):
        assert parse(suggestion.source).kind == "hub"
        assert suggestion.licence
        for language in texts.LANGUAGES:
            assert not re.search(r"[{}]|recommend\.", suggestion.why.say(language))
