"""The controls of the sampling, and what settings do to the next word, over the native API."""

from __future__ import annotations

from array import array

import pytest
from talking import Chat

from fabula.core.scoring import Outlook
from fabula.engine.scripted import ScriptedWorker

WORDS = {0: b" the", 1: b" a", 2: b" \xe5"}  # the last is a part of a character


def knob(answer: dict, name: str) -> dict:
    return next(row for row in answer["knobs"] if row["name"] == name)


def test_every_control_tells_what_it_does_and_where_it_does_nothing(client) -> None:
    found = client.get("/sampling")
    temperature = knob(found, "temperature")
    assert temperature["everyday"]
    assert (temperature["default"], temperature["neutral"]) == (0.8, 1.0)
    assert temperature["slider"] == {"low": 0, "high": 2, "step": 0.05}
    assert knob(found, "loop_count")["usual"] == 12
    assert {row["family"] for row in found["knobs"]} == {row["name"] for row in found["families"]}


def test_it_speaks_the_readers_language(client) -> None:
    found = client.call("GET", "/sampling", headers={"Accept-Language": "zh-TW"})
    assert knob(found, "temperature")["title"] == "溫度"


def test_a_model_says_what_its_engine_ignores(client) -> None:
    found = client.get("/sampling", model="tiny")
    assert knob(found, "temperature")["heeded"] == "yes"
    assert knob(found, "tfs")["heeded"] in ("exact", "no")


class Seer(ScriptedWorker):
    """Foresees the same three words, whatever it is asked."""

    asked = 0

    async def outlook(self, prompt, sampling, context=None) -> Outlook:
        Seer.asked += 1
        chances = array("f", (-0.6931472, -1.2039728, -1.6094379))
        return Outlook((1, 2), array("i", WORDS), chances, len(WORDS), WORDS)


@pytest.fixture
def chat(stage, started) -> Chat:
    """Of a model that foresees, with one reply."""
    stage.make_worker = lambda model: Seer()
    Seer.asked = 0
    chat = started().new_chat(model="tiny")
    chat.say("Hello")
    return chat


def test_the_engine_is_asked_once_and_settings_cost_nothing(chat) -> None:
    client = chat.client
    path = f"/chats/{chat.id}/distribution"
    plain = {"temperature": 1, "top_k": 0, "top_p": 1, "min_p": 0}
    neutral = client.post(path, {"sampling": plain})
    assert [row["text"] for row in neutral["tokens"]] == [" the", " a", " �"]
    assert neutral["tokens"][0]["before"] == neutral["tokens"][0]["after"] == 0.5
    assert neutral["steps"] == []
    cut = client.post(path, {"sampling": plain | {"top_k": 1}})
    assert cut["tokens"][0]["after"] == 1
    assert cut["left"] == 1
    assert cut["steps"] == [{"name": "top_k", "left": 1, "choices": 1}]
    assert Seer.asked == 1
    client.post(path, {"fresh": True})
    assert Seer.asked == 2


def test_xtc_is_shown_as_it_is_on_average(chat) -> None:
    asked = {"temperature": 1, "top_k": 0, "top_p": 1, "min_p": 0, "xtc_probability": 0.5}
    found = chat.client.post(f"/chats/{chat.id}/distribution", {"sampling": asked})
    first = next(row for row in found["tokens"] if row["id"] == 0)
    assert first["after"] == 0.25


def test_a_wrong_setting_is_refused_by_name(chat) -> None:
    refused = chat.client.post(f"/chats/{chat.id}/distribution", {"sampling": {"heat": 1}}, 400)
    assert refused["error"]["fields"]["name"] == "heat"


def test_an_engine_that_tells_only_a_few_is_asked_as_others_are(client) -> None:
    """The scripted one tells two words with a reply of one token."""
    chat = client.new_chat(model="tiny")
    chat.say("Hello")
    found = client.post(f"{chat.path}/distribution", {"sampling": {"temperature": 0}})
    assert found["told"] == 1  # two words of e^−0.25 and e^−1.5
    assert [row["text"] for row in found["tokens"]] == ["Hello", "�"]


def test_a_preset_is_renamed_and_its_chats_follow(client) -> None:
    chat = client.new_chat()
    client.post("/presets", {"name": "mist", "sampling": {"temperature": 0.6}}, 201)
    client.call("PATCH", chat.path, json=chat.at_revision(sampling={"preset": "mist", "top_k": 5}))
    renamed = client.call("PATCH", "/presets/mist", json={"name": "fog", "about": "Grey."})
    assert (renamed["name"], renamed["about"]) == ("fog", "Grey.")
    assert chat.now["sampling"] == {"preset": "fog", "top_k": 5}
    client.call("PATCH", "/presets/fog", 409, json={"name": "precise"})
    client.call("PATCH", "/presets/precise", 409, json={"name": "mine"})
    client.call("DELETE", "/presets/fog", 204)
