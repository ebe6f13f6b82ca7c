"""What `fabula doctor` looks at: each check answers what it found and what to do. None changes anything.

Knows no screen. A check that cannot be made says so: no finding is left out.
"""

from __future__ import annotations

import json
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fabula import __version__
from fabula.cli.words import language, say
from fabula.core.errors import FabulaError, SettingInvalid, SettingUnknown
from fabula.core.texts import as_bytes
from fabula.engine.builds import builds
from fabula.store import settings
from fabula.store.home import Home
from fabula.store.studio import running

Level = Literal["ok", "warn", "bad"]

LITTLE_DISK = 2 << 30  # bytes; less does not hold one useful model
LITTLE_MEMORY = 1 << 30  # bytes free; the starter with its context takes about half of it
ENGINE_TIME_LIMIT = 30  # seconds for importing the engine on a slow disk


@dataclass(frozen=True, slots=True)
class Finding:
    """`advice` says what to do; "" where there is nothing to do."""

    check: str
    level: Level
    value: str
    advice: str = ""


def program(home: Home) -> Iterator[Finding]:
    yield Finding("fabula", "ok", f"{__version__} ({Path(__file__).parent.parent})")
    yield Finding("python", "ok", f"{platform.python_version()} ({sys.executable})")


def machine(home: Home) -> Iterator[Finding]:
    from fabula.models import hardware

    here = hardware.machine()
    yield Finding("system", "ok", here.system)
    yield Finding("processor", "ok", say("cli.doctor.cores", name=here.processor, cores=here.cores))
    little = here.memory_available < LITTLE_MEMORY
    memory = say("cli.doctor.free_of", free=here.memory_available, total=here.memory)
    yield (
        Finding("memory", "warn", memory, say("cli.doctor.little_memory"))
        if little
        else Finding("memory", "ok", memory)
    )
    if here.memory_limit:
        yield Finding("memory_limit", "ok", as_bytes(here.memory_limit))
    yield features(here.features)
    for gpu in here.gpus:
        screen = say("cli.doctor.draws_screen") if gpu.display else ""
        yield Finding(
            "gpu", "ok", f"{gpu.name}: {as_bytes(gpu.memory_free)} / {as_bytes(gpu.memory)}", screen
        )
    if not here.gpus:
        yield Finding("gpu", "ok", say("cli.doctor.no_gpu"))


def features(found: tuple[str, ...]) -> Finding:
    """What the processor can compute with; without AVX2 or NEON everything is many times slower."""
    if not found:
        return Finding("features", "ok", say("cli.doctor.features_unknown"))
    value = ", ".join(found)
    if {"avx2", "asimd"}.isdisjoint(found):
        return Finding("features", "warn", value, say("cli.doctor.old_processor"))
    return Finding("features", "ok", value)


def folder(home: Home) -> Iterator[Finding]:
    yield writable(home)
    yield disk(home)


def writable(home: Home) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=nearest(home.path)):
            return Finding("home", "ok", str(home.path))
    except OSError as error:
        reason = error.strerror or str(error)
        return Finding("home", "bad", f"{home.path}: {reason}", say("cli.doctor.unwritable"))


def disk(home: Home) -> Finding:
    usage = shutil.disk_usage(nearest(home.path))
    value = say("cli.doctor.free_of", free=usage.free, total=usage.total)
    if usage.free < LITTLE_DISK:
        return Finding("disk", "warn", value, say("cli.doctor.little_disk"))
    return Finding("disk", "ok", value)


def nearest(path: Path) -> Path:
    """The folder itself, or the first one above it that exists."""
    return next(place for place in (path, *path.parents) if place.is_dir())


def configuration(home: Home) -> Iterator[Finding]:
    try:
        values = settings.load(home)
    except FabulaError as error:
        yield Finding("settings", "bad", error.sentence(language()), say("cli.doctor.fix_settings"))
        return
    changed = sum(values.origin(setting.name) != "default" for setting in settings.SETTINGS)
    yield Finding("settings", "ok", say("cli.doctor.changed_settings", count=changed))
    yield studio(home, values.host, values.port)
    yield from seconds(home)


