"""What there is to say about this installation: the parts of its home, a report for whoever seeks a fault.

Knows no screen. The report names no chat, no model, no server, no address and no folder of a person.
"""

from __future__ import annotations

import platform
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from fabula import __version__
from fabula.core.errors import FabulaError
from fabula.core.texts import as_bytes
from fabula.core.worker import Running
from fabula.store.backup_list import counted, size_of
from fabula.store.files import free_space
from fabula.store.home import Home
from fabula.store.settings import SETTINGS, Setting

if TYPE_CHECKING:
    from fabula.app.studio import Studio

LIBRARIES = ("xllamacpp", "fastapi", "uvicorn", "sqlalchemy", "pydantic", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class Part:
    """One name in the home; `size` is bytes."""

    name: str
    size: int
    files: int


def parts(home: Home) -> list[Part]:
    """The largest first; the database with what belongs to it."""
    database = [path for path in home.path.glob(f"{home.database.name}*") if path.is_file()]
    others = [path for path in home.path.iterdir() if path not in database]
    whole = [Part(home.database.name, sum(size_of(path)[0] for path in database), len(database))]
    found = whole + [Part(path.name, *size_of(path)) for path in others if not path.name.startswith(".")]
    return sorted(found, key=lambda part: -part.size)


def report(studio: Studio, running: Sequence[Running]) -> str:
    """Lines of `name: value`. What runs belongs to the event loop and is asked for there; this may block."""
    sections = (
        _program(),
        _machine(studio),
        _engines(studio, running),
        _home(studio.home),
        _shelf(studio),
        _set(studio),
    )
    return "\n\n".join("\n".join(section) for section in sections if section)


def _program() -> list[str]:
    versions = [f"{name} {version}" for name in LIBRARIES if (version := _version(name))]
    return [
        f"Fabula: {__version__}",
        f"Python: {platform.python_version()} ({sys.implementation.name})",
        f"Libraries: {', '.join(versions)}",
    ]


def _version(name: str) -> str:
    """Of a library; "" where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _machine(studio: Studio) -> list[str]:
    here = studio.planning.machine()
    gpus = [f"{gpu.name} ({as_bytes(gpu.memory_free)} of {as_bytes(gpu.memory)} free)" for gpu in here.gpus]
    return [
        f"System: {here.system}, {platform.machine()}",
        f"Processor: {here.processor}, {here.physical_cores} cores, {here.cores} threads",
        f"Features: {', '.join(here.features) or 'unknown'}",
        f"Memory: {as_bytes(here.memory_available)} of {as_bytes(here.memory)} free",
        f"GPUs: {'; '.join(gpus) or 'none'}",
    ]


def _engines(studio: Studio, running: Sequence[Running]) -> list[str]:
    from fabula.engine.builds import builds

    here = [builds.ours(), *builds.installed(studio.home.engines)]
    rows = [f"{_kind(build.name)} {build.version} ({', '.join(build.devices) or 'cpu'})" for build in here]
    try:
        used = _kind(studio.engines.build.name)
    except FabulaError as missing:
        used = missing.code
    loaded = [f"{row.engine} ({row.plan.verdict})" for row in running]
    return [
        f"Engine builds: {'; '.join(rows)}",
        f"Build in use: {used}",
        f"Loaded: {'; '.join(loaded) or 'none'}",
    ]


def _kind(name: str) -> str:
    """A build by its kind; one of the person's own without its path."""
    return "own llama-server" if Path(name).is_absolute() else name or "default"


def _home(home: Home) -> list[str]:
    made = ", ".join(f"{count} {name}" for name, count in counted(home.database).items())
    sizes = ", ".join(f"{part.name} {as_bytes(part.size)}" for part in parts(home)[:8])
    return [f"Home: {sizes}; {as_bytes(free_space(home.path))} free", f"Made: {made}"]


def _shelf(studio: Studio) -> list[str]:
    models = studio.shelf.catalog.list()
    kinds = Counter(f"{model.architecture or '?'} {model.quantization or model.format}" for model in models)
    broken = sum(bool(model.problem) for model in models)
    rows = ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common(12))
    return [f"Models: {len(models)} ({rows or 'none'}), {broken} unusable"]


def _set(studio: Studio) -> list[str]:
    """Settings that are not at their default."""
    now = studio.settings
    changed = [setting for setting in SETTINGS if now.origin(setting.name) != "default"]
    return [f"{each.name}: {_told(each, now[each.name])} ({now.origin(each.name)})" for each in changed]


def _told(setting: Setting, value: object) -> str:
    if setting.name == "host":
        return "loopback" if value in ("127.0.0.1", "localhost", "::1") else "open to others"
    is_free = isinstance(setting.default, str) and not setting.choices
    return ("set" if value else "empty") if is_free else f"{value}"
