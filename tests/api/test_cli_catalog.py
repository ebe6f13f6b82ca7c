"""`fabula recommend` and `fabula catalog` as they are typed, and the routes behind the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from fabula.cli.main import main

Typed = Callable[..., str]


@pytest.fixture
def typed(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Runs a command line on an empty home and answers what it printed."""
    monkeypatch.setenv("FABULA_LANGUAGE", "en")
    monkeypatch.setenv("FABULA_HOME", str(tmp_path / "home"))

    def run(*words: str, status: int = 0) -> str:
        with pytest.raises(SystemExit) as left:
            main(list(words))
        printed = capsys.readouterr()
        assert (left.value.code or 0) == status, printed.err
        return printed.out + printed.err

    return run


def test_the_best_come_first_with_why_and_how_to_get_them(typed: Typed) -> None:
    told = typed("recommend", "--task", "roleplay", "--gpu", "RTX 3060 12GB", "--ram", "32GiB", "-n", "2")
    assert "Tuned for roleplay." in told
    assert told.count("fabula pull hf:") == 2
    assert "Ruled out:" in told
    assert "The rule:" in told
    assert "RTX 3060 12GB" in told


def test_what_was_ruled_out_is_named_when_asked_for(typed: Typed) -> None:
    told = typed("recommend", "--ctx", "16k", "--vram", "8GiB", "--ram", "16GiB", "--out")
    assert "Its makers trained it for 4,096 tokens, not 16,384." in told
    assert "MythoMax-L2-13B" in told
    assert "Way out" in told


def test_programs_get_the_same_as_data(typed: Typed) -> None:
    [line] = typed("recommend", "--task", "chat", "--lang", "zh", "--vram", "12GiB", "--json").splitlines()
    told = json.loads(line)
    assert told["terms"] == ["tuned", "parameters", "bits"]
    rows = [(row["tuned"], row["parameters"], row["bits"]) for row in told["best"]]
    assert rows == sorted(rows, reverse=True)
    assert all(row["source"].startswith("hf:") and row["why"] for row in told["best"])


def test_nothing_suits_a_thimble(typed: Typed) -> None:
    assert "No well-known model suits this." in typed("recommend", "--vram", "0", "--ram", "100MiB")


def test_the_list_is_searched_by_words_task_and_language(typed: Typed) -> None:
    rows = [json.loads(line) for line in typed("catalog", "list", "--lang", "zh", "--json").splitlines()]
    assert {"Qwen3 8B", "ChatGLM3-6B"} <= {row["name"] for row in rows}
    assert "Cydonia-22B-v1.2" in typed("catalog", "list", "cydonia", "--task", "roleplay")
    assert "No well-known model is like that" in typed("catalog", "list", "nothing-like-this")


def test_one_is_shown_with_who_says_so(typed: Typed) -> None:
    told = typed("catalog", "show", "mythomax")
    assert "hf:TheBloke/MythoMax-L2-13B-GGUF" in told
    assert "Says who" in told
    assert "Way out" in typed("catalog", "show", "BlueLM-7B-Chat")
    assert "Called alike: MythoMax-L2-13B" in typed("catalog", "show", "mythomix", status=1)


def test_ones_own_are_added_recommended_and_removed(typed: Typed, tmp_path: Path) -> None:
    mine = {"name": "Mine", "kind": "llama-3.2-3b", "tasks": ["roleplay"], "stage": "fine-tune"}
    source = {"repository": "me/Mine-GGUF", "format": "gguf", "files": []}
    (tmp_path / "mine.json").write_text(json.dumps(mine | {"sources": [source]}))
    assert "Mine is in your list now" in typed("catalog", "add", str(tmp_path / "mine.json"))
    assert "hf:me/Mine-GGUF" in typed(
        "recommend", "--task", "roleplay", "--ram", "8GiB", "--vram", "0", "-n", "9"
    )
    assert "no longer in your list" in typed("catalog", "rm", "mine")
    assert "Mine" not in typed("catalog", "list", "mine")


def test_a_wrong_file_is_explained(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"name": "Bad"}')
    assert "no parameters" in typed("catalog", "add", str(tmp_path / "bad.json"), status=1)


async def test_the_route_recommends_for_another_machine(api: httpx.AsyncClient) -> None:
    asked: dict[str, Any] = {"task": "roleplay", "gpu": "RTX 3090", "ram": 64 << 30, "plans": True}
    told = (await api.post("/recommend", json=asked)).json()
    assert told["best"][0]["tuned"]
    assert told["best"][0]["plan"]["devices"]
    assert {row["out"] for row in told["out"]} >= {"obstacle", "task"}
    wrong = await api.post("/recommend", json={"gpu": "RTX 9999"})
    assert wrong.status_code == 400


async def test_the_list_and_the_table_are_there_for_programs(api: httpx.AsyncClient) -> None:
    listed = (await api.get("/catalog", params={"task": "code"})).json()["models"]
    assert all("code" in row["tasks"] for row in listed)
    one = (await api.get("/catalog/mythomax")).json()
    assert one["claims"]["licence"].startswith("https://")
    table = (await api.get("/recommend/table", headers={"accept-language": "zh-Hant"})).json()
    assert len(table["cells"]) == len(table["cards"]) * len(table["sizes"])
    assert all(row["told"] for row in (*table["lore"], *table["sayings"]))
    missing = await api.get("/catalog/no-such-thing")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_in_catalog")
