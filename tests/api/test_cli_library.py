"""The library in the terminal: sizes of cards, copies, archives, pictures; lorebooks tried and sorted."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from talking import Client, Json

from fabula.cli.main import main
from fabula.store.home import Home

CARD: Json = {"data": {"name": "Mira", "description": "{{char}} likes {{user}}.", "first_mes": "Come in."}}
WORLD: Json = {
    "entries": {
        "0": {"uid": 0, "key": ["lamp"], "content": "The keeper lit it.", "comment": "Lamp"},
        "1": {"uid": 1, "key": ["keeper"], "content": "She is old.", "comment": "Keeper"},
        "2": {"uid": 2, "key": ["whale"], "content": "Grey.", "comment": "Whale"},
    }
}
Fabula = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fabula(
    client: Client, home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Fabula:
    """Runs a command line against the running studio: status, stdout, stderr."""
    monkeypatch.setenv("FABULA_LANGUAGE", "en")
    monkeypatch.setenv("FABULA_HOME", str(home.path))
    client.post("/characters", {"card": CARD}, 201)

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(words)
        printed = capsys.readouterr()
        return int(left.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def coast(client: Client) -> Json:
    content = json.dumps(WORLD)
    return dict(client.call("POST", "/lorebooks/import", 201, params={"name": "Coast"}, content=content))


def picture(folder: Path) -> str:
    from PIL import Image

    Image.new("RGB", (30, 40), "teal").save(folder / "face.jpg")
    return str(folder / "face.jpg")


def test_a_card_says_what_it_costs(fabula: Fabula) -> None:
    status, out, err = fabula("character", "tokens", "Mira", "--as", "Ann")
    assert (status, "description" in out, "always" in out) == (0, True, True)
    assert "guesses from the length" in err
    told = json.loads(fabula("character", "tokens", "Mira", "--as", "Ann", "--json")[1])
    assert told["parts"][0]["text"] == "Mira likes Ann."


def test_a_character_is_copied_drawn_and_packed(fabula: Fabula, client: Client, tmp_path: Path) -> None:
    assert fabula("character", "copy", "Mira", "Mira II")[0] == 0
    assert fabula("character", "picture", "Mira II", picture(tmp_path))[0] == 0
    out = tmp_path / "all.zip"
    assert fabula("character", "pack", str(out), "--words", "Mira", "--format", "json")[0] == 0
    assert sorted(zipfile.ZipFile(out).namelist()) == ["Mira II.json", "Mira.json"]
    assert fabula("character", "pack", str(out), "--words", "Mira")[0] == 1  # nothing is overwritten
    pictures = {one["name"]: bool(one["picture"]) for one in client.get("/characters")["characters"]}
    assert pictures == {"Mira": False, "Mira II": True}


def test_a_lorebook_is_tried_on_a_message(fabula: Fabula, coast: Json) -> None:
    status, out, err = fabula("lorebook", "test", coast["name"], "Who lit the lamp?")
    assert (status, "Whale" in out) == (0, False)
    assert "a key was found: keeper (in the text of Lamp)" in out
    assert "tokens that lore may take" in err
    assert "no key was found" in fabula("lorebook", "test", "Coast", "Who lit the lamp?", "--all")[1]


def test_entries_are_sorted(fabula: Fabula, client: Client, coast: Json) -> None:
    assert fabula("lorebook", "sort", "Coast", "2", "0")[0] == 0
    rows = client.get(f"/lorebooks/{coast['id']}")["entries"]
    assert [row["uid"] for row in rows] == [2, 0, 1]


def test_a_persona_has_a_picture_and_tells_its_chats(fabula: Fabula, client: Client, tmp_path: Path) -> None:
    assert fabula("persona", "set", "Ann", "--picture", picture(tmp_path))[0] == 0
    [ann] = client.get("/personas")["personas"]
    assert ann["picture"]
    [mira] = client.get("/characters")["characters"]
    client.new_chat(character_id=mira["id"], title="At sea", story={"persona_id": ann["id"]})
    assert "At sea" in fabula("persona", "uses", "Ann")[1]


def test_of_an_archive_all_is_taken_and_what_is_not_fails(
    fabula: Fabula, client: Client, tmp_path: Path
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("bo.json", json.dumps({"data": {"name": "Bo", "description": "Sails."}}))
        archive.writestr("notes.txt", "nothing")
    file = tmp_path / "all.zip"
    file.write_bytes(packed.getvalue())
    status, out, err = fabula("import", str(file))
    assert (status, "Bo is here." in out, "notes.txt" in err) == (1, True, True)
