"""`fabula settings`, `fabula appearance`, backups and imports in the terminal, with a studio running."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from talking import Client

from fabula.cli.main import main
from fabula.store.home import Home

Fabula = Callable[..., tuple[int, str, str]]


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


def test_a_setting_is_found_set_and_returned(fabula: Fabula, home: Home) -> None:
    _, out, _ = fabula("settings", "list", "queue_limit")
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["engine.queue_limit"]
    assert "engine.slots is now 3." in fabula("settings", "set", "engine.slots", "3")[2]
    assert "slots = 3" in home.config.read_text()
    assert "engine.slots is now 0." in fabula("settings", "reset", "engine.slots")[2]


def test_switches_times_and_mistakes(fabula: Fabula, client: Client) -> None:
    assert "is now false" in fabula("settings", "set", "engine.auto_tune", "False")[2]
    assert "is now 3600.0" in fabula("settings", "set", "engine.keep_alive", "1h")[2]
    status, _, err = fabula("settings", "set", "engine.slots", "many")
    assert (status, "from 0 to 256" in err) == (1, True)
    assert fabula("settings", "set", "engine.colour", "red")[0] == 1
    assert "from the studio's next start on" in fabula("settings", "set", "server.also", "kobold:25002")[2]


def test_the_appearance_is_shown_and_set_for_all_devices(fabula: Fabula, tmp_path: Path) -> None:
    assert "Each device has its own appearance." in fabula("appearance", "show")[2]
    assert "theme is now sepia" in fabula("appearance", "set", "theme", "sepia")[2]
    assert "avatars is now true" in fabula("appearance", "set", "avatars", "on")[2]
    sheet = tmp_path / "my.css"
    sheet.write_text(":root { --radius: 0 }")
    assert "?safe" in fabula("appearance", "css", str(sheet))[2]
    assert "no style sheet" in fabula("appearance", "css")[2]
    picture = tmp_path / "grey.gif"
    picture.write_bytes(b"GIF89a" + bytes(40))
    assert fabula("appearance", "background", str(picture))[0] == 0
    look = json.loads(fabula("appearance", "show", "--json")[1])
    assert look["shared"]["background"] == look["pictures"][0]["id"]
    assert fabula("appearance", "reset")[0] == 0


def test_a_running_studio_puts_a_backup_back_by_its_name(fabula: Fabula, client: Client) -> None:
    client.new_chat(title="Kept")
    name = Path(fabula("backup")[1].strip()).name
    client.new_chat(title="Later")
    assert name in fabula("backup", "--list")[1]
    status, _, err = fabula("restore", name, "--yes")
    assert (status, "replaced-" in err) == (0, True)
    assert [chat["title"] for chat in client.get("/chats")["chats"]] == ["Kept"]


def test_a_backup_from_elsewhere_needs_the_home_for_itself(
    fabula: Fabula, client: Client, tmp_path: Path
) -> None:
    file = Path(client.post("/backup")["path"]).rename(tmp_path / "elsewhere.zip")
    status, _, err = fabula("restore", str(file), "--yes")
    assert (status, client.address in err) == (1, True)


def test_an_import_can_be_told_before_it_is_done(fabula: Fabula, client: Client, tmp_path: Path) -> None:
    for name in ("characters", "worlds"):
        (tmp_path / name).mkdir()
    card = {"spec": "chara_card_v2", "spec_version": "2.0", "data": {"name": "Odile"}}
    (tmp_path / "characters" / "Odile.json").write_text(json.dumps(card))
    assert "Characters" in fabula("import", str(tmp_path), "--dry-run")[1]
    assert client.get("/characters")["characters"] == []
    assert fabula("import", str(tmp_path / "characters" / "Odile.json"), "--dry-run")[0] == 1


def test_the_report_of_a_fault_is_printed(fabula: Fabula) -> None:
    status, out, _ = fabula("doctor", "--report")
    assert (status, out.startswith("Fabula: ")) == (0, True)
