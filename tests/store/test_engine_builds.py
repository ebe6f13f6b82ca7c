"""Other builds of the engine, installed by the real pip from a package index on loopback."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from models_stand_ins import Shelf, serve

from fabula.core.errors import BuildBroken, BuildMissing, BuildUnavailable, NoDiskSpace, Offline
from fabula.engine.builds import builds, install
from fabula.engine.builds.builds import Index, Kind
from fabula.models.sources.words import FetchCancelled, Progress

FAKE = b"""
def get_device_info():
    card = {"name": "CUDA0", "description": "A card", "type": "GPU"}
    return [card, {"name": "CPU", "description": "", "type": "CPU"}]
"""
PADDING = os.urandom(2 << 20)  # pip must have something to download


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    shelf = Shelf()
    server = serve(shelf)
    shelf.add_to_index("xllamacpp", "1.0", {"xllamacpp/__init__.py": FAKE, "xllamacpp/native.bin": PADDING})
    for name in [name for name in os.environ if name.upper().startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in {"PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    yield shelf
    server.shutdown()
    server.server_close()


@pytest.fixture
def engines(tmp_path: Path, index: Shelf) -> Path:
    """A home's folder whose own table names the index on loopback."""
    return with_table(tmp_path / "engines", f"{index.address}/simple")


def with_table(engines: Path, url: str, wanted: str = "1.0") -> Path:
    engines.mkdir(exist_ok=True)
    kind = {"systems": [sys.platform], "indexes": [{"runtime": "", "url": url}]}
    table = {"package": "xllamacpp", "version": wanted, "kinds": {"cuda": kind, "vulkan": kind}}
    (engines / builds.TABLE).write_text(json.dumps(table))
    return engines


def visible(engines: Path) -> list[str]:
    return sorted(path.name for path in engines.iterdir() if path.name not in (builds.TABLE, install.LOCK))


def test_a_build_is_installed_checked_and_found(engines: Path) -> None:
    seen: list[Progress] = []
    build = install.install("cuda", engines, seen.append)
    assert (build.name, build.version, build.devices, build.uses_gpus) == (
        "cuda",
        "1.0",
        ("A card", "CPU"),
        True,
    )
    assert Path(build.python).is_relative_to(engines / "cuda")
    assert builds.installed(engines) == [build] == [builds.in_use(engines, "cuda")]
    assert {step.note for step in seen} == {"models.fetch.downloading", "models.fetch.checking"}
    assert visible(engines) == ["cuda"]


def test_installing_again_replaces_and_removing_leaves_nothing(engines: Path) -> None:
    install.install("cuda", engines)
    install.install("cuda", engines)
    install.remove("cuda", engines)
    assert visible(engines) == []
    with pytest.raises(BuildMissing):
        builds.in_use(engines, "cuda")
    with pytest.raises(BuildMissing):
        install.remove("cuda", engines)


def test_a_version_that_the_index_lacks_is_told_with_the_other_kinds(engines: Path, index: Shelf) -> None:
    with_table(engines, f"{index.address}/simple", wanted="9.9")
    with pytest.raises(BuildUnavailable) as refused:
        install.install("cuda", engines)
    assert refused.value.able == "vulkan"
    assert visible(engines) == []


def test_a_kind_that_this_system_has_not_is_told(engines: Path, index: Shelf) -> None:
    with pytest.raises(BuildUnavailable, match="cuda, vulkan"):
        install.install("metal", engines)


def test_being_offline_is_told_and_leaves_nothing(engines: Path) -> None:
    with_table(engines, "http://127.0.0.1:9/simple")
    with pytest.raises(Offline):
        install.install("cuda", engines)
    assert visible(engines) == []


def test_a_full_disk_is_told_and_leaves_nothing(engines: Path) -> None:
    with pytest.raises(NoDiskSpace) as full:
        install.install("cuda", engines, free_space=lambda _: 1 << 20)
    assert full.value.free == 1 << 20
    assert visible(engines) == []


def test_a_build_that_cannot_be_imported_is_not_kept(engines: Path, index: Shelf) -> None:
    install.install("cuda", engines)
    broken = b"raise ImportError('libcuda.so.1: cannot open shared object file')"
    index.add_to_index("xllamacpp", "2.0", {"xllamacpp/__init__.py": broken})
    with_table(engines, f"{index.address}/simple", wanted="2.0")
    with pytest.raises(BuildBroken, match=r"libcuda\.so\.1: cannot open"):
        install.install("cuda", engines)
    assert builds.in_use(engines, "cuda").version == "1.0"


def test_a_cancelled_installation_leaves_nothing(engines: Path, index: Shelf) -> None:
    index.pause = 0.02
    seen: list[Progress] = []
    with pytest.raises(FetchCancelled):
        install.install("cuda", engines, seen.append, lambda: any(step.done for step in seen))
    assert visible(engines) == []


def test_the_pinned_version_is_the_one_that_fabula_requires(tmp_path: Path) -> None:
    table = builds.table(tmp_path)
    assert f"{table.package}=={table.version}" in (requires("fabula") or [])
    assert version(table.package) == table.version
    assert set(table.kinds) == {"cpu", "cuda", "rocm", "vulkan"}


def test_the_index_is_the_newest_that_the_driver_supports() -> None:
    kind = Kind("cuda", (), (Index("13.2", "new"), Index("12.8", "old")))
    wanted = {"13.3": "new", "13.2": "new", "13.0": "old", "12.8": "old", "12.4": "old", "": "old"}
    assert {runtime: builds.index_for(kind, runtime).url for runtime in wanted} == wanted


def test_the_drivers_page_says_its_cuda() -> None:
    assert builds.read_cuda("| Driver Version: 580.65   CUDA Version: 13.0     |\n|---|") == "13.0"
    assert builds.read_cuda("command not found") == ""


SERVER = """#!{python}
import sys
if "--version" in sys.argv:
    sys.exit(print("version: 6123 (abcdef)", file=sys.stderr))
print("Available devices:\\n  CUDA0: A card (24564 MiB, 23028 MiB free)")
"""


def test_a_llama_server_of_ones_own_is_asked_and_kept_by_its_path(engines: Path, tmp_path: Path) -> None:
    program = tmp_path / "llama-server"
    program.write_text(SERVER.format(python=sys.executable))
    program.chmod(0o755)
    build = install.adopt(str(program), engines)
    assert (build.version, build.devices, build.uses_gpus) == (
        "6123 (abcdef)",
        ("CUDA0: A card (24564 MiB, 23028 MiB free)",),
        True,
    )
    assert builds.in_use(engines, str(program)) == build
    install.remove(str(program), engines)
    assert visible(engines) == []


@pytest.mark.parametrize("what", ["missing", "a folder", "no program", "another program"])
def test_what_is_no_llama_server_is_told(engines: Path, tmp_path: Path, what: str) -> None:
    program = tmp_path / "server"
    if what == "a folder":
        program.mkdir()
    if what == "no program":
        program.write_text("#!/bin/sh\necho oh no >&2; exit 3\n")
        program.chmod(0o755)
    if what == "another program":
        program.write_text("#!/bin/sh\necho Hello\n")
        program.chmod(0o755)
    with pytest.raises(BuildBroken):
        install.adopt(str(program), engines)
    assert visible(engines) == []