def studio(home: Home, host: str, port: int) -> Finding:
    """Running, or able to: the port is free."""
    if info := running(home):
        return Finding("studio", "ok", say("cli.doctor.studio_runs", address=info.address))
    try:
        with socket.create_server((host, port)):
            return Finding("studio", "ok", say("cli.doctor.port_free", port=port))
    except OSError:
        return Finding("studio", "warn", say("cli.doctor.port_used", port=port), say("cli.doctor.other_port"))


def seconds(home: Home) -> Iterator[Finding]:
    """The well-known ports of other programs at which a running studio listens too."""
    if (info := running(home)) and info.also:
        addresses = ", ".join(f"{name}: {address}" for name, address in info.also.items())
        yield Finding("also", "ok", addresses)


def engine(home: Home) -> Iterator[Finding]:
    """In another process: native code can end the one that it runs in."""
    try:
        told = ask_engine(python_in_use(home))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        yield Finding("engine", "bad", reason_of(error), say("cli.doctor.reinstall"))
        return
    value = f"xllamacpp {told['version']} ({', '.join(told['devices'])})"
    from fabula.models import hardware

    gpus = hardware.machine().gpus
    if gpus and not told["has_gpu"]:
        yield Finding("engine", "warn", value, say("cli.doctor.engine_is_cpu", kind=gpus[0].kind))
    else:
        yield Finding("engine", "ok", value)


ASK_ENGINE = """
import importlib.metadata, json, xllamacpp
devices = xllamacpp.get_device_info()
print(json.dumps({
    "version": importlib.metadata.version("xllamacpp"),
    "devices": [device["name"] for device in devices],
    "has_gpu": any("GPU" in str(device["type"]) for device in devices),
}))
"""


def python_in_use(home: Home) -> str:
    """Of the build that models are loaded with; Fabula's own where a llama-server is used or it is lost."""
    with suppress(FabulaError):
        return builds.in_use(home.engines, settings.load(home).engine_build).python or sys.executable
    return sys.executable


def ask_engine(python: str) -> dict[str, Any]:
    command = [python, "-c", ASK_ENGINE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=ENGINE_TIME_LIMIT, check=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def reason_of(error: Exception) -> str:
    """The last line that the engine's process wrote, else what happened to it."""
    lines = (getattr(error, "stderr", "") or "").strip().splitlines()
    return lines[-1] if lines else str(error)


def models(home: Home) -> Iterator[Finding]:
    """What is on the shelf, and whether it really answers: one token, through the whole house."""
    from fabula.models.catalog import Catalog
    from fabula.models.formats.identify import problem_sentence
    from fabula.models.starter import STARTER

    shelf = Catalog(home.models).list() if home.models.is_dir() else []
    for broken in (model for model in shelf if model.problem):
        found = f"{broken.name}: {problem_sentence(broken, language())}"
        yield Finding("models", "warn", found, say("cli.doctor.broken_model"))
    usable = sorted((model for model in shelf if not model.problem), key=lambda model: model.size)
    if not usable:
        yield Finding("models", "warn", say("cli.doctor.no_model"), say("cli.list.none"))
        return
    yield Finding("models", "ok", say("cli.doctor.model_count", count=len(usable)))
    starter = [model.name for model in usable if model.name == STARTER.name]
    yield answer(home, *(starter or [usable[0].name]))


def answer(home: Home, model: str) -> Finding:
    from fabula.cli.client import error_of
    from fabula.cli.reply import wait
    from fabula.cli.studio import connect

    request = {"model": model, "messages": [{"role": "user", "text": "Hello"}], "sampling": {"max_tokens": 1}}
    try:
        with connect(home.path) as client:
            last = list(client.stream("POST", "/generate", request))[-1]
        if last.kind == "error":
            raise error_of(last.data)
    except (SettingInvalid, SettingUnknown) as error:
        return Finding("answer", "bad", error.sentence(language()), say("cli.doctor.fix_settings"))
    except FabulaError as error:
        return Finding(
            "answer", "bad", error.sentence(language()), say("cli.doctor.see_log", folder=home.logs)
        )
    time = wait(last.data["facts"]["first_token_ms"])
    return Finding("answer", "ok", say("cli.doctor.answered", model=model, time=time))


CHECKS: tuple[Callable[[Home], Iterator[Finding]], ...] = (
    program,
    machine,
    folder,
    configuration,
    engine,
    models,
)
