"""A chat with a character on the real engine: each turn reads only what nobody has read before."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from fabula.app import Studio
from fabula.chats.characters.shelf import Character
from fabula.chats.replies import Ask
from fabula.core.request import Caller
from fabula.store.home import Home

FLAGS = {"engine.threads": 2, "engine.slots": 1, "engine.context": 2048}
SAMPLING = {"max_tokens": 24, "temperature": 0, "ignore_eos": True}
GLUE = 16  # tokens of the template around a question, and where a reply was cut off
MIRA = {
    "name": "Mira",
    "description": "{{char}} keeps the lighthouse and writes down every ship that passes. " * 8,
    "first_mes": "{{char}} opens the door. “Come in, {{user}}.”",
    "character_book": {
        "entries": [
            {"keys": ["lamp"], "content": "The lamp burns whale oil.", "enabled": True, "insertion_order": 1}
        ]
    },
}
Facts = dict[str, Any]


@pytest_asyncio.fixture
async def studio(starter_model: Path, tmp_path: Path) -> AsyncIterator[Studio]:
    home = Home(tmp_path / "home").create()
    shutil.copy2(starter_model, home.models)
    studio = Studio(home, FLAGS)
    await studio.open()
    yield studio
    await studio.close()


@pytest_asyncio.fixture
async def mira(studio: Studio) -> Character:
    return await studio.characters.create("local", {"data": MIRA})


async def begun(studio: Studio, mira: Character) -> str:
    fields = {"model": "", "system": "", "sampling": {}, "persona": {"name": "Ann"}}
    return (await studio.stories.begin("local", {**fields, "character_id": mira.id})).id


async def turn(studio: Studio, chat: str, text: str = "", **ask: Any) -> Facts:
    revision = (await studio.chats.get("local", chat)).revision
    asked = Ask(chat_id=chat, revision=revision, text=text, sampling=SAMPLING, **ask)
    started = await studio.replies.start(Caller(), asked)
    events = [event async for event in studio.live.follow(started.turn_id)]
    assert events[-1].kind == "done", events[-1].data
    return dict(events[-1].data["facts"])


async def test_the_second_turn_reads_only_the_new_text(studio: Studio, mira: Character) -> None:
    chat = await begun(studio, mira)
    first = await turn(studio, chat, "Is the lamp lit tonight?")
    second = await turn(studio, chat, "And what of the ships?")
    assert first["processed_tokens"] == first["prompt_tokens"] > 100
    assert first["story"]["lore"] == ["lamp"]
    assert second["story"]["broke"] is None
    assert second["reused_tokens"] >= first["prompt_tokens"] + first["completion_tokens"] - 1
    assert second["processed_tokens"] <= 6 + GLUE
    looked = (await studio.replies.look(Caller(), chat))[1]
    assert abs(looked.plan.tokens - second["prompt_tokens"]) <= 2  # parts alone, and the whole


async def test_swipes_and_new_lore_read_no_more_than_their_own_text(studio: Studio, mira: Character) -> None:
    chat = await begun(studio, mira)
    await turn(studio, chat, "Good evening.")
    swipe = await turn(studio, chat, kind="swipe")
    told = await turn(studio, chat, "Show me the lamp.")
    assert swipe["processed_tokens"] == 1
    assert (swipe["story"]["broke"], told["story"]["broke"]) == (None, None)
    assert told["processed_tokens"] <= 8 + 8 + GLUE  # the question, and the entry that it brings in


async def test_after_an_edit_of_the_card_the_facts_say_what_was_read_again_and_why(
    studio: Studio, mira: Character
) -> None:
    chat = await begun(studio, mira)
    before = await turn(studio, chat, "Good evening.")
    await studio.characters.edit("local", mira.id, mira.revision, {"description": "{{char}} left the sea."})
    after = await turn(studio, chat, "Are you well?")
    assert (after["story"]["broke"]["part"], after["story"]["broke"]["reason"]) == ("description", "changed")
    assert after["cache_reason"] == "changed"
    assert after["processed_tokens"] >= before["completion_tokens"]
