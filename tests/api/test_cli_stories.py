"""Characters in the terminal: `fabula run --character`, and what `fabula prompt` tells of the prompt."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from talking import Client, Json

from fabula.cli import client as cli
from fabula.cli.main import main
from fabula.cli.talk import Talk, do, show_greeting
from fabula.store.home import Home
from fabula.store.studio import running

BOOK = {"entries": [{"keys": ["lamp"], "content": "It burns oil.", "enabled": True, "insertion_order": 1}]}
MIRA = {
    "name": "Mira",
    "description": "Keeps the light.",
    "character_book": BOOK,
    "first_mes": "Come, {{user}}.",
}
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
def mira(client: Client) -> Json:
    return dict(client.post("/characters", {"card": {"data": MIRA}}, 201))


def test_one_turn_with_a_character_is_a_chat_that_is_kept(fabula: Fabula, client: Client, mira: Json) -> None:
    status, out, _ = fabula("run", "tiny", "Is the lamp lit?", "--character", "mira", "--as", "Ann")
    assert (status, out) == (0, "Hello there, traveller.\n")
    [chat] = client.get("/chats")["chats"]
    assert (chat["title"], chat["character_id"], chat["persona"]["name"]) == ("Mira", mira["id"], "Ann")
    texts = [message["text"] for message in client.get(f"/chats/{chat['id']}/messages")["messages"]]
    assert texts == ["Come, Ann.", "Is the lamp lit?", "Hello there, traveller."]


def test_a_character_speaks_first(
    client: Client, home: Home, mira: Json, capsys: pytest.CaptureFixture[str]
) -> None:
    info = running(home)
    assert info
    talk = Talk(cli.Client(info.address, info.key), "tiny", story={"character_id": mira["id"]})
    show_greeting(talk)
    assert capsys.readouterr().out == "Come, User.\n"
    do(talk, "Hello.")
    assert len(client.get("/chats")["chats"]) == 1


def test_a_name_for_nobody_and_nobody_by_that_name_are_mistakes(fabula: Fabula, mira: Json) -> None:
    assert fabula("run", "tiny", "Hi", "--as", "Ann")[0] == 2
    status, _, err = fabula("run", "tiny", "Hi", "--character", "Bo")
    assert (status, "There is no character Bo" in err) == (1, True)


def test_the_prompt_of_a_chat_is_told_part_by_part(fabula: Fabula, mira: Json) -> None:
    fabula("run", "tiny", "Is the lamp lit?", "--character", "Mira")
    status, out, err = fabula("prompt", "Mira")
    assert status == 0
    rows = [line.split()[0] for line in out.splitlines()[1:]]
    assert rows == ["system_prompt", "description", "assistant", "lore:", "user"]
    assert "brought in by this message, and stays" in out
    assert "are kept free for the reply" in err


def test_the_trace_tells_why_and_shows_the_whole(fabula: Fabula, mira: Json) -> None:
    fabula("run", "tiny", "Is it dark?", "--character", "Mira")
    _, out, _ = fabula("prompt", "Mira", "--trace")
    assert "no key was found" in out
    assert "Keeps the light." in out
    [row] = [json.loads(line) for line in fabula("prompt", "Mira", "--json")[1].splitlines()]
    assert row["lore"][0]["told"] is False


def test_what_broke_the_prefix_is_said(fabula: Fabula, client: Client, mira: Json) -> None:
    fabula("run", "tiny", "Is it dark?", "--character", "Mira")
    fields = {"description": "Left the sea."}
    client.call("PATCH", f"/characters/{mira['id']}", json={"revision": 1, "fields": fields})
    _, _, err = fabula("prompt", "Mira")
    assert "known tokens read again: the character's description changed" in err


def test_a_chat_that_is_not_there_is_told(fabula: Fabula) -> None:
    assert fabula("prompt", "Nobody")[0] == 1
