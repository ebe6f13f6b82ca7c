"""Every case of replies in the ground truth: clean-up, stop strings, examples, hashes, thoughts."""

from __future__ import annotations

from typing import Any

import pytest
from story_setup import CHATML
from story_truth import tell, truth

from fabula.prompt.cleanup import Cleaning, cleaned, parted_reasoning, to_end_of_sentence
from fabula.prompt.faithful.examples import blocks
from fabula.prompt.faithful.stops import stop_strings
from fabula.prompt.faithful.templates import Context
from fabula.prompt.macros.chance import text_hash

TRUTH = truth("misc.json")
KINDS = (
    *("cleanUpMessage", "stops", "parseMesExamples", "trimToEndSentence", "getStringHash"),
    "parseReasoning",
)


def stops(kind: str) -> list[str]:
    return stop_strings(
        user="Alex",
        char="Mira",
        context=Context(),
        instruct=CHATML,
        resolve=str,
        impersonates=kind == "impersonate",
        continues_user=kind == "continue",
    )


@pytest.mark.parametrize("case", TRUTH["cleanUpMessage"], ids=lambda case: repr(case["input"]))
def test_ground_truth_story_clean_up(case: dict[str, Any]) -> None:
    for kind, field in (("normal", "output"), ("impersonate", "impersonate")):
        how = Cleaning(
            user="Alex",
            char="Mira",
            stops=stops(kind),
            stop=CHATML.stop_sequence,
            opens_user=CHATML.input_sequence,
            openings=(CHATML.input_sequence if kind == "impersonate" else CHATML.output_sequence,),
        )
        assert cleaned(case["input"], how, impersonates=kind == "impersonate") == case[field]


@pytest.mark.parametrize("kind", TRUTH["stops"])
def test_ground_truth_story_stops(kind: str) -> None:
    assert stops(kind) == TRUTH["stops"][kind]


@pytest.mark.parametrize("case", TRUTH["parseMesExamples"], ids=lambda case: repr(case["input"]))
def test_ground_truth_story_examples(case: dict[str, Any]) -> None:
    assert blocks(case["input"]) == case["instruct"]
    assert blocks(case["input"], "") == case["plain"]


@pytest.mark.parametrize(("text", "expected"), TRUTH["trimToEndSentence"])
def test_ground_truth_story_sentence_ends(text: str, expected: str) -> None:
    assert to_end_of_sentence(text) == expected


@pytest.mark.parametrize(("text", "expected"), TRUTH["getStringHash"])
def test_ground_truth_story_hash(text: str, expected: int) -> None:
    assert text_hash(text) == expected


@pytest.mark.parametrize(("text", "expected"), TRUTH["parseReasoning"])
def test_ground_truth_story_reasoning(text: str, expected: dict[str, str]) -> None:
    assert parted_reasoning(text, "<think>", "</think>") == (expected["reasoning"], expected["content"])


def test_number_of_reply_cases(capsys: pytest.CaptureFixture[str]) -> None:
    tell(capsys, sum(len(TRUTH[kind]) for kind in KINDS), "cases of replies")
