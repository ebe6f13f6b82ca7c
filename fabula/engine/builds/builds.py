"""The builds of the engine on this machine, and the one that is in use. Installs nothing.

What can be installed stands in `builds.json`: one pinned version, and for each kind the publisher's own
package indexes, newest runtime first. A file of that name in the home's `engines` folder takes its place, for
mirrors. An installed build is a folder there, with a Python of its own and what was found when it was checked
(`build.json`); a llama-server of the user's own is only such a file (`own.json`).
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import platform
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fabula.core.errors import BuildMissing, BuildUnavailable
from fabula.store.files import write_atomic

PACKAGE = "xllamacpp"
TABLE = "builds.json"
FACTS = "build.json"
OWN = "own.json"
RUNTIME_S = 5.0  # how long a driver may take to say its version


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """`python` runs the engine's child program; or `program` is a llama-server. Both "" = Fabula's own."""

    name: str
    version: str = ""
    devices: tuple[str, ...] = ()
    uses_gpus: bool = False
    python: str = ""
    program: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """`runtime` is what the driver has to support; `url` "" = the index that the user's pip asks anyway."""

    runtime: str
    url: str


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    systems: tuple[str, ...]
    indexes: tuple[Index, ...]


@dataclass(frozen=True, slots=True)
class Table:
    package: str
    version: str
    kinds: dict[str, Kind]

    def kind(self, name: str) -> Kind:
        """Raises BuildUnavailable when there is none for this system."""
        kind = self.kinds.get(name)
        if kind is None or sys.platform not in kind.systems:
            able = ", ".join(row.name for row in self.kinds.values() if sys.platform in row.systems)
            raise BuildUnavailable(name, f"{platform.system()} {platform.machine()}", able)
        return kind


def table(engines: Path) -> Table:
    file = engines / TABLE
    source = file if file.is_file() else Path(__file__).with_name(TABLE)
    told = json.loads(source.read_text(encoding="utf-8"))
    kinds = {
        name: Kind(name, tuple(row["systems"]), tuple(Index(**index) for index in row["indexes"]))
        for name, row in told["kinds"].items()
    }
    return Table(told["package"], told["version"], kinds)


# ── what is here ────────────────────────────────────────────────────────────────────────────────────


def ours() -> Build:
    """The build that was installed with Fabula: for the processor, and on Apple Silicon for Metal."""
    metal = sys.platform == "darwin" and platform.machine() == "arm64"
    return Build(name="", version=_installed_version(), uses_gpus=metal)


@functools.cache
def _installed_version() -> str:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(PACKAGE)
    return ""


def installed(engines: Path) -> list[Build]:
    """All but Fabula's own."""
    files = [*sorted(engines.glob(f"[!.]*/{FACTS}")), engines / OWN]
    return [read(file) for file in files if file.is_file()]


def in_use(engines: Path, wanted: str) -> Build:
    """The build for the setting `engine.build`. Raises BuildMissing."""
    if not wanted:
        return ours()
    for build in installed(engines):
        if wanted in (build.name, build.program):
            return build
    raise BuildMissing(wanted)


def read(file: Path) -> Build:
    told = json.loads(file.read_text(encoding="utf-8"))
    return Build(**{**told, "devices": tuple(told["devices"])})


def write(build: Build, file: Path) -> None:
    write_atomic(file, json.dumps(asdict(build), ensure_ascii=False, indent=1).encode())


# ── which index fits the driver ─────────────────────────────────────────────────────────────────────


def index_for(kind: Kind, runtime: str) -> Index:
    """The newest one that the driver supports; where that is not known, the one that asks least of it."""
    fitting = [index for index in kind.indexes if runtime and _numbers(index.runtime) <= _numbers(runtime)]
    return fitting[0] if fitting else kind.indexes[-1]


def runtime_of(kind: str) -> str:
    """The version of CUDA or ROCm that this machine's driver supports, "" when it does not say."""
    if kind == "cuda":
        return _cuda()
    if kind == "rocm":
        return _first_line(Path("/opt/rocm/.info/version"))
    return ""


def _cuda() -> str:
    try:
        told = subprocess.run(["nvidia-smi"], capture_output=True, text=True, timeout=RUNTIME_S).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    return read_cuda(told)


def read_cuda(told: str) -> str:
    """From the driver's own page: "… CUDA Version: 12.8 …"."""
    _, found, rest = told.partition("CUDA Version:")
    return rest.split()[0] if found and rest.split() else ""


def _first_line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip().split("-")[0]
    except OSError:
        return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())[:2]


def plain(build: Build) -> dict[str, Any]:
    return asdict(build)
