"""In the terminal: why a reply is bad, a fix tried blind, what settings do, presets kept and renamed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from stage import Stage
from talking import Chat, Client

from fabula.cli import judging, preset
from fabula.core.errors import BadParameter
from fabula.store.home import Home

ROUND = "The bell rang, and he waited. " * 12


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FABULA_LANGUAGE", "en")


@pytest.fixture
def chat(client: Client, stage: Stage) -> Chat:
    stage.script = [ROUND]
    chat = client.new_chat(model="tiny", title="Bells")
    chat.say("What did he hear?")
    return chat


def test_what_is_found_names_the_rule_to_try(chat: Chat, home: Home, capsys) -> None:
    judging.why("Bells", home=home.path)
    told = capsys.readouterr().out
    assert "Probably a reason (repeats_itself)" in told
    assert "--try repeats_itself" in told


def test_the_better_of_two_is_shown_and_all_are_kept(chat: Chat, home: Home, capsys, monkeypatch) -> None:
    monkeypatch.setattr(judging, "typer", SimpleNamespace(prompt=lambda *_, **__: "b"))
    judging.why("Bells", try_="repeats_itself", home=home.path)
    told = capsys.readouterr().out
    assert "── A ──" in told
    assert "As it is now" in told
    shown = chat.messages[1]
    assert shown["swipe"]["count"] == 3
    assert shown["id"] == shown["swipe"]["ids"][2]


def test_neither_brings_back_what_was_there(chat: Chat, home: Home, monkeypatch) -> None:
    before = chat.messages[1]["id"]
    monkeypatch.setattr(judging, "typer", SimpleNamespace(prompt=lambda *_, **__: "-"))
    judging.why("Bells", try_="repeats_itself", home=home.path)
    assert chat.messages[1]["id"] == before


def test_a_rule_that_found_nothing_cannot_be_tried(chat: Chat, home: Home) -> None:
    with pytest.raises(BadParameter):
        judging.why("Bells", try_="bos_doubled", home=home.path)


def test_the_next_word_is_drawn_in_the_terminal(chat: Chat, home: Home, capsys) -> None:
    judging.distribution("Bells", sets=["temperature=0"], home=home.path)
    told = capsys.readouterr()
    assert "The" in told.out
    assert "█" in told.out
    assert chat.now["sampling"] == {}


def test_a_preset_is_kept_and_renamed(client: Client, home: Home) -> None:
    preset.save("dew", sets=["temperature=0.4", "top_k=7"], about="Wet.", home=home.path)
    preset.change("dew", new="rime", home=home.path)
    kept = client.get("/presets/rime")
    assert kept["sampling"] == {"temperature": 0.4, "top_k": 7}
    assert kept["about"] == "Wet."
