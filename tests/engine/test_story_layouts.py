"""The faithful layouts on the real engine: what the plan says is read again, the engine reads again."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fabula.app.studio import Studio
from fabula.chats.replies import Aside, Ask
from fabula.core.request import Caller
from fabula.core.stream import Token
from fabula.store.home import Home

FLAGS = {"engine.threads": 2, "engine.slots": 1, "engine.context": 2048}
SAMPLING = {"max_tokens": 16, "temperature": 0, "ignore_eos": True}
GLUE = 24  # tokens of sequences around a question, and where a reply was cut off
CARD = {"name": "Mira", "description": "{{char}} keeps the light. " * 20, "first_mes": "Come in, {{user}}."}
Facts = dict[str, Any]


@pytest_asyncio.fixture
async def studio(starter_model: Path, tmp_path: Path) -> AsyncIterator[Studio]:
    home = Home(tmp_path / "home").create()
    shutil.copy2(starter_model, home.models)
    studio = Studio(home, FLAGS)
    await studio.open()
    yield studio
    await studio.close()


async def begun(studio: Studio, **story: Any) -> str:
    mira = await studio.characters.create("local", {"data": CARD})
    fields = {"model": "", "system": "", "sampling": {}, "character_id": mira.id, "story": story}
    return (await studio.stories.begin("local", fields)).id


async def turn(studio: Studio, chat: str, text: str = "", **ask: Any) -> Facts:
    revision = (await studio.chats.get("local", chat)).revision
    asked = Ask(chat_id=chat, revision=revision, text=text, sampling=SAMPLING, **ask)
    started = await studio.replies.start(Caller(), asked)
    events = [event async for event in studio.live.follow(started.turn_id)]
    assert events[-1].kind == "done", events[-1].data
    return dict(events[-1].data["facts"])


@pytest.mark.parametrize("layout", ["text", "messages"])
async def test_without_notes_each_turn_reads_only_what_is_new(studio: Studio, layout: str) -> None:
    chat = await begun(studio, layout=layout)
    first = await turn(studio, chat, "Is the lamp lit tonight?")
    second = await turn(studio, chat, "And what of the ships?")
    assert second["story"]["layout"] == layout
    assert second["story"]["broke"] is None
    assert second["processed_tokens"] <= 6 + first["completion_tokens"] + GLUE
    looked = (await studio.replies.look(Caller(), chat))[1]
    assert abs(looked.plan.tokens - second["prompt_tokens"]) <= GLUE + 40


async def test_a_note_at_a_depth_is_read_again_each_turn_as_the_plan_says(studio: Studio) -> None:
    chat = await begun(studio, layout="text", note={"text": "[Slowly, and by the sea.]", "depth": 2})
    for text in ("One.", "Two and more.", "Three, at last."):
        facts = await turn(studio, chat, text)
    broke = facts["story"]["broke"]
    assert (broke["part"], broke["reason"]) == ("injection", "moves")
    new = facts["processed_tokens"] - broke["tokens"]
    assert -GLUE <= new <= 16 + GLUE  # beside what was known there are the question and the note


async def test_what_the_person_might_say_is_written_in_every_layout(studio: Studio) -> None:
    for layout in ("steady", "text", "messages"):
        chat = await begun(studio, layout=layout)
        aside = Aside(chat_id=chat, sampling=SAMPLING)
        request, tidy = await studio.replies.aside(Caller(), aside)
        text = "".join(
            [delta.text async for delta in studio.turns.stream(request) if isinstance(delta, Token)]
        )
        assert tidy(text)
        assert (await studio.chats.get("local", chat)).message_count == 1


async def test_a_reply_goes_on_where_it_ended(studio: Studio) -> None:
    for layout in ("text", "messages"):
        chat = await begun(studio, layout=layout)
        first = await turn(studio, chat, "Tell me of the sea.")
        before = (await studio.chats.page("local", chat)).messages[-1].text
        more = await turn(studio, chat, kind="continue")
        after = (await studio.chats.page("local", chat)).messages[-1].text
        assert after.startswith(before)
        assert len(after) > len(before)
        assert more["prompt_tokens"] >= first["prompt_tokens"]
