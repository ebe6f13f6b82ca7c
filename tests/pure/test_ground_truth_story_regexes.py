"""Every regex script of the ground truth."""

from __future__ import annotations

from typing import Any

import pytest
from story_truth import tell, truth

from fabula.prompt.macros.scene import Scene
from fabula.prompt.regexes.scripts import run, script_of

CASES = truth("regex_scripts.json")
SCENE = Scene(user="Alex", char="Mira")


@pytest.mark.parametrize("case", CASES, ids=[row["script"]["findRegex"] for row in CASES])
def test_ground_truth_story_regexes(case: dict[str, Any]) -> None:
    assert run(script_of(case["script"]), case["input"], SCENE) == case["output"]


def test_number_of_regex_cases(capsys: pytest.CaptureFixture[str]) -> None:
    tell(capsys, len(CASES), "regex cases")
