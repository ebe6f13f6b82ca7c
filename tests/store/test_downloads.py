"""Downloads over several connections from a stand-in hub: kills, faults, limits, names, folders."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from subprocess import PIPE

import pytest
from hub_stand_in import Hub, serving
from models_stand_ins import sha256, tiny_gguf

from fabula.core.errors import (
    AccessGated,
    ChecksumMismatch,
    DownloadBroken,
    NoDiskSpace,
    QuantizationMissing,
    SourceMissing,
)
from fabula.models.catalog import Catalog
from fabula.models.sources import Errand, FetchCancelled, Progress, fetch, parse
from fabula.models.sources.hub import fetch_hub
from fabula.models.verifying import verify

BIG = tiny_gguf(rows=128 << 10)  # 32 MiB: several connections are worth it
SMALL = tiny_gguf(rows=4096)  # 1 MiB
CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Generator[Hub]:
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "MODELSCOPE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with serving(Hub()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", hub.address)
        yield hub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in (folder / ".fetch").iterdir() if path.suffix != ".lock"]


# ── one file ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_download_that_is_killed_twenty_times_ends_with_the_right_hash(hub: Hub, folder: Path) -> None:
    hub.add("someone/Big-GGUF", {"Big-Q4_0.gguf": BIG})
    hub.pause, hub.block = 0.02, 32 << 10
    program = Path(__file__).parent / "children" / "fetching.py"
    command = [sys.executable, str(program), "hf:someone/Big-GGUF", str(folder)]
    chance = random.Random(7)
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        endings = [killed(process, hub, chance.uniform(0.05, 0.7)) for _ in range(20)]
        process.kill()
    assert endings == [signal.SIGKILL] * 20
    assert Catalog(folder).list() == []
    hub.pause = 0
    seen: list[Progress] = []
    assert sha256(fetch("hf:someone/Big-GGUF", folder, seen.append).read_bytes()) == sha256(BIG)
    assert seen[0].done > 0


def killed(process: subprocess.Popen[str], hub: Hub, seconds: float) -> int:
    """Begins a download and kills it some time after it was heard of; the signal that ended it."""
    assert process.stdin
    assert process.stdout
    before, until = len(hub.ranges_asked()), time.monotonic() + 60
    process.stdin.write("\n")
    process.stdin.flush()
    fork = int(process.stdout.readline())
    while len(hub.ranges_asked()) == before and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(seconds)
    os.kill(fork, signal.SIGKILL)
    return os.WTERMSIG(int(process.stdout.readline()))


def test_several_connections_share_a_large_file(hub: Hub, folder: Path) -> None:
    hub.add("someone/Big-GGUF", {"Big-Q4_0.gguf": BIG})
    hub.pause = 0.002
    assert fetch("hf:someone/Big-GGUF", folder).read_bytes() == BIG
    assert 2 <= hub.most_at_once <= 4


def test_one_connection_is_enough_where_that_is_said(hub: Hub, folder: Path) -> None:
    hub.add("someone/Big-GGUF", {"Big-Q4_0.gguf": BIG})
    assert fetch("hf:someone/Big-GGUF", folder, connections=1).read_bytes() == BIG
    assert hub.most_at_once == 1


def test_connections_that_break_are_taken_over_by_others(hub: Hub, folder: Path) -> None:
    hub.add("someone/Big-GGUF", {"Big-Q4_0.gguf": BIG})
    hub.faults = ["900000", "1000", 503, "0", "70000", 429, "123456"]
    assert fetch("hf:someone/Big-GGUF", folder).read_bytes() == BIG


def test_a_server_without_ranges_gives_the_whole_file_again(hub: Hub, folder: Path) -> None:
    hub.add("someone/Tiny-GGUF", {"Tiny-Q4_0.gguf": SMALL})
    hub.ranges, hub.faults = False, ["300000"]
    assert fetch("hf:someone/Tiny-GGUF", folder).read_bytes() == SMALL


def test_a_server_that_asks_to_wait_is_waited_for(hub: Hub, folder: Path) -> None:
    hub.add("someone/Tiny-GGUF", {"Tiny-Q4_0.gguf": SMALL})
    hub.faults, hub.retry_after = [429], "1"
    seen: list[Progress] = []
    start = time.monotonic()
    fetch("hf:someone/Tiny-GGUF", folder, seen.append)
    assert time.monotonic() - start >= 1
    assert "models.fetch.asked_to_wait" in [told.note for told in seen]


def test_a_limit_is_kept_and_may_change_on_the_way(hub: Hub, folder: Path) -> None:
    hub.add("someone/Tiny-GGUF", {"Tiny-Q4_0.gguf": SMALL})
    half_way: list[Progress] = []

    def hear(told: Progress) -> None:
        if 0 < told.done < len(SMALL):
            half_way.append(told)

    fetch("hf:someone/Tiny-GGUF", folder, hear, limit=lambda: 1 << 18 if len(half_way) < 2 else 0)
    assert len(half_way) >= 2


def test_a_pause_in_the_middle_of_several_connections_loses_little(hub: Hub, folder: Path) -> None:
    hub.add("someone/Big-GGUF", {"Big-Q4_0.gguf": BIG})
    hub.pause = 0.01
    seen: list[Progress] = []
    with pytest.raises(FetchCancelled):
        fetch(
            "hf:someone/Big-GGUF", folder, seen.append, lambda: bool(seen) and seen[-1].done > len(BIG) // 3
        )
    hub.pause = 0
    seen.clear()
    assert fetch("hf:someone/Big-GGUF", folder, seen.append).read_bytes() == BIG
    assert seen[0].done > len(BIG) // 3


def test_the_disk_is_looked_at_before_the_first_byte(hub: Hub, folder: Path) -> None:
    hub.add("someone/Big-GGUF", {"Big-Q4_0.gguf": BIG})
    with pytest.raises(NoDiskSpace) as caught:
        fetch("hf:someone/Big-GGUF", folder, free_space=lambda _: 1000)
    assert (caught.value.needed, caught.value.free) == (len(BIG), 1000)
    assert not [path for path in hub.paths_asked() if path.startswith("/cdn/")]


def test_damage_on_the_way_is_seen_and_nothing_is_kept(hub: Hub, folder: Path) -> None:
    kept = hub.add("someone/Tiny-GGUF", {"Tiny-Q4_0.gguf": SMALL})
    source = parse(f"hf:someone/Tiny-GGUF#sha256={'0' * 64}")
    with pytest.raises(ChecksumMismatch):
        fetch(source, folder)
    assert leftovers(folder) == []
    assert kept.revisions["main"]


def test_a_mirror_that_has_only_pointers_is_told(hub: Hub, folder: Path) -> None:
    hub.add("someone/Tiny-GGUF", {"Tiny-Q4_0.gguf": SMALL})
    hub.only_pointers = True
    with pytest.raises(DownloadBroken, match="where the hub tells"):
        fetch("hf:someone/Tiny-GGUF", folder)


def test_what_one_mirror_began_another_one_ends(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("someone/Tiny-GGUF", {"Tiny-Q4_0.gguf": SMALL})
    hub.pause = 0.05
    seen: list[Progress] = []
    with pytest.raises(FetchCancelled):
        fetch("hf:someone/Tiny-GGUF", folder, seen.append, lambda: bool(seen) and seen[-1].done > 200_000)
    with serving(Hub(repositories=hub.repositories)) as mirror:
        monkeypatch.setenv("HF_ENDPOINT", mirror.address)
        assert fetch("hf:someone/Tiny-GGUF", folder).read_bytes() == SMALL
        assert not mirror.ranges_asked()[0].startswith("bytes=0-")


def test_a_listing_is_asked_again_where_the_hub_was_busy(hub: Hub, folder: Path) -> None:
    hub.add("someone/Tiny-GGUF", {"Tiny-Q4_0.gguf": SMALL})
    hub.busy = 2
    assert fetch("hf:someone/Tiny-GGUF", folder).read_bytes() == SMALL
    hub.busy, hub.retry_after = 1, "600"
    with pytest.raises(DownloadBroken, match="600 s"):
        fetch("hf:someone/Tiny-GGUF:Q8_0", folder)


# ── names ───────────────────────────────────────────────────────────────────────────────────────────


def test_models_of_the_same_name_get_numbers_all_parts_alike(hub: Hub, folder: Path) -> None:
    names = [f"Same-Q4_0-0000{n}-of-00002.gguf" for n in (1, 2)]
    hub.add("one/Same-GGUF", {name: tiny_gguf(rows=32 * n) for n, name in enumerate(names, 1)})
    hub.add("two/Same-GGUF", {name: tiny_gguf(rows=64 * n) for n, name in enumerate(names, 1)})
    assert fetch("hf:one/Same-GGUF", folder).name == "Same-Q4_0-00001-of-00002.gguf"
    assert fetch("hf:two/Same-GGUF", folder).name == "Same-Q4_0-2-00001-of-00002.gguf"
    assert [model.problem for model in Catalog(folder).list()] == ["", ""]


def test_what_is_here_already_is_not_fetched_again(hub: Hub, folder: Path) -> None:
    hub.add("someone/Tiny-GGUF", {"Tiny-Q4_0.gguf": SMALL})
    first = fetch("hf:someone/Tiny-GGUF", folder)
    hub.asked.clear()
    assert fetch("hf:someone/Tiny-GGUF", folder) == first
    assert not [path for path in hub.paths_asked() if "resolve" in path]


def test_the_hash_of_the_hub_is_remembered_for_later(hub: Hub, folder: Path) -> None:
    hub.add("someone/Tiny-GGUF", {"Tiny-Q4_0.gguf": SMALL})
    path = fetch("hf:someone/Tiny-GGUF", folder)
    model = Catalog(folder).find("Tiny-Q4_0")
    assert [row.state for row in verify(model, folder)] == ["same"]
    stamp = path.stat()
    path.write_bytes(SMALL[:-1] + b"!")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert [row.state for row in verify(model, folder)] == ["damaged"]


def test_a_projector_comes_along_under_the_models_name(hub: Hub, folder: Path) -> None:
    projector = tiny_gguf(general__type="mmproj", general__architecture="clip")
    files = {"Seer-7B-Q4_K_M.gguf": SMALL, "mmproj-F16.gguf": projector, "mmproj-F32.gguf": projector * 2}
    hub.add("someone/Seer-GGUF", files)
    fetch("hf:someone/Seer-GGUF", folder)
    assert Catalog(folder).find("Seer-7B").projector == str(folder / "mmproj-Seer-7B-F16.gguf")


# ── folders, branches, revisions ────────────────────────────────────────────────────────────────────


def tensors() -> bytes:
    head = json.dumps({"w": {"dtype": "F32", "shape": [64], "data_offsets": [0, 256]}}).encode()
    return len(head).to_bytes(8, "little") + head + bytes(256)


def packed(bits: int) -> dict[str, bytes]:
    return {
        "config.json": json.dumps(CONFIG).encode(),
        "quantize_config.json": json.dumps({"bits": bits, "group_size": 128, "desc_act": True}).encode(),
        "model.safetensors": tensors(),
        "tokenizer.json": b"{}",
        "README.md": b"# Packed",
        "pytorch_model.bin": b"PK\x03\x04" + bytes(500),
    }


def test_a_folder_comes_whole_and_without_what_is_not_needed(hub: Hub, folder: Path) -> None:
    hub.add("someone/Packed-GPTQ", packed(4))
    path = fetch("hf:someone/Packed-GPTQ", folder)
    assert sorted(file.name for file in path.iterdir()) == [
        "config.json",
        "model.safetensors",
        "quantize_config.json",
        "tokenizer.json",
    ]
    assert Catalog(folder).find("Packed-GPTQ").quantization == "GPTQ 4-bit"


def test_a_branch_is_a_quantization(hub: Hub, folder: Path) -> None:
    hub.add("someone/Packed-GPTQ", packed(4))
    hub.add("someone/Packed-GPTQ", packed(8), revision="gptq-8bit-128g-actorder_True")
    path = fetch("hf:someone/Packed-GPTQ:gptq-8bit-128g-actorder_True", folder)
    assert path.name == "Packed-GPTQ-gptq-8bit-128g-actorder_True"
    assert Catalog(folder).find(path.name).quantization == "GPTQ 8-bit"


def test_a_folder_goes_on_where_it_was(hub: Hub, folder: Path) -> None:
    hub.add("someone/Packed-GPTQ", packed(4) | {"model.safetensors": tensors() + bytes(600_000)})
    hub.pause = 0.05
    seen: list[Progress] = []
    with pytest.raises(FetchCancelled):
        fetch("hf:someone/Packed-GPTQ", folder, seen.append, lambda: bool(seen) and seen[-1].done > 200_000)
    assert Catalog(folder).list() == []
    hub.pause = 0
    assert fetch("hf:someone/Packed-GPTQ", folder).is_dir()
    assert any(span.startswith("bytes=") and not span.startswith("bytes=0-") for span in hub.ranges_asked())


def test_a_revision_has_its_own_files(hub: Hub, folder: Path) -> None:
    hub.add("someone/Tiny-GGUF", {"Tiny-Q4_0.gguf": SMALL})
    hub.add("someone/Tiny-GGUF", {"Tiny-Q8_0.gguf": SMALL}, revision="v2")
    assert fetch("hf:someone/Tiny-GGUF@v2", folder).name == "Tiny-Q8_0.gguf"
    with pytest.raises(SourceMissing):
        fetch("hf:someone/Tiny-GGUF@v3", folder)


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────


def test_a_gated_repository_says_where_its_terms_are(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("meta/Closed-GGUF", {"Closed-Q4_0.gguf": SMALL}).gated = True
    with pytest.raises(AccessGated, match="/meta/Closed-GGUF") as caught:
        fetch("hf:meta/Closed-GGUF", folder)
    assert caught.value.page == f"{hub.address}/meta/Closed-GGUF"
    hub.token = "hf_secret"
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert fetch("hf:meta/Closed-GGUF", folder).read_bytes() == SMALL


def test_what_a_repository_has_is_told_when_something_else_was_asked(hub: Hub, folder: Path) -> None:
    hub.page = 1
    hub.add("someone/Tiny-GGUF", {"Tiny-Q4_0.gguf": SMALL, "Tiny-Q8_0.gguf": SMALL})
    with pytest.raises(QuantizationMissing, match="Tiny-Q4_0, Tiny-Q8_0"):
        fetch("hf:someone/Tiny-GGUF:Q2_K", folder)


def test_a_server_that_keeps_refusing_is_told(hub: Hub, folder: Path) -> None:
    hub.add("someone/Tiny-GGUF", {"Tiny-Q4_0.gguf": SMALL})
    hub.faults = [403]
    with pytest.raises(Exception, match="login"):
        fetch("hf:someone/Tiny-GGUF", folder)
    hub.faults = [418]
    with pytest.raises(DownloadBroken, match="418"):
        fetch("hf:someone/Tiny-GGUF", folder)


# ── ModelScope ──────────────────────────────────────────────────────────────────────────────────────


def test_modelscope_is_a_hub_as_well(hub: Hub, folder: Path) -> None:
    hub.add("qwen/Tiny-GGUF", {"tiny-q4_k_m.gguf": SMALL, "tiny-q8_0.gguf": BIG}, revision="master")
    path = fetch("ms:qwen/Tiny-GGUF:q4_k_m", folder)
    assert (path.name, path.read_bytes()) == ("tiny-q4_k_m.gguf", SMALL)
    assert "/api/v1/models/qwen/Tiny-GGUF/repo" in hub.paths_asked()


def test_what_modelscope_does_not_have_is_told(hub: Hub, folder: Path) -> None:
    with pytest.raises(SourceMissing):
        fetch("ms:qwen/Nothing", folder)


# ── patience ────────────────────────────────────────────────────────────────────────────────────────


def hurry(seconds: float) -> None:
    """In the place of sleep."""


def test_once_bytes_came_an_outage_is_waited_out(hub: Hub, folder: Path) -> None:
    hub.add("someone/Tiny-GGUF", {"Tiny-Q4_0.gguf": SMALL})
    hub.faults = ["300000", *[503] * 8]
    folder.mkdir()
    assert fetch_hub(parse("hf:someone/Tiny-GGUF"), Errand(folder, sleep=hurry)).read_bytes() == SMALL
    assert hub.faults == []


def test_a_server_that_never_gives_a_byte_is_given_up_soon(hub: Hub, folder: Path) -> None:
    hub.add("someone/Tiny-GGUF", {"Tiny-Q4_0.gguf": SMALL})
    hub.faults = [503] * 8
    folder.mkdir()
    with pytest.raises(DownloadBroken, match="503"):
        fetch_hub(parse("hf:someone/Tiny-GGUF"), Errand(folder, sleep=hurry))
    assert len(hub.faults) == 3
