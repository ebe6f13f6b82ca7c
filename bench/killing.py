"""kill -9 in the middle of a session of edits, swipes and streams: is all that was acknowledged there, once?

Each round is a process of its own with a home of its own: a studio with a scripted model, in which one thing
after another is done; what it was told was done, it writes down. It is killed at a random moment, and another
process opens the home as a new studio would and looks for everything. Only processes that this one has forked
are killed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import select
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.report import Report, exactly, reported
from fabula.app import Studio
from fabula.chats.replies import Ask
from fabula.core.errors import MessageNotFound, NothingToUndo
from fabula.core.request import LOCAL_OWNER, Caller
from fabula.engine.scripted import Reply, ScriptedWorker
from fabula.store.home import Home
from tests.api import tiny_model

ROUNDS = 200
LONGEST_S = 0.8  # from the first thing that was done to the kill
WORDS = ("the", "lamp", "is", "lit", "and", "sea", "dark", "tonight", "她", "看守", "燈塔", "years")
ME = Caller(LOCAL_OWNER)
Told = dict[str, Any]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench killing", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10 rounds")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    count = given.rounds or (10 if given.quick else ROUNDS)
    with reported("killing", "what is left after kill -9") as report:
        _measure(report, count, given.seed)


def _measure(report: Report, count: int, seed: int) -> None:
    told, lost = 0, list[str]()
    for number in range(count):
        acknowledged, problems = one_round(seed * 1000 + number)
        told += acknowledged
        lost += [f"round {number}: {problem}" for problem in problems]
        if number % 25 == 24:
            report.note(f"{number + 1} kills, {told} things acknowledged, {len(lost)} lost")
    for problem in lost[:20]:
        report.note(problem)
    report.measure("kills", exactly(count))
    report.measure("things acknowledged before them", exactly(told))
    report.measure("lost, orphaned or damaged", exactly(len(lost)))


def one_round(seed: int) -> tuple[int, list[str]]:
    """(how many things were acknowledged, what is wrong afterwards)."""
    place = Path(tempfile.mkdtemp(prefix="fabula-killing-"))
    try:
        home = Home(place / "home").create()
        tiny_model.write(home.models / "tiny.gguf")
        told = killed(lambda out: asyncio.run(_session(home, random.Random(seed), out)), random.Random(seed))
        problems = asked(lambda out: out({"problems": asyncio.run(_problems(home, told))}))
        return len(told), problems
    finally:
        shutil.rmtree(place)


# ── processes ───────────────────────────────────────────────────────────────────────────────────────


def _forked(work: Callable[[Callable[[Told], None]], None]) -> tuple[int, int]:
    """(pid, the end of a pipe from which its lines are read)."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    status = 1
    try:
        os.close(reader)
        work(lambda told: _write(writer, told))
        status = 0
    except BaseException:  # noqa: BLE001  # a fork never goes on as its parent
        traceback.print_exc()
    finally:
        os._exit(status)


def _write(pipe: int, told: Told) -> None:
    """One call of the system, so that a line is there or is not (POSIX: up to PIPE_BUF bytes)."""
    os.write(pipe, (json.dumps(told) + "\n").encode())


def killed(work: Callable[[Callable[[Told], None]], None], dice: random.Random) -> list[Told]:
    """What it said before it was killed, at a random moment after it had begun to say something."""
    pid, pipe = _forked(work)
    data = os.read(pipe, 65536)
    end = time.monotonic() + dice.uniform(0.0, LONGEST_S)
    while (left := end - time.monotonic()) > 0:
        if select.select([pipe], [], [], left)[0]:
            data += os.read(pipe, 65536)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while more := os.read(pipe, 65536):
        data += more
    os.close(pipe)
    return [json.loads(line) for line in data.decode().splitlines() if line.endswith("}")]


def asked(work: Callable[[Callable[[Told], None]], None]) -> list[str]:
    pid, pipe = _forked(work)
    data = b""
    while more := os.read(pipe, 65536):
        data += more
    os.close(pipe)
    status = os.waitpid(pid, 0)[1]
    return json.loads(data)["problems"] if status == 0 else [f"the new studio did not open: status {status}"]


# ── a session ───────────────────────────────────────────────────────────────────────────────────────


async def _session(home: Home, dice: random.Random, out: Callable[[Told], None]) -> None:
    """Does one thing after another until it is killed, and says what was acknowledged."""
    script = [Reply(" ".join(dice.choices(WORDS, k=12)) + ".", delay_s=0.002) for _ in range(7)]
    studio = Studio(home, {}, lambda model: ScriptedWorker(script))
    await studio.open()
    chat = await studio.chats.create(LOCAL_OWNER, title="Night")
    for number in range(10_000):
        try:
            await _act(studio, chat.id, dice, number, out)
        except (MessageNotFound, NothingToUndo):
            continue


