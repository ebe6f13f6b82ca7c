"""Why a reply is bad, over the native API."""

from __future__ import annotations

from stage import Stage
from talking import Client

ROUND = "The bell rang, and he waited. " * 12


def test_what_is_wrong_with_a_reply_is_told_with_a_fix(client: Client, stage: Stage) -> None:
    stage.script = [ROUND]
    chat = client.new_chat(model="tiny", sampling={"repetition_penalty": 1.5})
    chat.say("What did he hear?")
    found = client.get(f"{chat.path}/why")
    assert found["message_id"] == chat.messages[1]["id"]
    rules = {row["rule"]: row for row in found["findings"]}
    assert {"repeats_itself", "penalty_strong"} <= set(rules)
    assert rules["repeats_itself"]["fix"]["sampling"] == {"dry_multiplier": 0.8, "temperature": 0.8}
    assert "1.5" in rules["penalty_strong"]["text"]
    weights = [row["weight"] for row in found["findings"]]
    assert weights == sorted(weights, key=["likely", "possible", "note"].index)


def test_it_is_said_in_the_readers_language(client: Client, stage: Stage) -> None:
    stage.script = [ROUND]
    chat = client.new_chat(model="tiny")
    chat.say("What did he hear?")
    answer = client.call("GET", f"{chat.path}/why", headers={"Accept-Language": "zh-TW"})
    assert any("重複" in row["text"] for row in answer["findings"])


def test_an_older_reply_can_be_asked_about_and_a_message_of_the_person_cannot(client: Client) -> None:
    chat = client.new_chat(model="tiny")
    chat.say("One.")
    chat.say("Two.")
    first = chat.messages[1]["id"]
    assert client.get(f"{chat.path}/why", message_id=first)["message_id"] == first
    client.call("GET", f"{chat.path}/why", 400, params={"message_id": chat.messages[0]["id"]})


def test_the_same_model_with_more_bits_is_known_by_its_shape() -> None:
    from pathlib import Path

    from fabula.chats.why.asking import better, bits_of
    from fabula.core.model import LocalModel

    def model(name: str, size: int, **more: object) -> LocalModel:
        shape = {"parameters": 1000, "architecture": "llama", "tokenizer": "t"} | more
        return LocalModel(name=name, path=Path(name), size=size, **shape)

    low, high, other = model("low", 300), model("high", 600), model("other", 900, architecture="qwen")
    assert bits_of(low) == 2.4
    assert better(low, [low, high, other]) == "high"
    assert better(high, [low, high, other]) == ""


def test_the_prompt_is_that_of_the_reply_and_not_of_the_chats_end(client: Client) -> None:
    chat = client.new_chat(model="tiny")
    chat.say("One.")
    chat.say("Two, with {{original}} left.")

    def rules(message: int) -> set[str]:
        found = client.get(f"{chat.path}/why", message_id=chat.messages[message]["id"])["findings"]
        return {row["rule"] for row in found}

    assert "macros_left" not in rules(1)
    assert "macros_left" in rules(3)


def test_a_reply_that_has_been_swiped_away_can_be_asked_about(client: Client) -> None:
    chat = client.new_chat(model="tiny")
    chat.say("One.")
    away = chat.messages[1]["id"]
    chat.say(kind="swipe")
    chat.say("Two, with {{original}} left.")
    found = client.get(f"{chat.path}/why", message_id=away)
    assert found["message_id"] == away
    assert "macros_left" not in {row["rule"] for row in found["findings"]}
