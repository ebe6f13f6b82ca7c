"""What the faithful layout tells, the steady one tells too: counted part by part over the replay suite."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest
from story_truth import Counted

from bench.replay_script import SCENARIOS, Asked, Scenario, played
from fabula.prompt.faithful.formats import CONTEXTS, FORMATS
from fabula.prompt.faithful.model import Turn
from fabula.prompt.faithful.prepare import World
from fabula.prompt.faithful.text import TextPrompt, text_prompt
from fabula.prompt.steady.layout import SteadyPrompt, steady_prompt
from fabula.prompt.steady.memory import Memory
from fabula.prompt.template import ChatTemplate

TURNS = 14
NOW = datetime.datetime(2026, 5, 1, 9, tzinfo=datetime.UTC)


def both(scenario: Scenario) -> Iterator[tuple[Asked, TextPrompt, str]]:
    """Each turn with its faithful prompt and its steady text, in a window that holds all."""
    memory = Memory()
    for asked in played(scenario, TURNS):
        if asked.number > TURNS:
            return
        turn, world = Turn(kind=asked.kind, context=100_000), World(draw=lambda: 0.5, now=NOW)
        args = asked.story, turn, CONTEXTS["Default"], FORMATS["ChatML"], Counted(), world
        faithful = text_prompt(*args)
        steady = steady_prompt(asked.story, turn, ChatTemplate(""), Counted(), world, memory)
        assert isinstance(faithful, TextPrompt)
        assert isinstance(steady, SteadyPrompt)
        memory = Memory.of(steady.memory.all())
        yield asked, faithful, "".join(piece for piece in steady.plan.pieces if isinstance(piece, str))


def parts(asked: Asked, faithful: TextPrompt) -> list[str]:
    """All texts that stand in the faithful prompt of this turn."""
    story = asked.story
    members = story.group.members if story.group else (story.character,)
    told = [story.character.card.description, story.character.card.personality, story.persona.description]
    told += [member.card.description for member in members if member is story.character]
    told += [entry.content for entry in faithful.lore.entries]
    told += [story.note.text, *(message.text for message in story.messages)]
    return [text for text in told if text and text in faithful.text]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_part_of_the_faithful_prompt_is_in_the_steady_one(scenario: Scenario) -> None:
    counted = 0
    for asked, faithful, steady in both(scenario):
        found = parts(asked, faithful)
        assert [text for text in found if text not in steady] == []
        counted += len(found)
    assert counted > 4 * TURNS


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_only_a_note_is_told_more_than_once(scenario: Scenario) -> None:
    for asked, faithful, steady in both(scenario):
        once = [text for text in parts(asked, faithful) if text != asked.story.note.text]
        assert [text for text in once if steady.count(text) != 1] == []
