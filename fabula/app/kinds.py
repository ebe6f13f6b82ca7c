"""What each kind of job runs, in a process of its own; each reads only the code that it needs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fabula.store.home import Home
from fabula.store.job_child import Entry, Report

if TYPE_CHECKING:
    from fabula.models.sources.words import Progress

Kind = Callable[[Home, dict[str, Any], Report], dict[str, Any]]


def pull(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Gets a model from a source into the shelf."""
    from fabula.app.fetching import Pace, name_of
    from fabula.models.catalog import ALIASES
    from fabula.models.sources import fetch
    from fabula.models.starter import STARTER

    source = STARTER.source if arguments["source"].lower() in ALIASES else arguments["source"]
    pace = Pace(home, arguments.get("limit") or 0)
    path = fetch(source, home.models, *_told(report), limit=pace.limit, connections=pace.connections)
    return {"name": name_of(path, home.models)}


def install_engine(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Installs a build of the engine."""
    from fabula.engine.builds.install import install

    build = install(arguments["kind"], home.engines, *_told(report))
    return {"name": build.name, "devices": list(build.devices)}


def take_adapter(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Gets an adapter, converted and checked for a model."""
    from fabula.models.adapters.taking import take
    from fabula.models.catalog import Catalog
    from fabula.models.sources import Errand

    model = Catalog(home.models).find(arguments["model"])
    path = take(arguments["source"], model, Errand(home.adapters, *_told(report)), arguments["name"])
    return {"name": path.stem}


def verify(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Reads files of models whole, and tells which are still what they were."""
    from fabula.app.verifying import run

    return run(home, arguments, report)


def speed(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Measures how fast this machine is with a model's types of weights."""
    from fabula.app.rating import run

    return run(home, arguments, report)


def tune(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    from fabula.engine.tune.job import run

    return run(home, arguments, report)


def quantize(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    from fabula.lab.quantize.job import run

    return run(home, arguments, report)


def imatrix(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    from fabula.lab.quantize.statistics import run

    return run(home, arguments, report)


def direction(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Learns a direction from two sets of prompts."""
    from fabula.lab.directions.learn import run

    return run(home, arguments, report)


def direction_export(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    from fabula.lab.directions.offer import run

    return run(home, arguments, report)


def direction_write(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Takes a direction out of a model's weights, or adds it to them for good."""
    from fabula.lab.directions.write import run

    return run(home, arguments, report)


def direction_search(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Tries many ways to put a direction to use."""
    from fabula.lab.directions.search.job import run

    return run(home, arguments, report)


def probes(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Asks a model Fabula's probes, or two, which are compared."""
    from fabula.app.probing import run

    return run(home, arguments, report)


KINDS: Mapping[str, Kind] = {
    "pull": pull,
    "engine": install_engine,
    "tune": tune,
    "adapter": take_adapter,
    "verify": verify,
    "speed": speed,
    "quantize": quantize,
    "imatrix": imatrix,
    "direction": direction,
    "direction_export": direction_export,
    "direction_write": direction_write,
    "direction_search": direction_search,
    "probes": probes,
}


def job_entries(home: Home) -> dict[str, Entry]:
    return {name: functools.partial(kind, home) for name, kind in KINDS.items()}


def _told(report: Report) -> tuple[Callable[[Progress], None], Callable[[], bool]]:
    """How a fetch tells a job where it is, and hears that it is to stop."""

    def tell(progress: Progress) -> None:
        report.progress(progress.done, progress.total, progress.unit, progress.note)

    def stopped() -> bool:
        report.check()  # raises the job's own Cancelled, so that it does not end as a failure
        return False

    return tell, stopped
