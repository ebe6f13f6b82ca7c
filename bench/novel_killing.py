"""kill -9 while a novel is written: is all that was shown or acknowledged there afterwards, once?

As bench/killing.py does it for chats, whose processes and pipes these are.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.killing import CHECKS, ME, WORDS, asked, killed
from fabula.app import Studio
from fabula.chats.novels import pieces
from fabula.chats.novels.writing import Ask
from fabula.core.errors import NothingToUndo, PassageMoved
from fabula.core.request import LOCAL_OWNER
from fabula.engine.scripted import Reply, ScriptedWorker
from fabula.store.home import Home
from tests.api import tiny_model

Told = dict[str, Any]
ACTS = ("write", "write", "write", "several", "rewrite", "edit", "undo", "choose", "chapter")


def one_round(seed: int) -> tuple[int, list[str]]:
    """(how many things were acknowledged, what is wrong afterwards)."""
    place = Path(tempfile.mkdtemp(prefix="fabula-novel-killing-"))
    try:
        home = Home(place / "home").create()
        tiny_model.write(home.models / "tiny.gguf")
        told = killed(lambda out: asyncio.run(_session(home, random.Random(seed), out)), random.Random(seed))
        problems = asked(lambda out: out({"problems": asyncio.run(_problems(home, told))}))
        return len(told), problems
    finally:
        shutil.rmtree(place)


async def _session(home: Home, dice: random.Random, out: Callable[[Told], None]) -> None:
    """Does one thing after another until it is killed, and says what was shown or acknowledged."""
    script = [Reply(" " + " ".join(dice.choices(WORDS, k=12)) + ".", delay_s=0.002) for _ in range(7)]
    studio = Studio(home, {}, lambda model: ScriptedWorker(script))
    await studio.open()
    fields = {"title": "Coast", "model": "tiny"}
    novel = await studio.novels.create(LOCAL_OWNER, fields, [("One", "The fog came in.")])
    for number in range(10_000):
        try:
            await _act(studio, novel.id, dice, number, out)
        except (NothingToUndo, PassageMoved):
            continue


async def _act(
    studio: Studio, id: str, dice: random.Random, number: int, out: Callable[[Told], None]
) -> None:
    novels = studio.novels
    now, runs = await novels.text(LOCAL_OWNER, id, (await novels.get(LOCAL_OWNER, id)).chapters[0].id)
    chapter, size = now.chapters[0].id, len(pieces.text_of(runs))
    act = dice.choice(ACTS)
    if act in ("write", "several"):
        await _turn(studio, Ask(novel_id=id, revision=now.revision, count=1 + (act == "several")), out)
    elif act == "rewrite":
        ask = Ask(novel_id=id, revision=now.revision, kind="rewrite", chapter_id=chapter, at=0, end=size)
        await _turn(studio, ask, out)
    elif act == "edit":
        text = f"text {number} {dice.choice(WORDS)}"
        change = await novels.edit(LOCAL_OWNER, id, now.revision, chapter, text, 0, dice.randint(0, size))
        out({"novel": id, "revision": change.novel.revision, "text": text})
    elif act == "undo":
        change = await novels.undo(LOCAL_OWNER, id, now.revision)
        out({"novel": id, "revision": change.novel.revision})
    elif act == "choose" and (found := await novels.passages(LOCAL_OWNER, id, limit=4)):
        change = await novels.choose(LOCAL_OWNER, id, now.revision, dice.choice(found).id)
        out({"novel": id, "revision": change.novel.revision})
    elif act == "chapter":
        made = await novels.add_chapter(LOCAL_OWNER, id, now.revision, {"title": f"{number}"})
        out({"novel": id, "revision": made.revision})


async def _turn(studio: Studio, ask: Ask, out: Callable[[Told], None]) -> None:
    """Each piece is written down when a reader would have seen it."""
    begun = await studio.novel_writing.start(ME, ask)
    shown = [""] * len(begun.passage_ids)
    async for event in studio.live.follow(begun.turn_id):
        if event.kind == "text":
            index = int(event.data.get("index", 0))
            shown[index] += event.data["text"]
            out({"passage": begun.passage_ids[index], "shown": shown[index].strip()})
        elif event.kind == "done":
            novel = event.data["novel"]
            out({"novel": ask.novel_id, "revision": novel["revision"] if novel else 0})


async def _problems(home: Home, told: list[Told]) -> list[str]:
    studio = Studio(home, {}, lambda model: ScriptedWorker(["."]))
    await studio.open()  # what a killed studio left in its journal is stored here
    unfinished = studio.journal.unfinished()
    found = [f"journal left: {unfinished}"] if unfinished else []
    passages: dict[str, str] = {}
    written: set[str] = set()
    revisions: dict[str, int] = {}
    for row in (await studio.novels.list(LOCAL_OWNER, "novel"))[0]:
        novel, _ = await studio.novels.texts(LOCAL_OWNER, row.id)  # all texts can be read
        revisions[row.id] = novel.revision
        kept = await studio.novels.passages(LOCAL_OWNER, row.id, limit=100_000)
        passages |= {one.id: one.text.strip() for one in kept}
        for chapter in novel.chapters:
            versions = await studio.novels.versions(LOCAL_OWNER, row.id, chapter.id, 0, 100_000)
            written |= {one.inserted for one in versions}
    await studio.close()
    connection = sqlite3.connect(home.database)
    checks = {name: CHECKS[name] for name in ("integrity", "foreign keys")} | NOVELS
    found += [f"{name}: {row}" for name, query in checks.items() for row in connection.execute(query)]
    connection.close()
    return found + [problem for one in told for problem in _missing(one, passages, written, revisions)]


def _missing(one: Told, passages: dict[str, str], written: set[str], revisions: dict[str, int]) -> list[str]:
    if "shown" in one and not passages.get(one["passage"], "").startswith(one["shown"]):
        return [f"shown and lost: {one}"]
    if "text" in one and one["text"] not in written:
        return [f"written and lost: {one}"]
    if "novel" in one and revisions.get(one["novel"], 0) < one["revision"]:
        return [f"done and lost: {one}"]
    return []


VERSIONS = "(SELECT id FROM novel_versions)"
NOVELS = {
    "a chapter without its version": (
        f"SELECT id FROM novel_chapters WHERE version_id != '' AND version_id NOT IN {VERSIONS}"
    ),
    "a version without its base": (
        f"SELECT id FROM novel_versions WHERE base_id != '' AND base_id NOT IN {VERSIONS}"
    ),
    "a passage twice": ("SELECT turn_id FROM novel_passages GROUP BY turn_id, number HAVING count(*) > 1"),
    "a turn twice in a text": (
        "SELECT turn_id FROM novel_versions WHERE reason = 'generated' GROUP BY turn_id HAVING count(*) > 1"
    ),
}
