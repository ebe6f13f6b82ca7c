"""Chats as things to keep, in the terminal: `fabula chat`, `fabula import`, and marks of many."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from story_truth import ROLEPLAY
from talking import Chat, Client

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


@pytest.fixture
def night(client: Client) -> Chat:
    """Two branches: "Hi. … Bye" and, shown, "Hey."."""
    chat = client.new_chat(title="Night")
    for number, text in enumerate(("Hello", "Hi.", "Bye")):
        chat.add("assistant" if number % 2 else "user", text)
    page = client.get(f"/chats/{chat.id}/messages")["messages"]
    body = {"revision": chat.now["revision"], "text": "Hey."}
    client.post(f"/chats/{chat.id}/messages/{page[1]['id']}/branch", body)
    return chat


def test_branches_are_listed_compared_opened_and_merged(fabula: Fabula, night: Chat) -> None:
    _, out, _ = fabula("chat", "branches", "night", "--json")
    _, other = (json.loads(row) for row in out.splitlines())
    status, out, err = fabula("chat", "compare", "Night", other["id"])
    assert (status, out) == (0, "- assistant: Hi.\n- user: Bye\n+ assistant: Hey.\n")
    assert "1 messages in common" in err
    fabula("chat", "merge", "Night", other["id"])
    assert night.texts == ["Hello", "Hey.", "Hi.", "Bye"]
    fabula("chat", "undo", "Night")
    fabula("chat", "open", "Night", other["id"])
    assert night.texts == ["Hello", "Hi.", "Bye"]


def test_a_message_becomes_a_checkpoint(fabula: Fabula, night: Chat) -> None:
    assert fabula("chat", "checkpoint", "Night", "2", "A greeting")[0] == 0
    assert "Checkpoint at message 2: A greeting" in fabula("chat", "branches", "Night")[1]
    status, _, err = fabula("chat", "checkpoint", "Night", "9", "Nowhere")
    assert status == 1
    assert "from 1 to 2" in err


def test_words_are_found_and_nothing_is_said_so(fabula: Fabula, night: Chat) -> None:
    assert "  Hello" in fabula("chat", "search", "hello")[1]
    assert fabula("chat", "search", "hello", "--in", "Night", "--json")[1].startswith('{"number"')
    assert "No message" in fabula("chat", "search", "燈塔")[2]


def test_a_chat_is_shown_exported_and_imported_again(
    fabula: Fabula, client: Client, night: Chat, tmp_path: Path
) -> None:
    assert fabula("chat", "show", "Night")[1] == "Night\n\nuser: Hello\n\nassistant: Hey.\n"
    file = tmp_path / "night.zip"
    status, _, err = fabula("chat", "export", "Night", "--out", str(file))
    assert (status, "ZIP" in err) == (0, True)
    status, out, _ = fabula("import", str(file))
    assert (status, out) == (0, "Night is here.\n")
    [again, first] = client.get("/chats")["chats"]
    assert (again["message_count"], again["title"]) == (first["message_count"], first["title"])
    assert len(client.get(f"/chats/{again['id']}/branches")["branches"]) == 2
    assert fabula("chat", "export", "Night", "--out", str(file))[0] == 1


def test_many_are_marked_at_once_and_never_all_by_silence(
    fabula: Fabula, client: Client, night: Chat
) -> None:
    client.new_chat(title="Day")
    assert "1 changed" in fabula("chat", "mark", "--words", "night", "--folder", "Dark", "--tag", "sea")[2]
    assert "Night" in fabula("chat", "list", "--in", "Dark")[1]
    assert fabula("chat", "mark", "--folder", "Dark")[0] == 2
    assert fabula("chat", "mark", "--words", "night")[0] == 2
    client.post("/characters", {"card": {"data": {"name": "Mira"}}}, 201)
    assert "1 changed" in fabula("character", "mark", "--words", "mira", "--favourite")[2]
    assert "trash" in fabula("chat", "rm", "Night")[2]


def test_files_of_all_kinds_find_their_place_and_what_does_not_is_told(
    fabula: Fabula, tmp_path: Path
) -> None:
    book, strange = tmp_path / "Coast.json", tmp_path / "strange.json"
    book.write_text(json.dumps({"entries": {"0": {"uid": 0, "key": ["sea"], "content": "Deep."}}}))
    strange.write_text('{"what": 1}')
    status, out, err = fabula("import", str(ROLEPLAY / "mira_v2.png"), str(book), str(strange))
    assert (status, out) == (1, "MiraPngV2 is here.\nCoast is here.\n")
    assert "strange.json cannot be read as a chat" in err


def test_a_folder_comes_over_with_a_report(fabula: Fabula, tmp_path: Path) -> None:
    for name in ("chats/Mira", "characters", "themes"):
        (tmp_path / name).mkdir(parents=True)
    [chat] = [path for path in (ROLEPLAY / "chats").glob("*.jsonl") if path.stem.endswith("48s063ms")]
    (tmp_path / "chats" / "Mira" / chat.name).write_bytes(chat.read_bytes())
    (tmp_path / "characters" / "broken.png").write_bytes(b"no picture")
    (tmp_path / "themes" / "Dark.json").write_text("{}")
    status, out, err = fabula("import", str(tmp_path))
    assert status == 1
    assert [row.split()[-3:] for row in out.splitlines() if row.startswith("Chat files")] == [["1", "0", "0"]]
    assert "characters/broken.png" in err
    assert "themes: 1 files" in err
