"""The story room in the terminal: lorebooks, personas, scripts, templates, and what holds in a chat."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from talking import Client, Json

from fabula.cli.main import main
from fabula.store.home import Home

MIRA = {"name": "Mira", "description": "Keeps the light.", "first_mes": "Come, {{user}}."}
WORLD = {"entries": {"0": {"uid": 0, "key": ["lamp"], "content": "It burns oil.", "comment": "lamp"}}}
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


def file(folder: Path, name: str, content: Json | list[Json]) -> str:
    path = folder / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def test_a_lorebook_is_taken_edited_linked_and_written(
    fabula: Fabula, client: Client, tmp_path: Path
) -> None:
    client.post("/characters", {"card": {"data": MIRA}}, 201)
    _, out, _ = fabula("lorebook", "import", file(tmp_path, "Coast.json", WORLD), "--character", "Mira")
    assert out == "Coast is here, with 1 entries.\n"
    assert (
        fabula("lorebook", "set", "coast", "--key", "sea", "--content", "Grey.", "--field", "order=7")[0] == 0
    )
    assert fabula("lorebook", "set", "coast", "0", "--field", "constant=true")[0] == 0
    _, out, _ = fabula("lorebook", "show", "Coast")
    assert "always" in out
    assert "Grey." in out
    assert "1 characters" in fabula("lorebook", "list")[1]
    assert "everywhere" in fabula("lorebook", "link", "Coast", "--everywhere")[1]
    fabula("lorebook", "cut", "Coast", "0")
    [entry] = json.loads(fabula("lorebook", "export", "Coast")[1])["entries"].values()
    assert (entry["key"], entry["order"]) == (["sea"], 7)
    assert fabula("lorebook", "rm", "Coast")[0] == 0
    assert fabula("lorebook", "show", "Coast")[0] == 1


def test_a_persona_is_made_changed_and_removed(fabula: Fabula, client: Client) -> None:
    fabula("persona", "set", "Ann", "--description", "A sailor.", "--default")
    fabula("persona", "set", "Ann", "--place", "chat", "--depth", "3")
    [ann] = client.get("/personas")["personas"]
    assert (ann["description"], ann["place"], ann["depth"], ann["revision"]) == ("A sailor.", 4, 3, 2)
    assert "✓" in fabula("persona", "list")[1]
    fabula("persona", "rm", "Ann")
    assert fabula("persona", "rm", "Ann")[0] == 1


def test_scripts_and_templates_come_from_files(
    fabula: Fabula, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"scriptName": "Lions", "findRegex": "/cat/g", "replaceString": "lion", "placement": [2]}
    assert "Lions is here." in fabula("script", "import", file(tmp_path, "s.json", [row]))[1]
    monkeypatch.setattr("sys.stdin", io.StringIO("A cat."))
    assert fabula("script", "try", "Lions")[1] == "A lion."
    fabula("script", "set", "Lions", "--off")
    assert "Lions (off)" in fabula("script", "list")[1]
    row = {"name": "Mine", "input_sequence": "<u>", "output_sequence": "<a>"}
    assert "Mine is here (instruct)." in fabula("template", "import", file(tmp_path, "t.json", row))[1]
    assert "ChatML" in fabula("template", "list")[1]
    assert fabula("template", "rm", "Mine")[0] == 0
    assert fabula("template", "rm", "Mine")[0] == 1


def test_what_holds_in_a_chat_is_shown_and_set(fabula: Fabula, client: Client) -> None:
    mira = client.post("/characters", {"card": {"data": MIRA}}, 201)
    book = client.post("/lorebooks", {"name": "Coast"}, 201)
    client.post("/personas", {"name": "Ann"}, 201)
    chat = client.new_chat(character_id=mira["id"])
    words = ["--layout", "text", "--note", "[Slowly.]", "--note-depth", "1", "--persona", "Ann"]
    status, out, _ = fabula("story", "Mira", *words, "--lorebook", "Coast", "--instruct", "Alpaca")
    assert (status, "[Slowly.]" in out) == (0, True)
    story = client.get(f"{chat.path}/story")
    assert (story["layout"], story["note"]["depth"], story["lorebooks"]) == ("text", 1, [book["id"]])
    fabula("story", "Mira", "--lorebook", "", "--persona", "")
    story = client.get(f"{chat.path}/story")
    assert (story["lorebooks"], story["persona_id"], story["instruct"]) == ([], "", "Alpaca")
