"""The job kind `direction_search`: many ways to use a direction are tried, and those that nothing beats kept.

No weight is written: each trial is an adapter that the loaded model wears while it is measured. Trials lie in
the home's `directions/.search`, one line each, also afterwards: the same search goes on where it was, and
with more trials it makes only those that are missing. Knows no HTTP.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fabula.core.errors import BadParameter, DirectUnavailable, PromptsUnusable
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.engine.builds import builds
from fabula.engine.direct.loading import obstacle
from fabula.lab.directions import contrasts, maths
from fabula.lab.directions.contrasts import Contrast, Messages
from fabula.lab.directions.recipe import dump
from fabula.lab.directions.saved import Direction, Shelf
from fabula.lab.directions.saying import texts
from fabula.lab.directions.search import plots, products, space
from fabula.lab.directions.search.front import front
from fabula.lab.directions.search.meter import Meter, Sets
from fabula.lab.directions.search.products import Products
from fabula.lab.directions.search.recipe import Searching
from fabula.lab.directions.search.space import Parameters, Space
from fabula.lab.directions.search.trials import Journal, Trial, alone
from fabula.lab.directions.use import Chosen
from fabula.lab.quantize.exact import Engine, until_cancelled
from fabula.models.catalog import Catalog
from fabula.models.formats.identify import parts_of
from fabula.store.home import Home
from fabula.store.job_child import Report

KIND = "direction_search"
GGUF = "gguf"
WORK = ".search"  # of the home's directions
METHOD = 1  # raise it when the same trial gives other figures
CONTEXT = 2048  # tokens
HARMLESS = "alarming-plain"  # its plain side, of which nothing held out was ever learned from
WORN = "worn.gguf"
STARTING, TRYING = "lab.directions.search.starting", "lab.directions.search.trying"


@dataclass(frozen=True, slots=True)
class Task:
    """One search: everything about it is known but the figures."""

    wishes: Searching
    model: LocalModel
    direction: Direction
    sets: Sets
    space: Space


def task(home: Home, wishes: Searching) -> Task:
    """All that can be refused is refused. Raises ModelNotFound, DirectionNotFound, DirectionUnfit,
    PromptsUnusable, TemplateRefused, BadParameter, DirectUnavailable, ExtraMissing."""
    model = Catalog(home.models).find(wishes.model)
    direction = Shelf(home.directions).find(wishes.direction)
    direction.require_fit(model)
    require_searchable(model)
    return Task(
        wishes,
        model,
        direction,
        _sets(wishes, model, direction),
        Space(direction.layers, wishes.goal, wishes.parts),
    )


def require_searchable(model: LocalModel) -> None:
    """Raises BadParameter, DirectUnavailable, ExtraMissing."""
    if model.format != GGUF:
        raise BadParameter("model", model.name, phrase("expected.gguf_model"))
    if why := obstacle(builds.ours()):
        raise DirectUnavailable(why)
    space.require_library(model.name)


def _sets(wishes: Searching, model: LocalModel, direction: Direction) -> Sets:
    positive, negative, column = (
        direction.part(str, "recipe", name) for name in ("positive", "negative", "column")
    )
    found = contrasts.contrast(positive, negative, column, direction.part(int, "recipe", "limit"))
    if found.digest() != direction.part(str, "prompts", "hash"):
        raise PromptsUnusable(positive, phrase("lab.directions.search.other_prompts"))
    template = direction.part(bool, "recipe", "template")

    def said(prompts: Sequence[Messages]) -> tuple[str, ...]:
        return tuple(texts(model, prompts[: wishes.prompts], template=template))

    harmless = said(_harmless(wishes.harmless))
    return Sets(said(found.positive.held), said(found.negative.held), harmless, wishes.tokens)


def _harmless(source: str) -> tuple[Messages, ...]:
    if source:
        return tuple(contrasts.read(source))
    plain: Contrast = contrasts.contrast(HARMLESS)
    return plain.negative.held


# ── doing ───────────────────────────────────────────────────────────────────────────────────────────


def run(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Raises as `task` does, what the engine raises, NoDiskSpace, or the job's own Cancelled."""
    asked = task(home, Searching.of(arguments))
    folder = home.directions / WORK / mark(asked)[:16]
    with alone(folder, asked.direction.name):
        journal = Journal.open(folder, mark(asked))
        try:
            if len(journal.trials) < asked.wishes.trials:
                search(home, asked, journal, folder, report)
        finally:
            for file in (*folder.glob("rows.*"), folder / products.FILE, folder / WORN):
                file.unlink(missing_ok=True)
    file = home.directions / f"{asked.direction.name}.{asked.wishes.goal}.search.yaml"
    dump(file, KIND, asked.wishes.decided)
    return result(asked, journal)


