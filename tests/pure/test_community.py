"""The community's table and its sayings, against what the planner was measured to find."""

from __future__ import annotations

import pytest

from fabula.core import texts
from fabula.models.community import quantizations, sayings, table
from fabula.models.community.cells import GIB, TYPES, Place, cell, fit


@pytest.mark.parametrize(
    ("card", "kind", "best"),
    [
        ("RTX 4060", "llama-3.1-8b", "Q6_K"),
        ("RTX 3060 12GB", "llama-3.1-8b", "Q8_0"),
        ("RTX 3060 12GB", "qwen2.5-14b", "Q5_K_M"),
        ("RTX 4060 Ti 16GB", "mistral-small-24b", "Q4_K_M"),
        ("RTX 4060 Ti 16GB", "gemma-3-27b", "IQ4_XS"),
        ("RTX 3090", "mistral-small-24b", "Q6_K"),
        ("RTX A6000", "qwen2.5-32b", "Q8_0"),
    ],
)
def test_cells_are_those_that_were_worked_out_from_the_engines_own_plans(
    card: str, kind: str, best: str
) -> None:
    """The corrected maxima at 8K of reference measurements with llama.cpp's allocator."""
    whole = cell(Place(card, 64 * GIB), kind, 8192).whole
    assert whole
    assert whole.type == best


def test_a_larger_card_never_holds_a_lower_type() -> None:
    rows = table.cells()
    for size in table.SIZES:
        found = [rows[gb, size.name].whole for gb in table.PLACES]
        ranks = [TYPES.index(each.type) if each else len(TYPES) for each in found]
        assert ranks == sorted(ranks, reverse=True), size.name


def test_the_memory_helps_only_with_more_bits_and_costs_speed() -> None:
    for each in table.cells().values():
        if each.whole and each.part:
            assert TYPES.index(each.part.type) < TYPES.index(each.whole.type)
            assert each.part.rate[1] < each.whole.rate[1]


def test_a_cell_is_impossible_only_where_the_memory_fails_too() -> None:
    place = Place("RTX 4060", 8 * GIB)
    assert cell(place, "llama-3.1-70b", 8192).impossible
    assert not cell(Place("RTX 4060", 64 * GIB), "llama-3.1-70b", 8192).impossible
    assert all(row.judgement != "impossible" or row.found is None for row in table.judged())


def test_the_lore_is_judged_as_it_was_measured() -> None:
    """Five cells right on the card alone; 70B in two bits on 8 GB only with most of it in memory."""
    judged = {(row.card, row.size): row for row in table.judged()}
    right = {place for place, row in judged.items() if row.judgement == "right"}
    assert right == {(16, "7–8B"), (24, "7–8B"), (48, "7–8B"), (48, "13–14B")}
    eight = judged[8, "70B"]
    assert eight.judgement == "part"
    assert eight.found
    assert eight.found.on_card < eight.found.plan.total / 2


HOLD = {
    "7b_fp16": True,
    "7b_4bit": False,
    "13b_fp16": True,
    "13b_4bit": False,
    "13b_30_layers": False,
    "14b_on_12": True,
    "8b_on_8": True,
    "13b_on_12": False,
    "20b_on_16": False,
    "32b_on_24": True,
    "70b_on_48": True,
    "70b_on_24": True,
    "mixtral_56b": False,
    "twice_context": False,
}


@pytest.mark.parametrize("saying", sayings.SAYINGS, ids=lambda saying: saying.name)
def test_sayings_are_confirmed_or_corrected(saying: sayings.Saying) -> None:
    found = saying.found()
    assert found.holds is HOLD[saying.name]
    assert found.figure > 0


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_every_saying_is_told_in_every_language(language: str) -> None:
    for row in sayings.data(language):
        assert not any("{" in row[key] or "community." in row[key] for key in ("saying", "told"))


def test_what_the_sentences_add_is_true() -> None:
    """Contexts of 3.1 and 4.8 GiB, Q4_K_M of a 13B on 12 GB, no IQ2_M of a 70B on 24 GB, 62 layers."""
    contexts = [
        fit(Place("RTX A6000", 64 * GIB), kind, "Q4_K_M", 4096)
        for kind in ("llama-2-13b", "llama-2-20b-merge")
    ]
    told = [sum(device.kv for device in each.plan.devices) / GIB for each in contexts if each]
    assert [round(each, 1) for each in told] == [3.1, 4.8]
    assert sayings.fits("llama-2-13b", "Q4_K_M", 4096)(12 * GIB).holds
    assert not sayings.fits("llama-3.1-70b", "IQ2_M", 8192)(24 * GIB).holds


def test_fewer_bits_are_fewer_bytes_in_every_kind() -> None:
    rows = {row.type: row for row in quantizations.rows()}
    order = ("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K", "IQ2_XXS")
    for column in range(len(quantizations.SHOWN)):
        bits = [rows[type_].bits[column] for type_ in order]
        assert bits == sorted(bits, reverse=True)
        assert 15.9 < bits[0] < 16.1
