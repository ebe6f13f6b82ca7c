"""fabula search, pull, downloads, scan, and run with a name that is not here, against a stand-in hub."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from hub_stand_in import Hub, serving
from models_stand_ins import tiny_gguf
from talking import Client
from test_cli_verbs import Fabula, Ran
from waiting import until

from fabula.cli.main import main
from fabula.models.known.entries import entries
from fabula.store.home import Home

SMALL = tiny_gguf(rows=256)


@pytest.fixture
def fabula(home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Fabula:
    """Runs a command line on the test's home, in English."""
    monkeypatch.setenv("FABULA_LANGUAGE", "en")

    def run(*words: str) -> Ran:
        with pytest.raises(SystemExit) as left:
            main((*words, "--home", str(home.path)))
        printed = capsys.readouterr()
        return Ran(int(left.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Generator[Hub]:
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with serving(Hub()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        facts = {"tags": ["gguf", "license:mit"], "downloads": 5, "gguf": {"total": 7_000_000}}
        files = {"Tale-Q8_0.gguf": tiny_gguf(rows=512), "Tale-Q4_K_M.gguf": SMALL}
        hub.add("someone/Tale-GGUF", files, **facts)
        hub.add("someone/Slow-GGUF", {"Slow-Q4_0.gguf": tiny_gguf(rows=16 << 10)})
        yield hub


def test_search_lists_repositories(fabula: Fabula, hub: Hub) -> None:
    shown = fabula("search", "tale")
    assert shown.status == 0
    assert shown.out.splitlines()[1].split() == ["hf:someone/Tale-GGUF", "7M", "5", "fits", "mit"]
    assert [row["source"] for row in fabula("search", "tale", "--fits", "--json").rows] == [
        "hf:someone/Tale-GGUF"
    ]


def test_search_looks_into_a_repository(fabula: Fabula, hub: Hub) -> None:
    shown = fabula("search", "someone/Tale-GGUF")
    lines = shown.out.splitlines()
    assert lines[0] == "hf:someone/Tale-GGUF"
    assert any(line.startswith("→") and "Q8_0" in line for line in lines)
    assert "fabula pull hf:someone/Tale-GGUF:Q8_0" in shown.err
    assert (
        fabula("search", "someone/Tale-GGUF", "--json").rows[0]["recommended"] == "hf:someone/Tale-GGUF:Q8_0"
    )


def test_pull_takes_what_suits_the_machine_and_says_so(
    fabula: Fabula,
    hub: Hub,
    client: Client,
    home: Home,
) -> None:
    shown = fabula("pull", "hf:someone/Tale-GGUF")
    assert shown.status == 0
    assert "Q8_0: The largest file that fits" in shown.err
    assert (home.models / "Tale-Q8_0.gguf").is_file()


def test_a_download_is_paused_found_by_its_name_and_goes_on(
    fabula: Fabula,
    hub: Hub,
    client: Client,
    home: Home,
) -> None:
    hub.pause = 0.05
    assert fabula("pull", "hf:someone/Slow-GGUF", "--no-wait").status == 0
    until(lambda: "MiB of" in fabula("downloads", "list").out)
    assert "Paused" in fabula("downloads", "pause", "slow").out
    hub.pause = 0
    fabula("downloads", "resume", "1")
    until((home.models / "Slow-Q4_0.gguf").is_file)
    until(lambda: "No downloads are waiting." in fabula("downloads", "list").err)


def test_the_limit_is_a_setting(fabula: Fabula, client: Client) -> None:
    assert fabula("downloads", "limit", "2MiB").status == 0
    assert client.get("/downloads")["limit"] == 2 << 20
    assert "as fast" in fabula("downloads", "limit", "0").err


def test_run_asks_before_it_fetches_and_without_a_terminal_needs_yes(
    fabula: Fabula,
    hub: Hub,
    client: Client,
) -> None:
    shown = fabula("run", "hf:someone/Tale-GGUF:Q4_K_M", "Hello")
    assert shown.status == 2
    assert "hf:someone/Tale-GGUF:Q4_K_M" in shown.out
    assert "-y" in shown.err
    assert "Tale-Q4_K_M" not in [row["name"] for row in client.get("/models")["models"]]


def test_run_fetches_and_answers(fabula: Fabula, hub: Hub, client: Client) -> None:
    shown = fabula("run", "hf:someone/Tale-GGUF:Q4_K_M", "Hello", "-y")
    assert shown.status == 0
    assert "Hello there, traveller." in shown.out
    again = fabula("run", "Tale-Q4_K_M", "Hello")
    assert "Hello there, traveller." in again.out


def test_run_with_a_well_known_name_finds_its_repository(
    fabula: Fabula,
    hub: Hub,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = next(entry for entry in entries() if entry.quantized)
    hub.add(entry.quantized[0].repository, {"Known-Q4_K_M.gguf": SMALL})
    shown = fabula("run", entry.name.lower(), "Hello", "-y")
    assert (shown.status, "Known-Q4_K_M" in shown.err) == (0, True)


def test_run_searches_for_a_well_known_model_without_a_repository(
    fabula: Fabula, hub: Hub, client: Client
) -> None:
    entry = next(entry for entry in entries() if not entry.quantized and not entry.obstacle)
    repository = f"someone/{entry.name.replace(' ', '-')}-GGUF"
    hub.add(repository, {"Found-Q4_K_M.gguf": SMALL}, tags=["gguf"], downloads=9)
    shown = fabula("run", entry.name, "Hello", "-y")
    assert (shown.status, f"found hf:{repository}" in shown.err) == (0, True)


def test_run_tells_why_no_engine_here_loads_a_well_known_model(
    fabula: Fabula, hub: Hub, client: Client
) -> None:
    barred = (entry for entry in entries() if entry.obstacle and not entry.quantized)
    entry = next(entry for entry in barred if entry.obstacle != "not_seen")
    shown = fabula("run", entry.name, "Hello", "-y")
    assert (shown.status, "Way out" in shown.err) == (1, True)


def test_run_with_a_name_that_nobody_knows_lists_what_is_here(
    fabula: Fabula,
    hub: Hub,
    client: Client,
) -> None:
    shown = fabula("run", "no-such-model-anywhere", "Hello")
    assert (shown.status, "tiny" in shown.err) == (1, True)


def test_run_with_a_part_of_several_well_known_names_lists_them(fabula: Fabula, client: Client) -> None:
    shown = fabula("run", "mistral", "Hello")
    assert (shown.status, "Called alike: Mistral" in shown.err) == (1, True)


def test_scan_uses_a_folder_and_forgets_it(fabula: Fabula, client: Client, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "Mine.gguf").write_bytes(SMALL)
    assert "Mine" in fabula("scan", str(other)).out
    assert json.loads(fabula("scan", "--json").out.splitlines()[0])["used"] is True
    shown = fabula("rm", "Mine")
    assert (shown.status, "fabula scan --forget" in shown.err) == (1, True)
    fabula("scan", str(other), "--forget")
    assert (other / "Mine.gguf").is_file()
    assert "Mine" not in fabula("list").out