def search(home: Home, asked: Task, journal: Journal, folder: Path, report: Report) -> None:
    """Until all trials are there."""
    layers = asked.space.ranges["layer"]
    ready = products.gathered(asked.model, asked.direction, asked.wishes.parts, layers, folder, report)
    engine = Engine.of(home, asked.wishes.threads)
    report.progress(0, 0, "trials", "lab.quantize.loading")
    asyncio.run(until_cancelled(_search(asked, journal, ready, engine, folder, report), report))


async def _search(
    asked: Task, journal: Journal, ready: Products, engine: Engine, folder: Path, report: Report
) -> None:
    length = min(CONTEXT, asked.model.trained_context or CONTEXT)
    async with engine.load(asked.model, length) as worker:
        best = asked.direction.best
        direction = maths.at(asked.direction.direction, best)
        pace = _Pace(report, asked, len(journal.trials))
        meter = Meter(worker, asked.sets, asked.wishes.goal, direction, best, folder, pace.step)
        report.progress(0, 0, "trials", STARTING)
        journal.begin(await meter.begin())
        while len(journal.trials) < asked.wishes.trials:
            report.check()
            pace.next(len(journal.trials))
            journal.add(await _trial(asked, journal.trials, ready, meter, folder / WORN))


async def _trial(asked: Task, before: Sequence[Trial], ready: Products, meter: Meter, file: Path) -> Trial:
    began, number = time.monotonic(), len(before)
    seed = space.seed_of(asked.wishes.seed, number)
    parameters = await asyncio.to_thread(wanted, asked, before, seed)
    use = chosen(asked, parameters).use
    found = await meter.measure(await asyncio.to_thread(ready.adapter, use, file))
    return Trial(
        number=number,
        seed=seed,
        parameters=parameters,
        seconds=round(time.monotonic() - began, 2),
        **({"is_silent": True} if found is None else asdict(found)),
    )


def wanted(asked: Task, before: Sequence[Trial], seed: int) -> Parameters:
    """First what would be done without a search, in both ways; then what the trials so far lead to."""
    if len(before) < len(space.SCOPES):
        direction = asked.direction
        return asked.space.usual(direction.best, direction.band, space.SCOPES[len(before)])
    return space.proposed(asked.space, before, seed)


def chosen(asked: Task, parameters: Parameters) -> Chosen:
    told = {"direction": asked.direction.name, "model": asked.model.name}
    return Chosen.of(told | asked.space.chosen(parameters))


class _Pace:
    """How far the search is, in trials and parts of one, so that rate and time left are told soon."""

    def __init__(self, report: Report, asked: Task, done: int) -> None:
        self._report, self._asked, self._done, self._steps = report, asked, done, 0
        self._whole = len(asked.sets.harmless) + len(asked.sets.asked(asked.wishes.goal))
        self._trying = False

    def next(self, done: int) -> None:
        self._done, self._steps, self._trying = done, 0, True
        self._tell()

    def step(self) -> None:
        self._report.check()
        self._steps += 1
        if self._trying:
            self._tell()

    def _tell(self) -> None:
        far = self._done + min(self._steps / max(self._whole, 1), 1.0)
        self._report.progress(far, self._asked.wishes.trials, "trials", TRYING)


# ── told ────────────────────────────────────────────────────────────────────────────────────────────


def result(asked: Task, journal: Journal) -> dict[str, Any]:
    """`front` are numbers of trials, the cheapest first; `use` of each is what writing and exporting take."""
    trials = journal.trials[: asked.wishes.trials]
    heard = [one for one in trials if not one.is_silent]
    best = [heard[place].number for place in front([_weighed(asked, one) for one in heard])]
    rows = [asdict(one) | {"use": asked.space.chosen(one.parameters)} for one in trials]
    return {
        "direction": asked.direction.name,
        "model": asked.model.name,
        "goal": asked.wishes.goal,
        "recipe_hash": asked.wishes.hash,
        "start": journal.start,
        "layer": asked.direction.best,
        "trials": rows,
        "front": best,
        "seconds": round(sum(one.seconds for one in trials), 1),
        "plots": plots.of(asked.wishes.goal, trials, best),
    }


def _weighed(asked: Task, trial: Trial) -> tuple[float, float]:
    """Cost and trait, both to be small."""
    return trial.kl, trial.trait if asked.wishes.goal == "remove" else -trial.trait


def mark(asked: Task) -> str:
    """Of everything that the figures of a trial depend on."""
    stamps = [
        (file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in parts_of(asked.model.path)
    ]
    told = [
        stamps,
        hashlib.sha256(asked.direction.path.read_bytes()).hexdigest(),
        asked.wishes.each_trial,
        asdict(asked.sets),
        builds.ours().version,
        METHOD,
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
