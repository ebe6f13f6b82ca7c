"""A chat in the terminal is a chat of the studio: what is said, the /commands, Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from stage import Stage
from talking import Client

from fabula.cli import client as cli
from fabula.cli.talk import COMMANDS, Bye, Talk, do
from fabula.core import texts
from fabula.core.errors import BadParameter, StaleRevision
from fabula.engine.scripted import Reply
from fabula.store.home import Home
from fabula.store.studio import running


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FABULA_LANGUAGE", "en")


@pytest.fixture
def talk(client: Client, home: Home) -> Talk:
    info = running(home)
    assert info
    return Talk(cli.Client(info.address, info.key), "tiny")


def path(talk: Talk) -> list[tuple[str, str]]:
    """Who said what, on the chat's current path."""
    assert talk.chat
    page = talk.studio.get(f"/chats/{talk.chat['id']}/messages")
    return [(message["role"], message["text"]) for message in page["messages"]]


def test_a_chat_comes_into_being_with_its_first_message(talk: Talk) -> None:
    do(talk, "/system You are a poet.")
    do(talk, "/set temperature 0.5")
    assert talk.studio.get("/chats")["chats"] == []
    do(talk, "Hello")
    assert path(talk) == [("user", "Hello"), ("assistant", "Hello there, traveller.")]
    assert talk.chat
    assert (talk.chat["system"], talk.chat["sampling"]) == ("You are a poet.", {"temperature": 0.5})


def test_retry_is_a_swipe_and_undo_brings_the_first_one_back(talk: Talk, stage: Stage) -> None:
    stage.script = ["First.", "Second."]
    do(talk, "Hello")
    do(talk, "/retry")
    assert path(talk)[-1] == ("assistant", "Second.")
    do(talk, "/undo")
    assert path(talk)[-1] == ("assistant", "First.")
    do(talk, "/redo")
    assert path(talk)[-1] == ("assistant", "Second.")


def test_three_are_written_at_once_and_one_is_chosen(
    talk: Talk, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.script = ["First.", "Second.", "Third.", "Fourth."]
    do(talk, "Hello")
    do(talk, "/retry 3")
    shown, notes = capsys.readouterr()
    assert ("Version 3 of 4" in notes, "Version 4 of 4" in notes) == (True, True)
    chosen, written = path(talk)[-1][1], []
    for number in (2, 3, 4):  # three at once: which of them the engine heard first is chance
        do(talk, f"/swipe {number}")
        written.append(path(talk)[-1][1])
    assert (chosen, sorted(written)) == (written[0], ["Fourth.", "Second.", "Third."])
    assert shown.index(written[0]) < shown.index(written[1]) < shown.index(written[2])
    capsys.readouterr()
    do(talk, "/swipe 9")
    assert "1 to 4" in capsys.readouterr().err


def test_continue_lengthens_the_last_reply(talk: Talk, stage: Stage) -> None:
    stage.script = ["Once upon", " a time."]
    do(talk, "A story")
    do(talk, "/continue")
    assert path(talk)[-1] == ("assistant", "Once upon a time.")


def test_clear_begins_a_new_chat_and_keeps_the_old_one(talk: Talk) -> None:
    do(talk, "One")
    do(talk, "/clear")
    do(talk, "Two")
    assert len(talk.studio.get("/chats")["chats"]) == 2


def test_a_wrong_parameter_is_refused_and_changes_nothing(talk: Talk) -> None:
    with pytest.raises(BadParameter):
        do(talk, "/set temperature 900")
    assert talk.sampling == {}


def test_the_chat_says_where_it_is_in_the_browser(talk: Talk, capsys: pytest.CaptureFixture[str]) -> None:
    do(talk, "Hello")
    capsys.readouterr()
    do(talk, "/chat")
    assert talk.chat
    assert f"{talk.studio.address}/#/chat/{talk.chat['id']}" in capsys.readouterr().err


def test_every_command_is_explained(talk: Talk, capsys: pytest.CaptureFixture[str]) -> None:
    do(talk, "/help")
    shown = capsys.readouterr().out
    for name in COMMANDS:
        assert f"/{name}" in shown
        assert texts.say(f"cli.chat.commands.{name}") in shown


def test_an_unknown_command_is_not_sent_to_the_model(talk: Talk, capsys: pytest.CaptureFixture[str]) -> None:
    do(talk, "/dance")
    assert talk.chat is None
    assert "There is no /dance" in capsys.readouterr().err


def test_bye_leaves(talk: Talk) -> None:
    with pytest.raises(Bye):
        do(talk, "/quit")


def test_a_chat_that_was_changed_in_the_browser_is_told(talk: Talk) -> None:
    do(talk, "Hello")
    assert talk.chat
    talk.studio.patch(f"/chats/{talk.chat['id']}", {"revision": talk.chat["revision"], "title": "Mine"})
    with pytest.raises(StaleRevision):
        do(talk, "/undo")
    talk.refresh()
    do(talk, "/undo")  # the title
    do(talk, "/undo")
    assert path(talk) == [("user", "Hello")]


def test_ctrl_c_stops_the_reply_and_keeps_what_was_written(
    talk: Talk, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.script = [Reply("word " * 400, delay_s=0.05)]
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    do(talk, "Go on for ever")
    printed = capsys.readouterr().out.strip()
    assert 0 < printed.count("word") < 400
    assert path(talk)[-1][1].strip() == printed
