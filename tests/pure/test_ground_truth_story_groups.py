"""Every group case of the ground truth: whose card is told, who is named, where replies end."""

from __future__ import annotations

from typing import Any

import pytest
from story_setup import (
    bare_card,
    character_of,
    group_templates,
    message_of,
    persona_of,
    set_up,
    story_of,
    turn_of,
    world,
)
from story_truth import Counted, card_of, tell, truth

from fabula.prompt.faithful.model import Character, Group
from fabula.prompt.faithful.text import TextPrompt, text_prompt

TRUTH = truth("group_prompts.json")
CASES = [
    (name, number)
    for name, row in TRUTH.items()
    if isinstance(row, dict) and "prompts" in row
    for number in range(len(row["prompts"]))
]


def members() -> list[Character]:
    cards = {"Mira.png": bare_card({}), "MiraV3.png": card_of("mira_v3.json")}
    return [character_of(cards[file], file.removesuffix(".png")) for file in TRUTH["group_json"]["members"]]


def told(row: dict[str, Any], number: int) -> TextPrompt:
    cast = members()
    muted = frozenset(file.removesuffix(".png") for file in row["disabled_members"])
    speakers = [member for member in cast if member.file not in muted]
    before = len(row["chat_after"]) - len(row["prompts"]) + number
    group = Group(
        members=tuple(cast),
        muted=muted,
        join=row["generation_mode"],
        prefix=row.get("join_prefix", ""),
        suffix=row.get("join_suffix", ""),
    )
    setup = set_up({})
    story = story_of(
        setup,
        character=speakers[number],
        group=group,
        persona=persona_of(setup["persona"]),
        messages=[message_of(message) for message in row["chat_after"][:before]],
    )
    context, instruct = group_templates()
    found = text_prompt(story, turn_of(setup, "normal"), context, instruct, Counted(), world())
    assert isinstance(found, TextPrompt)
    return found


@pytest.mark.parametrize(("name", "number"), CASES, ids=str)
def test_ground_truth_story_group(name: str, number: int) -> None:
    expected = TRUTH[name]["prompts"][number]
    found = told(TRUTH[name], number)
    assert (found.text, list(found.stops)) == (expected["prompt"], expected["stop"])


def test_number_of_group_cases(capsys: pytest.CaptureFixture[str]) -> None:
    tell(capsys, len(CASES), "group prompts")
