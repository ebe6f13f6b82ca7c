"""What a chat remembers, on the real engine: a summary costs its own tokens, and passages are found."""

from __future__ import annotations

from test_stories import GLUE, begun, mira, studio, turn

from fabula.app import Studio
from fabula.chats.characters.shelf import Character
from fabula.core.request import Caller

__all__ = ["mira", "studio"]
NOTES = "The lamp burns whale oil. " * 20 + "\n" + "The cook bakes bread with rye every Monday. " * 12


async def test_a_summary_reads_only_its_question_and_the_next_turn_only_what_is_new(
    studio: Studio, mira: Character
) -> None:
    chat = await begun(studio, mira)
    before = await turn(studio, chat, "Is it cold up here?")
    made = await studio.memories.sum_up(Caller(), chat)
    assert made.text
    after = await turn(studio, chat, "And dark?")
    seen = before["prompt_tokens"] + before["completion_tokens"]
    assert after["processed_tokens"] <= after["prompt_tokens"] - seen + GLUE
    assert after["story"]["broke"] is None


async def test_passages_are_found_by_the_inside_of_the_starter_which_is_said_to_be_weak(
    studio: Studio, mira: Character
) -> None:
    chat = await begun(studio, mira)
    await studio.memories.add("local", chat, "document", NOTES, "notes.txt")
    await studio.memories.change("local", chat, {"recall": 1})
    assert (await studio.memories.of("local", chat))["embedder"]["weak"] is True
    [found] = await studio.memories.search("local", chat, "Who bakes the bread on Mondays?", 1)
    assert "bread" in found.text
    facts = await turn(studio, chat, "Who bakes the bread on Mondays?")
    assert facts["story"]["lore"] == ["notes.txt"]
