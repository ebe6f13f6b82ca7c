"""Alternatives of one reply, written side by side by the real engine."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from studio_process import StudioProcess, home_with
from talking import Chat, Heard
from test_server_faults import Listener
from waiting import until

STORY = "Ada walked along the shore and counted the ships by their lamps. " * 12
GLUE = 24  # tokens of the template around a message, and of the message


@pytest.fixture
def home(starter_model: Path, tmp_path: Path) -> Path:
    return home_with(tmp_path / "home", starter_model)


@pytest.fixture
def studio(home: Path) -> Iterator[StudioProcess]:
    studio = StudioProcess(home, FABULA_ENGINE_SLOTS="4")
    yield studio
    studio.close()


def ends(events: list[Heard]) -> list[Heard]:
    return [event for event in events if event.kind == "written"]


def test_the_prompt_is_read_once_and_a_chosen_one_is_not_read_again(studio: StudioProcess) -> None:
    chat = studio.client.new_chat(system=STORY)
    sampling = {"max_tokens": 40, "seed": 3, "temperature": 1.2, "ignore_eos": True}
    events = chat.say("Tell me what she saw.", count=3, sampling=sampling)
    facts = [event.data["facts"] for event in ends(events)]
    assert [each["completion_tokens"] for each in facts] == [40, 40, 40]
    assert sum(each["processed_tokens"] for each in facts) <= facts[0]["prompt_tokens"] + 4
    assert sorted(each["effective"]["seed"] for each in facts) == [3, 4, 5]
    ids = events[0].data["message_ids"]
    texts = [chat.client.get(f"{chat.path}/messages/{id}/versions")["versions"][0]["text"] for id in ids]
    assert len(set(texts)) == 3
    for chosen in reversed(ids):
        chat.client.post(f"{chat.path}/head", chat.at_revision(message_id=chosen))
        following = chat.say("Go on.", sampling={"max_tokens": 4})[-1].data["facts"]
        assert following["processed_tokens"] <= GLUE


def test_each_of_three_swipes_can_be_written_again_alone(studio: StudioProcess) -> None:
    chat = studio.client.new_chat()
    sampling = {"max_tokens": 24, "temperature": 1.0}
    chat.say("Tell me about a fox.", sampling=sampling)
    written = ends(chat.say(kind="swipe", count=3, sampling=sampling))
    facts = {event.data["index"]: event.data["facts"] for event in written}
    ids = chat.messages[-1]["swipe"]["ids"][1:]
    texts = [chat.client.get(f"{chat.path}/messages/{id}/versions")["versions"][0]["text"] for id in ids]
    assert len(set(texts)) == 3
    for index, text in enumerate(texts):
        chat.say(kind="swipe", sampling=sampling | {"seed": facts[index]["effective"]["seed"]})
        assert chat.texts[-1] == text


def test_what_three_were_writing_survives_kill_9(studio: StudioProcess, home: Path) -> None:
    chat = studio.client.new_chat()
    endless = {"ignore_eos": True, "max_tokens": 1500}
    reader = Listener(chat, text="Tell me a story.", count=3, sampling=endless)
    until(lambda: {0, 1, 2} <= {e.data["index"] for e in reader.heard if e.kind == "text"})
    studio.send(signal.SIGKILL)
    reader.to_the_end()
    again = StudioProcess(home)
    try:
        chat = Chat(again.client, chat.id)
        ids = reader.heard[0].data["message_ids"]
        assert chat.messages[1]["swipe"]["ids"] == ids
        for index, id in enumerate(ids):
            shown = "".join(
                e.data["text"] for e in reader.heard if e.kind == "text" and e.data["index"] == index
            )
            chat.client.post(f"{chat.path}/head", chat.at_revision(message_id=id))
            message = chat.messages[1]
            assert message["text"].startswith(shown)
            assert (message["version_reason"], message["facts"]["engine"][:9]) == ("recovered", "llama.cpp")
            assert message["facts"]["prompt_tokens"] > 0
    finally:
        again.close()
