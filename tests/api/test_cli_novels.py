"""Novels, notebooks, packs, quick replies and group chats in the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from stage import Stage
from talking import Client, Json

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


def test_a_novel_is_begun_written_rewritten_and_handed_out(
    fabula: Fabula, stage: Stage, tmp_path: Path
) -> None:
    stage.script = ["The fog came.", "mist"]
    fabula("novel", "new", "Coast")
    assert fabula("novel", "write", "Coast", "Fog.")[1] == "The fog came.\n"
    assert fabula("novel", "rewrite", "coast", "fog")[0] == 0
    assert "The mist came." in fabula("novel", "show", "Coast")[1]
    assert fabula("novel", "rewrite", "Coast", "snow")[0] != 0
    fabula("novel", "undo", "Coast")
    out = tmp_path / "coast.md"
    fabula("novel", "export", "Coast", "--out", str(out))
    assert out.read_text() == "# Coast\n\nThe fog came.\n"
    fabula("novel", "import", str(out))
    assert fabula("novel", "list")[1].count("Coast") == 2


def test_one_of_several_continuations_is_chosen(fabula: Fabula, stage: Stage) -> None:
    stage.script = ["Ann ran.", "Ann stayed."]
    fabula("novel", "new", "Coast")
    status, out, _ = fabula("novel", "write", "Coast", "--count", "2")
    assert (status, "Ann ran." in out, "Ann stayed." in out) == (0, True, True)
    fabula("novel", "choose", "Coast", "2")
    assert "*2." in fabula("novel", "passages", "Coast")[1]


def test_a_novels_settings_chapters_and_prompt_are_shown(fabula: Fabula) -> None:
    fabula("novel", "new", "Coast", "--language", "zh-Hant")
    out = fabula("novel", "set", "Coast", "outline=Ann seeks.", "facts=Ann is tall.\nIt is night.")[1]
    assert "facts: Ann is tall. | It is night." in out
    assert fabula("novel", "set", "Coast", "colour=red")[0] != 0
    fabula("novel", "chapter", "Coast", "Two", "--outline", "She finds it.")
    trace = fabula("novel", "show", "Coast", "--trace")[1]
    assert "共同作者" in trace
    assert "Ann seeks." in trace


def test_a_notebook_goes_on_and_lists_its_tokens(fabula: Fabula, stage: Stage) -> None:
    stage.script = [" a time"]
    fabula("notebook", "new", "Trial", "Once")
    fabula("notebook", "write", "Trial", "--add", " upon")
    assert fabula("notebook", "show", "Trial")[1] == "Once upon a time\n"
    assert fabula("notebook", "show", "Trial", "--tokens")[0] == 0


def test_packs_are_listed_added_chosen_and_removed(fabula: Fabula, client: Client) -> None:
    chat = client.post("/chats", {"title": "Deck"}, 201)
    fabula("pack", "add", "Sailor", "Talk like a sailor.")
    assert "narrator.zh-Hans" in fabula("pack", "list")[1]
    fabula("pack", "use", "Sailor", "--chat", "Deck")
    assert client.get(f"/chats/{chat['id']}/story")["pack"]
    assert json.loads(fabula("pack", "export", "Sailor")[1])["content"] == "Talk like a sailor."
    assert fabula("pack", "rm", "narrator.en")[0] != 0
    assert fabula("pack", "rm", "Sailor")[0] == 0


def test_quick_replies_come_in_and_are_carried_out(
    fabula: Fabula, client: Client, stage: Stage, tmp_path: Path
) -> None:
    stage.script = ["Hello."]
    rows = [{"label": "hi", "message": "Hi!"}, {"label": "dice", "message": "/roll 1d6"}]
    file = tmp_path / "Quick.json"
    file.write_text(json.dumps({"name": "Quick", "qrList": rows}))
    client.post("/chats", {"title": "Deck"}, 201)
    assert "/roll" in fabula("replies", "import", str(file))[2]
    assert fabula("replies", "run", "Deck", "hi")[1] == "Hello.\n"
    assert fabula("replies", "run", "Deck", "dice")[0] != 0


def test_quick_replies_are_written_ordered_and_removed(fabula: Fabula, client: Client) -> None:
    fabula("replies", "set", "Mine", "hi", "Hi!", "--hint", "A greeting")
    fabula("replies", "set", "Mine", "bye", "/trigger")
    assert fabula("replies", "set", "Mine", "bye", "--label", "farewell", "--at", "1")[1] == "farewell\nhi\n"
    fabula("replies", "set", "Mine", "--inserts", "--chosen", "--name", "Ours")
    [ours] = client.get("/replies")["sets"]
    assert (ours["name"], ours["sends"], ours["everywhere"]) == ("Ours", False, False)
    assert [row["title"] for row in ours["replies"]] == ["", "A greeting"]
    assert fabula("replies", "rm", "Ours", "hello")[0] != 0
    fabula("replies", "rm", "Ours", "hi")
    assert [row["label"] for row in client.get("/replies")["sets"][0]["replies"]] == ["farewell"]


def test_a_group_chat_is_begun(fabula: Fabula, client: Client) -> None:
    for name in ("Mira", "Bo"):
        card: Json = {"data": {"name": name, "first_mes": "Ahoy."}}
        client.post("/characters", {"card": card}, 201)
    fabula("chat", "new", "Mira", "Bo", "--order", "list")
    [chat] = client.get("/chats")["chats"]
    assert (chat["title"], len(chat["story"]["group"]["members"])) == ("Mira, Bo", 2)
    assert chat["story"]["group"]["order"] == 1


def test_a_novel_remembers_documents_and_summaries(fabula: Fabula, stage: Stage, tmp_path: Path) -> None:
    stage.script = ["The fog came.", "Fog."]
    fabula("novel", "new", "Coast")
    fabula("novel", "write", "Coast")
    file = tmp_path / "map.txt"
    file.write_text("The quay lies north.")
    shown = fabula("novel", "memory", "Coast", "--attach", str(file), "--sum-up", "1", "--summary", "auto")[1]
    assert "map.txt" in shown
    assert "13 characters covered" in shown
    fabula("novel", "memory", "Coast", "--edit", "1", "Much fog.", "--recall", "2", "--words", "50")
    now = json.loads(fabula("novel", "memory", "Coast", "--json")[1])
    assert [one["text"] for one in now["summaries"]] == ["Much fog."]
    assert now["settings"] == {"summary": "auto", "words": 50, "recall": 2, "embedder": ""}
    fabula("novel", "memory", "Coast", "--forget", now["documents"][0]["id"])
    assert json.loads(fabula("novel", "memory", "Coast", "--json")[1])["documents"] == []


def test_chapters_are_changed_moved_filled_and_removed(
    fabula: Fabula, client: Client, tmp_path: Path
) -> None:
    fabula("novel", "new", "Coast")
    file = tmp_path / "two.txt"
    file.write_text("It stayed.")
    fabula("novel", "chapter", "Coast", "Two", "--at", "1", "--file", str(file))
    fabula("novel", "chapter", "Coast", "First", "--number", "2", "--at", "1", "--notes", "Short.")
    [row] = client.get("/novels")["novels"]
    chapters = client.get(f"/novels/{row['id']}")["chapters"]
    assert [(one["title"], one["words"], one["notes"]) for one in chapters] == [
        ("First", 0, "Short."),
        ("Two", 2, ""),
    ]
    fabula("novel", "chapter", "Coast", "--number", "2", "--remove")
    assert len(client.get(f"/novels/{row['id']}")["chapters"]) == 1


def test_another_try_takes_the_place_of_the_last_passage(fabula: Fabula, stage: Stage) -> None:
    stage.script = ["The fog came.", "The fog left."]
    fabula("novel", "new", "Coast")
    assert fabula("novel", "write", "Coast", "--again")[0] != 0
    fabula("novel", "write", "Coast", "Fog.")
    fabula("novel", "write", "Coast", "--again")
    assert fabula("novel", "show", "Coast")[1].strip() == "The fog left."
    assert "*1. The fog left." in fabula("novel", "passages", "Coast")[1]


@pytest.mark.parametrize("kind", ["novel", "notebook"])
def test_what_is_in_the_trash_comes_back(fabula: Fabula, kind: str) -> None:
    fabula(kind, "new", "Coast")
    fabula(kind, "rm", "Coast")
    assert "Coast" in fabula(kind, "list", "--trashed")[1]
    assert fabula(kind, "restore", "Coast")[0] == 0
    assert "Coast" in fabula(kind, "list")[1]
    assert fabula(kind, "restore", "Coast")[0] != 0
