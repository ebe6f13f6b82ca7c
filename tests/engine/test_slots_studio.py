"""A whole studio with the real engine: what was read is there after a restart, and goes with the chat."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fabula.app import Studio
from fabula.chats.replies import Ask
from fabula.core.request import Caller
from fabula.store.home import Home

TALE = "The keeper of the lighthouse wrote down every ship that passed in the night. " * 18
FLAGS = {"engine.threads": 2, "engine.slots": 1, "engine.context": 1024}
SAMPLING = {"max_tokens": 8, "temperature": 0, "ignore_eos": True}
Facts = dict[str, Any]


@asynccontextmanager
async def running(home: Home) -> AsyncIterator[Studio]:
    studio = Studio(home, FLAGS)
    await studio.open()
    try:
        yield studio
    finally:
        await studio.close()


async def turn(studio: Studio, chat: str, text: str = "", **ask: Any) -> Facts:
    revision = (await studio.chats.get("local", chat)).revision
    asked = Ask(chat_id=chat, revision=revision, text=text, sampling=SAMPLING, **ask)
    started = await studio.replies.start(Caller(), asked)
    events = [event async for event in studio.live.follow(started.turn_id)]
    assert events[-1].kind == "done", events[-1].data
    return dict(events[-1].data["facts"])


async def test_a_chat_goes_on_after_a_restart_and_leaves_nothing_when_deleted(
    starter_model: Path, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home").create()
    shutil.copy2(starter_model, home.models)
    async with running(home) as studio:
        chat = (await studio.chats.create("local")).id
        first = await turn(studio, chat, TALE)
        swipe = await turn(studio, chat, kind="swipe")
    assert (first["cache"], first["cache_reason"]) == ("none", "first")
    assert (swipe["cache"], swipe["processed_tokens"]) == ("slot", 1)
    async with running(home) as studio:
        again = await turn(studio, chat, "And then?")
        new = again["prompt_tokens"] - first["prompt_tokens"] - first["completion_tokens"]
        assert again["cache"] == "disk"
        assert again["processed_tokens"] <= new + 20
        await studio.chats.delete("local", chat, forever=True)
        assert not list(home.kv.iterdir())
    assert not list(home.kv.iterdir())
