"""Every text-completion case of the ground truth: instruct presets of other makers, and single features."""

from __future__ import annotations

from typing import Any

import pytest
from story_setup import TRUTH, set_up, story_of, templates_of, turn_of, world
from story_truth import Counted, tell

from fabula.prompt.faithful.text import TextPrompt, text_prompt

INSTRUCT: dict[str, Any] = TRUTH["instruct"]
KINDS = {"prompt": "normal", "prompt_impersonate": "impersonate", "prompt_continue": "continue"}
FEATURES: dict[str, Any] = TRUTH["features"]
INSTRUCT_CASES = [(name, field) for name in INSTRUCT for field in KINDS if field in INSTRUCT[name]]
FEATURE_CASES = [(name, kind) for name, row in FEATURES.items() for kind in row["expected"]]


def told(setup: dict[str, Any], kind: str) -> TextPrompt:
    context, instruct = templates_of(setup)
    template = instruct if setup["instruct_enabled"] else None
    found = text_prompt(story_of(setup), turn_of(setup, kind), context, template, Counted(), world())
    assert isinstance(found, TextPrompt)
    return found


@pytest.mark.parametrize(("name", "field"), INSTRUCT_CASES, ids=str)
def test_ground_truth_story_instruct(name: str, field: str) -> None:
    row = INSTRUCT[name]
    found = told(set_up({"instruct_preset": name, "context_preset": row["context"]}), KINDS[field])
    assert found.text == row[field]
    if field == "prompt":
        assert list(found.stops) == row["stop"]


@pytest.mark.parametrize(("name", "kind"), FEATURE_CASES, ids=str)
def test_ground_truth_story_feature(name: str, kind: str) -> None:
    expected = FEATURES[name]["expected"][kind]
    found = told(set_up(FEATURES[name]["setup"]), "normal" if kind == "body" else kind)
    if kind == "body":
        assert (found.text, list(found.stops)) == (expected["prompt"], expected["stop"])
    else:
        assert found.text == expected


def test_number_of_text_cases(capsys: pytest.CaptureFixture[str]) -> None:
    tell(capsys, len(INSTRUCT_CASES), "instruct prompts")
    tell(capsys, len(FEATURE_CASES), "feature prompts")
