"""A novel on the real engine: going on reads only what nobody has read before, and nothing is lost."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fabula.app import Studio
from fabula.chats.novels import pieces
from fabula.chats.novels.writing import Ask
from fabula.core.request import Caller
from fabula.store.home import Home

pytestmark = pytest.mark.asyncio(loop_scope="module")
FLAGS = {"engine.threads": 2, "engine.slots": 1, "engine.context": 1024}
SAMPLING = {"max_tokens": 24, "temperature": 0, "ignore_eos": True}
GLUE = 60  # tokens of the template and of the fixed words around what is told at the cursor
OPENING = "The harbour lay under fog. Ann counted the lamps along the quay and found one missing. " * 4
Facts = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def studio(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Studio]:
    home = Home(tmp_path_factory.mktemp("novels") / "home").create()
    shutil.copy2(starter_model, home.models)
    studio = Studio(home, FLAGS)
    await studio.open()
    id = await begun(studio, "A kite.")  # the model and its copy that finds passages are loaded once
    await go_on(studio, id)
    await studio.novel_memories.add("local", id, "A kite flies.", "kites.txt")
    await studio.novel_memories.search("local", id, "A kite.", 1)
    yield studio
    await studio.close()


async def begun(studio: Studio, text: str = OPENING, **settings: Any) -> str:
    fields = {"title": "Coast", "settings": {"outline": "Ann looks for the lamp.", **settings}}
    return (await studio.novels.create("local", fields, [("The quay", text)])).id


async def go_on(studio: Studio, id: str, **ask: Any) -> Facts:
    revision = (await studio.novels.get("local", id)).revision
    asked = Ask(novel_id=id, revision=revision, **{"sampling": SAMPLING, **ask})
    started = await studio.novel_writing.start(Caller(), asked)
    events = [event async for event in studio.live.follow(started.turn_id)]
    assert events[-1].kind == "done", events[-1].data
    return dict(events[-1].data["facts"])


async def shown(studio: Studio, id: str) -> str:
    novel, texts = await studio.novels.texts("local", id)
    return pieces.text_of(texts[novel.chapters[-1].id])


@pytest.mark.parametrize("form", ["instruct", "raw"])
async def test_going_on_reads_nothing_that_was_read_before(studio: Studio, form: str) -> None:
    id = await begun(studio, form=form)
    first = await go_on(studio, id)
    assert first["prompt_tokens"] > 80
    for told in ("", "A boat comes in.", ""):
        before = first
        first = await go_on(studio, id, instruction=told)
        assert first["story"]["broke"] is None
        assert first["reused_tokens"] >= before["prompt_tokens"] + before["completion_tokens"] - 1
        assert first["processed_tokens"] <= (GLUE if told else 2)


async def test_notes_and_an_outline_that_change_are_told_at_the_cursor(studio: Studio) -> None:
    id = await begun(studio, notes="Short sentences.")
    first = await go_on(studio, id)
    novel = await studio.novels.get("local", id)
    await studio.novels.change("local", id, novel.revision, {"settings": {"outline": "Ann finds the lamp."}})
    second = await go_on(studio, id)
    assert second["story"]["broke"] is None
    assert second["story"]["fixed"] == ["outline"]
    assert second["processed_tokens"] <= GLUE
    assert second["reused_tokens"] >= first["prompt_tokens"]


async def test_a_full_context_is_cut_said_and_never_exceeded(studio: Studio) -> None:
    id = await begun(studio, text="\n\n".join(f"{number}. {OPENING}" for number in range(20)))
    facts = await go_on(studio, id)
    again = await go_on(studio, id)
    assert facts["story"]["cut_characters"] > 1000
    assert facts["prompt_tokens"] <= 1024 - SAMPLING["max_tokens"]
    assert again["story"]["broke"] is None
    assert again["reused_tokens"] >= facts["prompt_tokens"] + facts["completion_tokens"] - 1


async def test_several_continuations_are_written_from_one_reading_and_one_is_chosen(studio: Studio) -> None:
    id = await begun(studio)
    await go_on(studio, id, count=3, sampling={"max_tokens": 12, "temperature": 1.0, "seed": 4})
    found = await studio.novels.passages("local", id)
    assert (len(found), await shown(studio, id)) == (3, OPENING)
    novel = await studio.novels.get("local", id)
    await studio.novels.choose("local", id, novel.revision, found[1].id)
    assert await shown(studio, id) == OPENING + found[1].text
    facts = await go_on(studio, id)
    assert (
        facts["processed_tokens"] <= 16
    )  # the chosen one was written in another place of the cache, or here


async def test_a_passage_is_rewritten_in_its_place(studio: Studio) -> None:
    id = await begun(studio, text="It rained. The dog slept. It was late.")
    await go_on(studio, id, kind="rewrite", at=11, end=25, instruction="Make it sad.")
    [written] = await studio.novels.passages("local", id)
    assert await shown(studio, id) == f"It rained. {written.text} It was late."
    assert (written.replaced, written.stands) == ("The dog slept.", True)


async def test_a_notebook_keeps_each_tokens_chances_and_another_can_be_picked(studio: Studio) -> None:
    note = await studio.novels.create("local", {"kind": "notebook"}, [("", "Once upon a")])
    await go_on(studio, note.id, sampling={"max_tokens": 4, "temperature": 0})
    chapter = note.chapters[0].id
    novel, runs = await studio.novels.text("local", note.id, chapter)
    id, _, logprob, likeliest = runs[-1]["tokens"][0]
    assert (len(likeliest), likeliest[0][0], logprob) == (10, id, likeliest[0][2])
    other = likeliest[1]
    await studio.novels.pick("local", note.id, novel.revision, chapter, len("Once upon a"), other[0])
    facts = await go_on(studio, note.id, sampling={"max_tokens": 4, "temperature": 0})
    assert (await shown(studio, note.id)).startswith("Once upon a" + other[1])
    assert facts["processed_tokens"] <= 2


async def test_a_document_is_recalled_at_the_cursor_and_what_was_read_stays_read(studio: Studio) -> None:
    id = await begun(studio, recall=1)
    before = await go_on(studio, id)
    notes = "The lamp burns whale oil. " * 20 + "\n" + "The cook bakes bread with rye every Monday. " * 12
    await studio.novel_memories.add("local", id, notes, "notes.txt")
    told = await go_on(studio, id, instruction="The cook bakes bread with rye every Monday.")
    assert (told["story"]["recalled"], told["story"]["broke"]) == (["notes.txt"], None)
    assert told["reused_tokens"] >= before["prompt_tokens"] + before["completion_tokens"] - 1
    assert (await studio.novel_memories.of("local", id))["embedder"]["weak"] is True


async def test_a_chapter_is_summed_up_by_itself_once_the_window_has_lost_some_of_it(studio: Studio) -> None:
    text = "\n\n".join(f"{number}. {OPENING}" for number in range(14))
    id = await begun(studio, text=text, summary="auto", words=20)
    facts = await go_on(studio, id)
    assert facts["story"]["cut_characters"] > 0
    while id in studio.novel_summaries.afterwards:
        await asyncio.sleep(0.05)
    [summary] = (await studio.novel_memories.of("local", id))["summaries"]
    assert summary["text"]
    assert (summary["covers"] >= len(text), summary["stale"]) == (True, False)
    told = await go_on(studio, id)
    assert told["story"]["broke"] is None
