"""Fetching models over HTTP, from a hub and from files, with faults, from a stand-in server on loopback."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from models_stand_ins import Shelf, serve, sha256, tiny_gguf
from waiting import until

from fabula.core.errors import (
    AccessDenied,
    ChecksumMismatch,
    DownloadBroken,
    NoDiskSpace,
    NotAModel,
    Offline,
    QuantizationMissing,
    SourceMissing,
    UnknownSource,
)
from fabula.models.catalog import Catalog
from fabula.models.sources import FetchCancelled, Progress, fetch, parse

MODEL = tiny_gguf(rows=4096)  # 1 MiB
PROJECTOR = tiny_gguf(general__type="mmproj", general__architecture="clip")


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    shelf = Shelf(files={"/Tiny.gguf": MODEL})
    server = serve(shelf)
    yield shelf
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def url(shelf: Shelf) -> str:
    return f"{shelf.address}/Tiny.gguf"


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in (folder / ".fetch").iterdir() if path.suffix != ".lock"]


# ── addresses ───────────────────────────────────────────────────────────────────────────────────────


def test_an_address_is_fetched_with_progress(url: str, folder: Path) -> None:
    seen: list[Progress] = []
    path = fetch(parse(f"{url}#sha256={sha256(MODEL)}"), folder, seen.append)
    assert path == folder / "Tiny.gguf"
    assert path.read_bytes() == MODEL
    assert (seen[-1].done, seen[-1].total, seen[-1].unit) == (len(MODEL), len(MODEL), "bytes")
    assert leftovers(folder) == []


def test_a_cut_connection_is_resumed_where_it_broke(url: str, shelf: Shelf, folder: Path) -> None:
    shelf.cuts = [300_000, 200_000]
    assert fetch(parse(url), folder).read_bytes() == MODEL
    assert shelf.ranges_asked() == ["bytes=0-", "bytes=300000-", "bytes=500000-"]


def test_a_server_that_cannot_resume_is_asked_again(url: str, shelf: Shelf, folder: Path) -> None:
    shelf.cuts, shelf.ranges = [300_000], False
    assert fetch(parse(url), folder).read_bytes() == MODEL


def test_a_file_that_changed_in_between_is_fetched_from_the_start(
    url: str, shelf: Shelf, folder: Path
) -> None:
    with pytest.raises(FetchCancelled):
        fetch(parse(url), folder, cancelled=cancel_after(300_000, shelf, folder))
    changed = tiny_gguf(rows=4096, general__name="Changed")
    shelf.files["/Tiny.gguf"], shelf.pause = changed, 0
    assert fetch(parse(url), folder).read_bytes() == changed


def test_a_busy_server_is_tried_again(url: str, shelf: Shelf, folder: Path) -> None:
    shelf.statuses = [503, 429]
    assert fetch(parse(url), folder).read_bytes() == MODEL


def test_redirects_are_followed(shelf: Shelf, folder: Path) -> None:
    shelf.redirects["/latest.gguf"] = "/Tiny.gguf"
    assert fetch(parse(f"{shelf.address}/latest.gguf"), folder).read_bytes() == MODEL


def test_a_redirect_off_https_is_refused(shelf: Shelf, folder: Path) -> None:
    shelf.redirects["/away.gguf"] = "http://models.example/away.gguf"
    with pytest.raises(UnknownSource):
        fetch(parse(f"{shelf.address}/away.gguf"), folder)


def test_a_wrong_checksum_leaves_nothing(url: str, folder: Path) -> None:
    with pytest.raises(ChecksumMismatch) as caught:
        fetch(parse(f"{url}#sha256={'0' * 64}"), folder)
    assert caught.value.actual == sha256(MODEL)
    assert Catalog(folder).list() == []
    assert [name for name in leftovers(folder) if name.endswith(".part")] == []


def test_a_page_with_the_name_of_a_model_is_no_model(shelf: Shelf, folder: Path) -> None:
    shelf.files["/Login.gguf"] = b"<!doctype html><title>Log in</title>"
    with pytest.raises(NotAModel, match="a web page"):
        fetch(parse(f"{shelf.address}/Login.gguf"), folder)
    assert leftovers(folder) == []


@pytest.mark.parametrize(
    ("status", "error"), [(404, SourceMissing), (403, AccessDenied), (400, DownloadBroken)]
)
def test_what_the_server_refuses_is_told(
    url: str, shelf: Shelf, folder: Path, status: int, error: type[Exception]
) -> None:
    shelf.statuses = [status]
    with pytest.raises(error):
        fetch(parse(url), folder)


def test_being_offline_is_told(folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/Tiny.gguf"
    with pytest.raises(Offline):
        fetch(parse(address), folder)


def test_a_full_disk_is_told_before_the_first_byte(url: str, folder: Path) -> None:
    with pytest.raises(NoDiskSpace) as caught:
        fetch(parse(url), folder, free_space=lambda _: 1000)
    assert (caught.value.needed, caught.value.free) == (len(MODEL), 1000)
    assert Catalog(folder).list() == []


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_disk_that_fills_up_is_cleaned_and_told(url: str, folder: Path) -> None:
    with only_small_files(200_000), pytest.raises(NoDiskSpace) as caught:
        fetch(parse(url), folder)
    assert caught.value.needed == len(MODEL)
    assert leftovers(folder) == []


def test_a_cancelled_download_goes_on_later(url: str, shelf: Shelf, folder: Path) -> None:
    with pytest.raises(FetchCancelled):
        fetch(parse(url), folder, cancelled=cancel_after(300_000, shelf, folder))
    assert Catalog(folder).list() == []
    shelf.pause = 0
    assert fetch(parse(url), folder).read_bytes() == MODEL
    assert shelf.ranges_asked()


def test_a_killed_download_leaves_no_half_model_and_goes_on_later(
    url: str, shelf: Shelf, folder: Path
) -> None:
    shelf.pause = 0.1
    code = (
        "import pathlib, sys; from fabula.models.sources import fetch, parse;"
        "fetch(parse(sys.argv[1]), pathlib.Path(sys.argv[2]))"
    )
    with subprocess.Popen([sys.executable, "-c", code, url, str(folder)]) as process:
        until(lambda: any(part.stat().st_size for part in folder.glob(".fetch/*.part")))
        process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    assert Catalog(folder).list() == []
    shelf.pause = 0
    assert fetch(parse(url), folder).read_bytes() == MODEL
    assert shelf.ranges_asked()


def test_nothing_is_overwritten(url: str, shelf: Shelf, folder: Path) -> None:
    first = fetch(parse(url), folder)
    assert fetch(parse(url), folder) == first
    shelf.files["/Tiny.gguf"] = tiny_gguf(rows=2048)
    assert fetch(parse(url), folder) == folder / "Tiny-2.gguf"
    assert first.read_bytes() == MODEL


def test_a_damaged_model_is_replaced_when_it_is_fetched_again(url: str, folder: Path) -> None:
    path = fetch(parse(url), folder)
    path.write_bytes(MODEL[:5000])
    assert fetch(parse(url), folder) == path
    assert path.read_bytes() == MODEL


# ── a hub ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def hub(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    shelf.add_to_hub(
        "someone/Tiny-GGUF",
        {
            "Tiny-Q4_K_M.gguf": MODEL,
            "Tiny-Q8_0.gguf": tiny_gguf(rows=64),
            "mmproj-F16.gguf": PROJECTOR,
            "big/Tiny-F16-00001-of-00002.gguf": tiny_gguf(rows=128),
            "big/Tiny-F16-00002-of-00002.gguf": tiny_gguf(rows=256),
            "README.md": b"# Tiny",
        },
    )
    monkeypatch.setenv("HF_ENDPOINT", shelf.address)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return shelf


@pytest.mark.parametrize(
    ("choice", "name"),
    [("", "Tiny-Q4_K_M"), (":Q8_0", "Tiny-Q8_0"), (":q8_0", "Tiny-Q8_0"), (":Tiny-Q8_0.gguf", "Tiny-Q8_0")],
)
def test_a_quantization_of_a_repository_is_fetched(hub: Shelf, folder: Path, choice: str, name: str) -> None:
    path = fetch(parse(f"hf:someone/Tiny-GGUF{choice}"), folder)
    assert path.stem == name
    assert path.read_bytes() == hub.files[f"/cdn/{name}.gguf"]


def test_all_parts_of_a_split_are_fetched(hub: Shelf, folder: Path) -> None:
    seen: list[Progress] = []
    path = fetch(parse("hf:someone/Tiny-GGUF:F16"), folder, seen.append)
    assert path.name == "Tiny-F16-00001-of-00002.gguf"
    assert [model.problem for model in Catalog(folder).list()] == ["models.problem.mmproj", ""]
    assert seen[-1].done == seen[-1].total == sum(part.stat().st_size for part in folder.glob("*.gguf"))


def test_a_missing_quantization_is_answered_with_what_there_is(hub: Shelf, folder: Path) -> None:
    with pytest.raises(QuantizationMissing, match="Tiny-F16, Tiny-Q4_K_M, Tiny-Q8_0"):
        fetch(parse("hf:someone/Tiny-GGUF:Q2_K"), folder)


def test_a_repository_that_does_not_exist_is_told(hub: Shelf, folder: Path) -> None:
    with pytest.raises(SourceMissing):
        fetch(parse("hf:someone/Nothing"), folder)


def test_the_token_opens_a_closed_repository(
    hub: Shelf, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "hf_secret"
    with pytest.raises(AccessDenied):
        fetch(parse("hf:someone/Tiny-GGUF"), folder)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert fetch(parse("hf:someone/Tiny-GGUF"), folder).read_bytes() == MODEL


def test_the_token_is_not_carried_to_another_host(
    hub: Shelf, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cdn = Shelf(files=hub.files)
    server = serve(cdn)
    hub.redirects["/someone/Tiny-GGUF/resolve/main/Tiny-Q4_K_M.gguf"] = f"{cdn.address}/cdn/Tiny-Q4_K_M.gguf"
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert fetch(parse("hf:someone/Tiny-GGUF"), folder).read_bytes() == MODEL
    assert [headers.get("authorization") for _, headers in cdn.asked] == [None]
    server.shutdown()
    server.server_close()


def test_damage_on_the_way_from_the_hub_is_seen(hub: Shelf, folder: Path) -> None:
    hub.files["/cdn/Tiny-Q4_K_M.gguf"] = MODEL[:-1] + b"!"
    with pytest.raises(ChecksumMismatch):
        fetch(parse("hf:someone/Tiny-GGUF"), folder)
    assert Catalog(folder).list() == []


# ── files ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere" / "Mine.gguf"
    path.parent.mkdir()
    path.write_bytes(MODEL)
    return path


def test_a_file_on_the_same_disk_is_linked(original: Path, folder: Path) -> None:
    seen: list[Progress] = []
    path = fetch(parse(str(original)), folder, seen.append)
    assert path.samefile(original)
    assert seen[-1].note == "models.fetch.linked"


def test_a_file_on_another_disk_is_copied(
    original: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "another filesystem")

    monkeypatch.setattr(os, "link", refuse)
    seen: list[Progress] = []
    path = fetch(parse(str(original)), folder, seen.append)
    assert path.read_bytes() == MODEL
    assert not path.samefile(original)
    assert (seen[-1].note, seen[-1].done) == ("models.fetch.copying", len(MODEL))


def test_a_file_that_is_no_model_is_refused(original: Path, folder: Path) -> None:
    original.write_bytes(MODEL[:-5])
    with pytest.raises(NotAModel, match="cut off"):
        fetch(parse(str(original)), folder)


def test_a_file_that_is_not_there_is_told(folder: Path) -> None:
    with pytest.raises(SourceMissing):
        fetch(parse("/nowhere/Mine.gguf"), folder)


# ── stand-ins ───────────────────────────────────────────────────────────────────────────────────────


def cancel_after(count: int, shelf: Shelf, folder: Path) -> Callable[[], bool]:
    """Cancels a slowed-down download when that many bytes lie in the workshop."""
    shelf.pause = 0.05
    return lambda: sum(part.stat().st_size for part in folder.glob(".fetch/*.part")) >= count


@contextmanager
def only_small_files(size: int) -> Iterator[None]:
    """A real limit of the system on the size of files, in place of a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
