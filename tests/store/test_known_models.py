"""The well-known models against a hub that speaks the real protocol: checked, and added to."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from hub_stand_in import Hub, serving
from models_stand_ins import sha256, tiny_gguf

from fabula.core.errors import CatalogInvalid, NotInCatalog
from fabula.models.known import own
from fabula.models.known.checking import Finding, check, same_size
from fabula.models.known.describing import described, name_of
from fabula.models.known.entries import Entry, File, entries, read

FILE = tiny_gguf(rows=4096)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Generator[Hub]:
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with serving(Hub()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", hub.address)
        hub.add("someone/Tale-GGUF", {"Tale-Q8_0.gguf": FILE, "Tale-Q4_K_M.gguf": tiny_gguf(rows=2048)})
        yield hub


def tale(**file: object) -> tuple[Entry, ...]:
    """An entry with one file, as it was seen."""
    seen = {"file": "Tale-Q8_0.gguf", "size": len(FILE), "sha256": sha256(FILE)} | file
    source = {"repository": "someone/Tale-GGUF", "format": "gguf", "files": [seen]}
    return read({"version": 2, "models": [{"name": "Tale", "parameters": 10**9, "sources": [source]}]})


def states(rows: tuple[Entry, ...]) -> list[str]:
    return [finding.state for finding in check(rows)]


def test_what_is_still_so_is_ok(hub: Hub) -> None:
    assert states(tale()) == ["ok", "ok"]


@pytest.mark.parametrize(
    ("file", "state"),
    [
        ({"file": "Tale-Q5_K_M.gguf"}, "missing"),
        ({"size": 17}, "size"),
        ({"size": 0, "size_gb": 4.37}, "size"),
        ({"sha256": "00" * 32}, "hash"),
    ],
)
def test_what_changed_is_told(hub: Hub, file: dict[str, object], state: str) -> None:
    assert states(tale(**file)) == ["ok", state]


def test_a_repository_that_is_gone_or_closed_is_told_apart(hub: Hub) -> None:
    closed = hub.add("someone/Closed-GGUF", {"x.gguf": FILE})
    closed.gated = True
    gone, shut = (
        read(
            {
                "version": 2,
                "models": [{"name": "X", "parameters": 1, "sources": [{"repository": name, "files": []}]}],
            }
        )
        for name in ("someone/Gone", "someone/Closed-GGUF")
    )
    assert states(gone) == ["gone"]
    assert states(shut) in (["closed"], ["ok"])  # listings of gated repositories are open on some hubs


def test_each_repository_is_asked_once(hub: Hub) -> None:
    assert len(states(tale() + tale())) == 4
    assert len([path for path in hub.paths_asked() if "/tree/" in path]) == 1


def test_a_hub_that_does_not_answer_says_nothing_of_its_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    findings: list[Finding] = list(check(tale()))
    assert [finding.state for finding in findings] == ["unanswered"]
    assert findings[0].reason


@pytest.mark.parametrize(
    ("shown", "size", "same"),
    [(4.92, 4_920_739_232, True), (4.92, 4_946_000_000, False), (12, 11_980_000_000, True)],
)
def test_a_size_in_gb_counts_within_its_last_digit(shown: float, size: int, same: bool) -> None:
    assert same_size(File(file="x", size_gb=shown), size) is same


# ── a person's own ──────────────────────────────────────────────────────────────────────────────────


def test_an_entry_is_made_of_a_repository_and_one_header(hub: Hub, tmp_path: Path) -> None:
    own.add(tmp_path / "catalog.json", [described("hf:someone/Tale-GGUF", tmp_path / "headers")])
    [entry] = own.mine(tmp_path / "catalog.json")
    assert (entry.name, entry.licence, entry.context, entry.languages) == (
        "Tale",
        "cc0-1.0",
        512,
        ("en", "zh"),
    )
    files = {file.quantization: file for file in entry.quantized[0].files}
    assert set(files) == {"Q8_0", "Q4_K_M"}
    assert (files["Q8_0"].size, files["Q8_0"].sha256) == (len(FILE), sha256(FILE))
    assert states((entry,)) == ["ok", "ok", "ok"]


def test_own_entries_come_first_and_replace_those_of_their_name(tmp_path: Path) -> None:
    file = tmp_path / "catalog.json"
    own.add(file, [{"name": "MythoMax L2 13B", "kind": "llama-2-13b"}, {"name": "Mine", "parameters": 10**9}])
    known = own.known(file)
    assert [entry.own for entry in known[:3]] == [True, True, False]
    assert len(known) == len(entries()) + 1
    own.add(file, [{"name": "mine", "parameters": 2 * 10**9}])
    assert own.named(own.mine(file), "Mine").parameters == 2 * 10**9
    own.remove(file, "mine")
    assert [entry.name for entry in own.mine(file)] == ["MythoMax L2 13B"]


@pytest.mark.parametrize(
    "text",
    ["", "[", "[1]", "{}", '{"version": 2}', '{"version": 2, "models": [{"name": "X"}]}', '"' + "a" * 99],
)
def test_a_file_that_is_no_list_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "catalog.json"
    file.write_text(text)
    with pytest.raises(CatalogInvalid):
        own.known(file)
    with pytest.raises(CatalogInvalid):
        own.add(file, [{"name": "Y", "parameters": 1}])
    assert file.read_text() == text


def test_a_wrong_entry_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "catalog.json"
    own.add(file, [{"name": "Good", "parameters": 1}])
    with pytest.raises(CatalogInvalid, match="none of chat"):
        own.add(file, [{"name": "Bad", "parameters": 1, "tasks": ["war"]}])
    assert [row["name"] for row in json.loads(file.read_text())["models"]] == ["Good"]


def test_what_is_not_there_names_what_is_called_alike() -> None:
    with pytest.raises(NotInCatalog, match="MythoMax-L2-13B"):
        own.named(entries(), "mythomix")
    assert own.named(entries(), "mythomax").name == "MythoMax-L2-13B"


def test_names_of_repositories_lose_their_format() -> None:
    assert [name_of(name) for name in ("a/B-GGUF", "a/b-gguf", "a/B", "a/-GGUF")] == ["B", "b", "B", "-GGUF"]