async def _act(
    studio: Studio, id: str, dice: random.Random, number: int, out: Callable[[Told], None]
) -> None:
    chats = studio.chats
    now = await chats.get(LOCAL_OWNER, id)
    path = await chats.path(LOCAL_OWNER, id)
    act = dice.choice(ACTS) if len(path) > 1 else "reply"
    some, text = (dice.choice(path).id if path else ""), f"text {number} {dice.choice(WORDS)}"
    if act in ("reply", "swipe"):
        await _turn(
            studio,
            now.revision,
            id,
            "swipe" if act == "swipe" and path[-1].role == "assistant" else "reply",
            text,
            out,
        )
        return
    verbs: dict[str, Callable[[], Any]] = {
        "add": lambda: chats.add(LOCAL_OWNER, id, now.revision, "user", text),
        "edit": lambda: chats.edit(LOCAL_OWNER, id, now.revision, some, text),
        "branch": lambda: chats.branch(LOCAL_OWNER, id, now.revision, some, text),
        "hide": lambda: chats.hide(LOCAL_OWNER, id, now.revision, path[-1].id, dice.random() < 0.5),
        "move": lambda: chats.move(LOCAL_OWNER, id, now.revision, some),
        "leave_out": lambda: chats.leave_out(LOCAL_OWNER, id, now.revision, [some]),
        "checkpoint": lambda: chats.checkpoint(LOCAL_OWNER, id, now.revision, some, text),
        "merge": lambda: chats.merge(LOCAL_OWNER, id, now.revision, some),
        "undo": lambda: chats.undo(LOCAL_OWNER, id, now.revision),
        "redo": lambda: chats.redo(LOCAL_OWNER, id, now.revision),
    }
    change = await verbs[act]()
    written = {"message": change.message.id, "text": text} if act in ("add", "edit", "branch") else {}
    out({"chat": id, "revision": change.chat.revision, "act": act} | written)


ACTS = (
    *("reply", "swipe", "add", "edit", "branch", "hide", "move"),
    "leave_out",
    "checkpoint",
    "merge",
    "undo",
    "redo",
)


async def _turn(
    studio: Studio, revision: int, id: str, kind: str, text: str, out: Callable[[Told], None]
) -> None:
    """Each piece is written down when a reader would have seen it."""
    said = text if kind == "reply" else ""
    ask = Ask(chat_id=id, revision=revision, kind=kind, text=said, model="tiny")  # type: ignore[arg-type]
    started = await studio.replies.start(ME, ask)
    shown = ""
    if said and started.change.message:
        out(
            {
                "chat": id,
                "revision": started.change.chat.revision,
                "message": started.change.message.id,
                "text": said,
            }
        )
    async for event in studio.live.follow(started.turn_id):
        if event.kind == "text":
            shown += event.data["text"]
            out({"turn": started.turn_id, "message": started.message_id, "shown": shown})
    out({"chat": id, "revision": 0, "turn_done": started.turn_id})


# ── afterwards ──────────────────────────────────────────────────────────────────────────────────────


async def _problems(home: Home, told: list[Told]) -> list[str]:
    studio = Studio(home, {}, lambda model: ScriptedWorker(["."]))
    await studio.open()  # what a killed studio left in its journal is stored here
    unfinished = studio.journal.unfinished()
    await studio.close()
    connection = sqlite3.connect(home.database)
    found = [f"journal left: {unfinished}"] if unfinished else []
    found += [
        f"{name}: {row}" for name, query in CHECKS.items() for row in connection.execute(query).fetchall()
    ]
    connection.execute("INSERT INTO search_index(search_index, rank) VALUES ('integrity-check', 1)")
    texts: dict[str, list[str]] = {}
    for message, text in connection.execute("SELECT message_id, text FROM versions"):
        texts.setdefault(message, []).append(text)
    revisions = dict(connection.execute("SELECT id, revision FROM chats"))
    connection.close()
    return found + [problem for one in told for problem in _missing(one, texts, revisions)]


def _missing(one: Told, texts: dict[str, list[str]], revisions: dict[str, int]) -> list[str]:
    if "shown" in one and not any(text.startswith(one["shown"]) for text in texts.get(one["message"], ())):
        return [f"shown and lost: {one}"]
    if "text" in one and one["text"] not in texts.get(one["message"], ()):
        return [f"written and lost: {one}"]
    if "chat" in one and revisions.get(one["chat"], 0) < one["revision"]:
        return [f"done and lost: {one}"]
    return []


MESSAGES = "(SELECT id FROM messages)"
FOUND = "(SELECT item_id FROM search_entries WHERE kind = 'message')"
CHECKS = {
    "integrity": "SELECT * FROM pragma_integrity_check WHERE integrity_check != 'ok'",
    "foreign keys": "SELECT * FROM pragma_foreign_key_check",
    "a version without its message": f"SELECT id FROM versions WHERE message_id NOT IN {MESSAGES}",
    "a message without its version": (
        "SELECT id FROM messages WHERE version_id NOT IN (SELECT id FROM versions)"
    ),
    "a parent that is not there": (
        f"SELECT id FROM messages WHERE parent_id != '' AND parent_id NOT IN {MESSAGES}"
    ),
    "a wrong depth": (
        "SELECT m.id FROM messages m LEFT JOIN messages p ON p.id = m.parent_id"
        " WHERE m.depth != coalesce(p.depth, 0) + 1"
    ),
    "a head that is not there": f"SELECT id FROM chats WHERE head_id != '' AND head_id NOT IN {MESSAGES}",
    "a turn twice": (
        "SELECT turn_id FROM versions WHERE turn_id IS NOT NULL GROUP BY turn_id HAVING count(*) > 1"
    ),
    "not found by its words": f"SELECT id FROM messages WHERE id NOT IN {FOUND}",
}


if __name__ == "__main__":
    sys.exit(main())
