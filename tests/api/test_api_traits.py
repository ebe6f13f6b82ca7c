"""The traits of a chat: what its model can use, what a change costs, and what a character begins with."""

from __future__ import annotations

from fabula.chats.traits import into_card, of_card


def test_a_vector_of_the_models_width_is_a_trait(client) -> None:
    chat = client.new_chat(model="tiny")
    width = 32  # of the tiny model
    client.post("/vectors", {"name": "glad", "directions": {"1": [0.5] * width}}, 201)
    client.post("/vectors", {"name": "wide", "directions": {"1": [0.5] * (width + 1)}}, 201)
    found = client.get(f"{chat.path}/traits")
    assert found["traits"] == [{"kind": "vector", "name": "glad", "title": "glad", "usual": 0}]
    assert found["reread_tokens"] == 0
    assert found["character"] is None


def test_what_a_change_makes_the_model_read_again_is_the_last_prompt(client) -> None:
    chat = client.new_chat(model="tiny")
    chat.say("Hello")
    tokens = chat.messages[1]["facts"]["prompt_tokens"]
    assert client.get(f"{chat.path}/traits")["reread_tokens"] == tokens


def test_a_chat_without_a_character_has_nobody_to_keep_them_for(client) -> None:
    chat = client.new_chat(model="tiny")
    client.post(f"{chat.path}/traits/character", {}, 400)


def test_a_card_keeps_traits_beside_what_others_put_there() -> None:
    data = {"extensions": {"other": 1, "fabula": {"more": 2}}}
    kept = into_card(data, {"adapters": {"rain": 0.5}, "temperature": 1})
    assert kept == {"other": 1, "fabula": {"more": 2, "traits": {"adapters": {"rain": 0.5}}}}
    assert of_card({"extensions": kept}) == {"adapters": {"rain": 0.5}}
    assert into_card({"extensions": kept}, {}) == data["extensions"]


def test_what_a_strangers_card_says_wrongly_is_nothing() -> None:
    for odd in (None, 3, {"adapters": 7}, {"adapters": {"rain": "strong"}}, {"control_vectors": [[1]]}):
        assert of_card({"extensions": {"fabula": {"traits": odd}}}) == {}
    assert of_card({"extensions": []}) == {}
