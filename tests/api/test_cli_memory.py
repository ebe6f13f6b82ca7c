"""`fabula memory`: what a chat remembers is shown and changed from the terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from talking import Client

from fabula.cli.main import main
from fabula.store.home import Home

Fabula = Callable[..., tuple[int, str, str]]
MIRA = {"data": {"name": "Mira", "description": "Keeps the light.", "first_mes": "Come in."}}


@pytest.fixture
def fabula(
    client: Client, home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Fabula:
    """Runs a command line against the running studio: status, stdout, stderr."""
    monkeypatch.setenv("FABULA_LANGUAGE", "en")
    monkeypatch.setenv("FABULA_HOME", str(home.path))

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(words)
        printed = capsys.readouterr()
        return int(left.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def chat(client: Client) -> str:
    made = client.post("/characters", {"card": MIRA}, 201)
    client.new_chat(character_id=made["id"], model="tiny")
    return "Mira"


def test_facts_and_documents_are_kept_shown_and_forgotten(fabula: Fabula, chat: str, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("The lamp burns oil.", encoding="utf-8")
    status, out, err = fabula("memory", chat, "--pin", "Ann is tall.", "--attach", str(notes))
    assert status == 0
    assert "Ann is tall." in out
    assert "notes.txt" in out
    assert "No passages are recalled" in err
    id = next(line.split()[0] for line in out.splitlines() if "Ann is tall." in line)
    assert "Ann is small." in fabula("memory", chat, "--edit", id, "Ann is small.")[1]
    assert "Ann is" not in fabula("memory", chat, "--forget", id)[1]


def test_a_summary_is_written_when_it_is_asked_for(fabula: Fabula, chat: str, client: Client) -> None:
    status, out, err = fabula("memory", chat, "--sum-up", "--summary", "auto", "--words", "40")
    assert status == 0
    assert "told; messages covered: 1" in out
    assert "at most 40 words" in err


def test_a_file_that_is_no_text_is_a_mistake(fabula: Fabula, chat: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff\xfe\x00")
    assert fabula("memory", chat, "--attach", str(tmp_path / "x"))[0] != 0
