"""Install another build of the engine into a Python of its own under the home, or take the user's own server.

The user's pip fetches the pinned version from the publisher's index, so that proxy and certificate settings
hold. Everything happens in a folder beside the final one: whatever fails, nothing is left or changed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from fabula.core.errors import BuildBroken, BuildUnavailable, NoDiskSpace, PipMissing, SourceMissing
from fabula.core.texts import phrase
from fabula.engine.builds import builds
from fabula.engine.builds.builds import FACTS, OWN, Build, Index, Kind, Table
from fabula.models.sources.wheel import PipCall, pip_command, progress_mode
from fabula.models.sources.words import Errand, Progress, Source, free_space, never, silent
from fabula.store.files import writing

CHECK_S = 120.0  # a GPU's first use on a machine can take a minute
ROOM = 64 << 20  # bytes, before anything is known of the build's size
LOCK = ".lock"

CHECK = """
import importlib.metadata, json, xllamacpp
devices = xllamacpp.get_device_info()
print(json.dumps({
    "version": importlib.metadata.version("xllamacpp"),
    "devices": [str(device["description"] or device["name"]) for device in devices],
    "uses_gpus": any("GPU" in str(device["type"]) for device in devices),
}))
"""


def install(
    name: str,
    engines: Path,
    tell: Callable[[Progress], None] = silent,
    cancelled: Callable[[], bool] = never,
    free_space: Callable[[Path], int] = free_space,
) -> Build:
    """The build of that kind, fetched and checked. Raises what the errors below say, and NoDiskSpace."""
    table = builds.table(engines)
    kind = table.kind(name)
    index = builds.index_for(kind, builds.runtime_of(name))
    errand = Errand(engines, tell, cancelled, free_space)
    with writing(engines):
        engines.mkdir(parents=True, exist_ok=True)
    errand.check_space(ROOM)
    with FileLock(engines / LOCK), _workplace(engines / f".{name}.new") as work:
        _fetch(table, kind, index, work, errand)
        tell(Progress(0, 0, "", "models.fetch.checking"))
        build = _checked(name, python_of(work))
        return _put_in_place(build, work, engines / name)


def remove(name: str, engines: Path) -> None:
    """Raises BuildMissing."""
    place = engines / name
    with FileLock(engines / LOCK) if engines.is_dir() else _nothing():
        if builds.in_use(engines, name).program:
            (engines / OWN).unlink()
        else:
            shutil.rmtree(place)


def adopt(program: str, engines: Path) -> Build:
    """A llama-server of the user's own, once it has said its version. Raises BuildBroken."""
    path = Path(program).expanduser().absolute()
    _, told, version = _asked(path, "--version").partition("version:")
    if not told:
        raise BuildBroken(str(path), phrase("reasons.no_version"))
    devices = [line.strip() for line in _asked(path, "--list-devices").splitlines() if _is_device(line)]
    build = Build(
        name=str(path),
        version=version.strip().partition("\n")[0],
        devices=tuple(devices),
        uses_gpus=bool(devices),
        program=str(path),
    )
    with writing(engines):
        engines.mkdir(parents=True, exist_ok=True)
    builds.write(build, engines / OWN)
    return build


# ── fetching ────────────────────────────────────────────────────────────────────────────────────────


def _fetch(table: Table, kind: Kind, index: Index, work: Path, errand: Errand) -> None:
    with _disk_errors(errand):
        venv.EnvBuilder(symlinks=os.name != "nt").create(work)
        run = work / "run"
        run.mkdir()
        source = Source(kind="wheel", text=f"{table.package} ({kind.name})", target=table.package)
        try:
            PipCall(source, errand, run).run(_command(table, index, work, source))
        except SourceMissing as missing:
            here = f"{sys.platform}, Python {sys.version_info.major}.{sys.version_info.minor}"
            raise BuildUnavailable(kind.name, here, _others(table, kind)) from missing
        shutil.rmtree(run)


def _others(table: Table, kind: Kind) -> str:
    able = [row.name for row in table.kinds.values() if sys.platform in row.systems and row is not kind]
    return ", ".join(able)


def _command(table: Table, index: Index, work: Path, source: Source) -> list[str]:
    pip = pip_command()
    if not pip:
        raise PipMissing(source.text, sys.executable)
    return [
        *pip,
        *("--python", str(python_of(work))),
        *("install", "--no-deps", "--only-binary=:all:", "--no-input", "--no-cache-dir"),
        *("--disable-pip-version-check", "-vv", f"--progress-bar={progress_mode()}"),
        *(("--index-url", index.url) if index.url else ()),
        f"{table.package}=={table.version}",
    ]


def python_of(place: Path) -> Path:
    return place / "Scripts" / "python.exe" if os.name == "nt" else place / "bin" / "python"


@contextmanager
def _workplace(work: Path) -> Iterator[Path]:
    """An empty folder that is gone afterwards, whatever happened."""
    shutil.rmtree(work, ignore_errors=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _disk_errors(errand: Errand) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NoDiskSpace(ROOM, errand.free_space(errand.folder), str(errand.folder)) from error


@contextmanager
def _nothing() -> Iterator[None]:
    yield


# ── checking ────────────────────────────────────────────────────────────────────────────────────────


def _checked(name: str, python: Path) -> Build:
    """Imported once in a process of its own: native code can end the one that it runs in."""
    command = [str(python), "-P", "-c", CHECK]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_S, check=True)
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
        raise BuildBroken(name, _reason(error)) from error
    return Build(
        name=name,
        version=told["version"],
        devices=tuple(told["devices"]),
        uses_gpus=told["uses_gpus"],
        python=str(python),
    )


def _put_in_place(build: Build, work: Path, place: Path) -> Build:
    """Renamed as a whole; the build that was there before goes first."""
    moved = Build(
        name=build.name,
        version=build.version,
        devices=build.devices,
        uses_gpus=build.uses_gpus,
        python=str(python_of(place)),
    )
    builds.write(moved, work / FACTS)
    shutil.rmtree(place, ignore_errors=True)
    with writing(place):
        work.rename(place)
    return moved


def _asked(program: Path, question: str) -> str:
    try:
        done = subprocess.run(
            [str(program), question], capture_output=True, text=True, timeout=CHECK_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildBroken(str(program), _reason(error)) from error
    return done.stdout + done.stderr


def _is_device(line: str) -> bool:
    """As it lists them: "  CUDA0: NVIDIA GeForce RTX 4090 (24564 MiB, 23028 MiB free)"."""
    return line.startswith("  ") and ": " in line and "MiB" in line


def _reason(error: Exception) -> str:
    """The last line that the process wrote, else what happened to it."""
    lines = (getattr(error, "stderr", "") or "").strip().splitlines()
    return (lines[-1] if lines else str(error)).rstrip(".")
