"""Messages in the terminal: `fabula chat search` with filters, `fabula chat translate`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from talking import Client

from fabula.cli.main import main
from fabula.store.home import Home

Fabula = Callable[..., str]


@pytest.fixture
def fabula(
    client: Client, home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Fabula:
    """What a command line prints against the running studio."""
    monkeypatch.setenv("FABULA_LANGUAGE", "en")
    monkeypatch.setenv("FABULA_HOME", str(home.path))

    def run(*words: str) -> str:
        with pytest.raises(SystemExit) as left:
            main(words)
        assert not left.value.code
        return capsys.readouterr().out

    return run


def test_a_search_is_narrowed_by_folder_tag_and_day(client: Client, fabula: Fabula) -> None:
    chat = client.new_chat(title="Orchard")
    chat.add("user", "A quince tree")
    client.post("/chats/mark", {"ids": [chat.id], "folder": "Garden", "add_tags": ["fruit"]})
    client.new_chat(title="Kitchen").add("user", "A quince jelly")
    for narrow in (("--folder", "Garden"), ("--tagged", "fruit"), ("--in", "Orchard")):
        told = fabula("chat", "search", "quince", *narrow)
        assert ("tree" in told, "jelly" in told) == (True, False)
    assert "quince" not in fabula("chat", "search", "quince", "--until", "2020-01-01")
    assert "jelly" in fabula("chat", "search", "quince", "--since", "2020-01-01")


def test_a_message_is_translated_and_stays(client: Client, fabula: Fabula) -> None:
    chat = client.new_chat(title="Night", model="tiny")
    chat.add("user", "The lamp is lit.")
    assert fabula("chat", "translate", "Night", "1", "zh-Hant").strip()
    assert chat.texts == ["The lamp is lit."]
    assert len(client.get(f"{chat.path}/translations")["translations"]) == 1
