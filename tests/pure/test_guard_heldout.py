"""The floor on cases that were written apart from its rules: it may not get worse."""

from __future__ import annotations

import pytest

from bench.guard import MEASURED, Counts, counted, decide, heldout, precision, recall, sure

# The rules were written looking at `dev`, so these floors say little about text that nobody has seen.
DEV = {"en": (0.97, 0.97), "zh-Hant": (0.97, 0.97), "zh-Hans": (0.97, 0.97)}
# A little under what was measured on `test` (docs/guard.md): recall, precision.
TEST = {"en": (0.83, 0.90), "zh-Hant": (0.81, 0.89), "zh-Hans": (0.78, 0.84)}


@pytest.fixture(scope="module", params=["dev", "test"])
def split(request: pytest.FixtureRequest) -> tuple[str, dict[str, Counts]]:
    return request.param, counted(sure(heldout(request.param)), lambda case: case["lang"])


@pytest.mark.parametrize("language", MEASURED)
def test_recall_and_precision_stay_where_they_were_measured(
    split: tuple[str, dict[str, Counts]], language: str
) -> None:
    name, counts = split
    found, precise = (DEV if name == "dev" else TEST)[language]
    assert recall(counts[language]) >= found
    assert precision(counts[language]) >= precise


@pytest.mark.parametrize("name", ["dev", "test"])
def test_a_text_is_decided_as_a_reply_as_it_is_as_a_message(name: str) -> None:
    alone = [case for case in heldout(name) if "turns" not in case]
    asked, told = ([decide(case, role) for case in alone] for role in ("user", "assistant"))
    # What makes a report of a text may come after what is sexual in it: a stream cannot wait for that.
    assert sum(one != other for one, other in zip(asked, told, strict=True)) <= len(alone) / 100


@pytest.mark.parametrize("language", ["ja", "es", "fr"])
def test_plain_forms_of_other_languages_are_known(language: str) -> None:
    count = counted(sure(heldout("dev")), lambda case: case["lang"])[language]
    assert recall(count) >= 0.8
    assert precision(count) >= 0.9
