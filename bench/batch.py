"""Batches: what kill -9 costs them, how fast they are beside plain requests, and how long a person waits.

The kills are of forks of this process with a scripted model: each is a studio that goes on with one batch.
The rates are of the real engine, in turns with the same questions asked over /v1/chat/completions by as
many clients as the model has slots. The person asks for one word while a batch runs, and while none does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from bench.paired import median, ratio
from bench.report import Report, exactly, reported
from bench.studio import Studio as Running
from bench.studio import fresh_home, hosted
from fabula.app import Studio
from fabula.batches.pages import Page
from fabula.core.request import LOCAL_OWNER, Caller
from fabula.core.sampling import Sampling
from fabula.core.worker import Prompt
from fabula.engine.scripted import Reply, ScriptedWorker
from fabula.server.openai import routes
from fabula.server.openai.batches import way_through
from fabula.server.routing import App
from fabula.store.home import Home
from tests.api import tiny_model

CHAT = "/v1/chat/completions"
LINES = 200
SLOTS = 4
SETTINGS = {"engine_context": 4096, "engine_slots": SLOTS}
SAMPLING = {"temperature": 0, "max_tokens": 24, "ignore_eos": True}
TOWNS = ("Lisbon", "Tainan", "Bergen", "Kyoto", "Cusco", "Riga", "Accra", "Hobart")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench batch", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few of each: to see that it works")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    with reported("batch", "kills, rate, and a person beside a batch") as report:
        _kills(report, 2 if given.quick else 20, given.seed)
        _rates(report, 2 if given.quick else 8)


# ── kills ───────────────────────────────────────────────────────────────────────────────────────────


def _kills(report: Report, rounds: int, seed: int) -> None:
    report.heading(f"kill -9 of the studio, ten times in a batch of {LINES} lines")
    problems = [problem for number in range(rounds) for problem in one_batch(seed * 1000 + number)]
    for problem in problems[:20]:
        report.note(problem)
    report.measure("batches", exactly(rounds))
    report.measure("lines lost, doubled, wrong, or asked again", exactly(len(problems)))


def one_batch(seed: int, kills: int = 10) -> list[str]:
    """What is wrong with a batch whose studio was killed so often."""
    place, dice = Path(tempfile.mkdtemp(prefix="fabula-batch-")), random.Random(seed)
    try:
        home = Home(place / "home").create()
        tiny_model.write(home.models / "tiny.gguf")
        heard = place / "heard"
        heard.touch()
        again: list[str] = []
        for _ in range(kills):
            over, mark = _over(home), heard.stat().st_size
            pid = _forked(home, heard)
            while heard.stat().st_size == mark and _lives(pid):
                time.sleep(0.002)
            time.sleep(dice.uniform(0, 0.06))
            if _lives(pid):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            again += _asked_again(heard, mark, over)
        over, mark = _over(home), heard.stat().st_size
        os.waitpid(_forked(home, heard), 0)
        again += _asked_again(heard, mark, over)
        return again + _wrong(home)
    finally:
        shutil.rmtree(place)


def _lives(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False


def _forked(home: Home, heard: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        asyncio.run(_work_off(home, heard))
        status = 0
    except BaseException:  # noqa: BLE001  # a fork never goes on as its parent
        traceback.print_exc()
    finally:
        os._exit(status)


async def _work_off(home: Home, heard: Path) -> None:
    """A studio that begins the batch, or goes on with it, until it is over."""

    def script(prompt: Prompt, sampling: Sampling) -> Reply:
        asked = str(prompt.pieces[0]).rsplit("<user>", 1)[-1].split("</>")[0]
        with heard.open("a", encoding="utf-8") as file:
            file.write(f"{asked}\n")
        return Reply(f"About {asked}.", delay_s=0.001)

    studio = Studio(home, {}, lambda model: ScriptedWorker(script))
    await studio.open()
    app = App()
    app.include(routes.router(studio))
    studio.batches.answer_by(way_through(app, studio))
    found, _ = await studio.batches.list(LOCAL_OWNER, Page())
    id = found[0].id if found else await _begun(studio)
    while not (await studio.batches.get(LOCAL_OWNER, id)).is_over:
        await asyncio.sleep(0.005)
    await studio.close()


async def _begun(studio: Studio) -> str:
    rows = [json.dumps(_line(number)).encode() + b"\n" for number in range(LINES)]
    id, size = studio.uploads.keep(rows, sum(map(len, rows)))
    await studio.uploads.add(LOCAL_OWNER, id, "in.jsonl", "batch", size)
    return (await studio.batches.create(Caller(), CHAT, id, {})).id


def _line(number: int) -> dict[str, Any]:
    body = {"model": "tiny", "messages": [{"role": "user", "content": f"row {number}"}], "temperature": 0}
    return {"custom_id": f"{number}", "method": "POST", "url": CHAT, "body": body}


def _over(home: Home) -> set[str]:
    """The lines whose answer was on the disk when the studio was killed."""
    found = set()
    for journal in home.uploads.glob("*.journal"):
        for line in journal.read_bytes().split(b"\n")[1:]:
            try:
                found.add(f"row {json.loads(line)['row'] - 1}")
            except ValueError:
                continue  # it was cut: the line is asked again
    return found


def _asked_again(heard: Path, mark: int, over: set[str]) -> list[str]:
    later = heard.read_bytes()[mark:].decode().splitlines()
    return [f"{line} was asked again" for line in later if line in over]


def _wrong(home: Home) -> list[str]:
    """What an undisturbed batch would have given, against what there is."""
    outputs = list(home.uploads.glob("*-output"))
    if len(outputs) != 1:
        return [f"there are {len(outputs)} output files"]
    rows = [json.loads(line) for line in outputs[0].read_text(encoding="utf-8").splitlines()]
    texts = [row["response"]["body"]["choices"][0]["message"]["content"] for row in rows]
    wanted = [f"About row {number}." for number in range(LINES)]
    wrong = [
        f"{found!r} in place of {want!r}" for found, want in zip(texts, wanted, strict=False) if found != want
    ]
    return wrong + ([f"{len(rows)} rows of {LINES}"] if len(rows) != LINES else [])


# ── rates ───────────────────────────────────────────────────────────────────────────────────────────


def _rates(report: Report, rounds: int) -> None:
    report.heading(f"the real engine, {SLOTS} slots, {SAMPLING['max_tokens']} tokens per answer")
    with fresh_home() as home, hosted(home, SETTINGS) as studio:
        studio.client.post("/models/smollm2/load")
        ours, theirs = [], []
        for number in range(rounds):
            ours.append(_rate(studio, number * 2, _row))
            theirs.append(_rate(studio, number * 2 + 1, _plain))
        report.measure("rows per second", median(ours), "1/s")
        report.measure("plain requests per second", median(theirs), "1/s")
        report.measure("rate of a batch beside plain requests", ratio(ours, theirs))
        _person(report, studio, rounds)


def _rate(studio: Running, round_: int, ask: Any, count: int = 24) -> float:
    texts = [
        f"Round {round_}, number {number}: what is {TOWNS[number % 8]} known for?" for number in range(count)
    ]
    started = time.perf_counter()
    with ThreadPoolExecutor(SLOTS if ask is _plain else 32) as pool:
        list(pool.map(lambda text: ask(studio, text), texts))
    return count / (time.perf_counter() - started)


def _row(studio: Running, text: str) -> float:
    told = studio.client.post("/batches/answer", {"model": "smollm2", "text": text, "sampling": SAMPLING})
    return float(told["milliseconds"])


def _plain(studio: Running, text: str, **more: Any) -> float:
    started = time.perf_counter()
    body = {"model": "smollm2", "messages": [{"role": "user", "content": text}], **SAMPLING, **more}
    data, kind = json.dumps(body).encode(), {"Content-Type": "application/json"}
    with urlopen(Request(f"http://127.0.0.1:{studio.port}{CHAT}", data, kind), timeout=120) as answer:
        answer.read()
    return (time.perf_counter() - started) * 1000


def _person(report: Report, studio: Running, rounds: int) -> None:
    """A person asks for one word; a row's own time is what they may have to wait for."""
    idle = [_plain(studio, f"Say a word, {number}.", max_tokens=1) for number in range(rounds)]
    with _batch_running(studio) as rows:
        busy = []
        for number in range(rounds):
            time.sleep(0.3)
            busy.append(_plain(studio, f"Say another word, {number}.", max_tokens=1))
    report.measure("a person's one word, nothing else running", median(idle), "ms")
    report.measure("the same beside a batch of hundreds", median(busy), "ms")
    report.measure("the longest of these", exactly(max(busy)), "ms")
    report.measure("one row of that batch", median(rows), "ms")


@contextmanager
def _batch_running(studio: Running) -> Iterator[list[float]]:
    """32 rows wait at any time, as those of `fabula batch` do."""
    stop, times = threading.Event(), list[float]()

    def ask(number: int) -> None:
        while not stop.is_set():
            number += 32
            times.append(_row(studio, f"Row {number}: what is {TOWNS[number % 8]} known for?"))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    time.sleep(2.0)
    try:
        yield times
    finally:
        stop.set()
        for thread in threads:
            thread.join()
