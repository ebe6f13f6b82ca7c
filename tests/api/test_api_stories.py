"""A chat with a character: it opens with her greetings, and its prompts are laid out so that they last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tiny_model
from stage import Stage
from talking import Chat, Client, Json

from fabula.store.home import Home

BOOK = {
    "entries": [
        {"id": 1, "keys": ["lamp"], "content": "The lamp burns oil.", "enabled": True, "insertion_order": 5},
        {"id": 2, "keys": ["whale"], "content": "A whale came.", "enabled": True, "insertion_order": 5},
        {
            "id": 3,
            "keys": [],
            "content": "It rains.",
            "constant": True,
            "enabled": True,
            "insertion_order": 1,
        },
    ]
}
MIRA = {
    "spec": "chara_card_v3",
    "spec_version": "3.0",
    "data": {
        "name": "Mira",
        "description": "{{char}} keeps the lighthouse.",
        "scenario": "{{user}} comes in from the storm.",
        "first_mes": "{{char}} opens. “Come in, {{user}}.”",
        "alternate_greetings": ["“Who is there?” asks {{char}}."],
        "mes_example": "<START>\n{{char}}: Mind the stairs.",
        "character_book": BOOK,
    },
}


@pytest.fixture
def mira(client: Client) -> Json:
    return dict(client.post("/characters", {"card": MIRA}, 201))


@pytest.fixture
def chat(client: Client, mira: Json) -> Chat:
    persona = {"name": "Ann", "description": "{{user}} is a sailor."}
    return client.new_chat(character_id=mira["id"], persona=persona)


def story_of(events: list[Any]) -> Json:
    return dict(events[-1].data["facts"]["story"])


def test_it_opens_with_the_greetings_as_alternatives(client: Client, chat: Chat, mira: Json) -> None:
    [greeting] = chat.messages
    assert (chat.now["title"], chat.now["character_id"], chat.now["can_undo"]) == ("Mira", mira["id"], False)
    assert (greeting["text"], greeting["author"]) == ("Mira opens. “Come in, Ann.”", "Mira")
    assert (greeting["role"], greeting["swipe"]["count"]) == ("assistant", 2)
    client.post(f"{chat.path}/head", chat.at_revision(message_id=greeting["swipe"]["ids"][1]))
    assert chat.texts == ["“Who is there?” asks Mira."]


def test_the_model_reads_card_persona_and_lore_before_what_was_said(
    client: Client, chat: Chat, stage: Stage
) -> None:
    events = chat.say("Is the lamp lit?")
    text = str(client.get(f"{chat.path}/prompt")["text"])
    parts = ["You are Mira", "It rains.", "Mira keeps", "Ann comes in", "Ann is a sailor", "Mind the stairs"]
    parts += ["Come in, Ann", "The lamp burns oil.\n\nIs the lamp lit?"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "A whale came" not in text
    assert story_of(events)["lore"] == ["lamp"]
    assert [message["author"] for message in chat.messages] == ["Mira", "Ann", "Mira"]


def test_the_second_turn_breaks_nothing_and_lore_is_not_told_twice(client: Client, chat: Chat) -> None:
    first = story_of(chat.say("Is the lamp lit?"))
    second = story_of(chat.say("And the lamp of the boat?"))
    assert (first["layout"], first["broke"], second["broke"]) == ("steady", None, None)
    assert client.get(f"{chat.path}/prompt")["text"].count("The lamp burns oil.") == 1


def test_an_edited_card_is_named_as_what_broke_the_prefix(client: Client, chat: Chat, mira: Json) -> None:
    chat.say("Hello.")
    edit = {"revision": mira["revision"], "fields": {"description": "{{char}} left the sea."}}
    client.call("PATCH", f"/characters/{mira['id']}", json=edit)
    broke = story_of(chat.say("Still here?"))["broke"]
    assert (broke["part"], broke["reason"]) == ("description", "changed")
    assert broke["tokens"] > 0
    assert story_of(chat.say("Good."))["broke"] is None


def test_a_swipe_and_a_continuation_send_the_same_prompt(chat: Chat) -> None:
    chat.say("Hello.")
    assert story_of(chat.say(kind="swipe"))["broke"] is None
    assert story_of(chat.say(kind="continue"))["broke"] is None
    assert chat.messages[-1]["author"] == "Mira"


def test_the_prompt_names_its_parts_and_says_of_every_entry_why(client: Client, chat: Chat) -> None:
    chat.say("Is the lamp lit?")
    looked = client.get(f"{chat.path}/prompt")
    sources = [segment["source"] for segment in looked["segments"]]
    assert sources[:3] == ["system_prompt", "lore", "description"]
    assert [(s["label"], s["reason"]) for s in looked["segments"] if s["reason"] == "triggered"] == [
        ("lamp", "triggered")
    ]
    verdicts = {lore["label"]: (lore["told"], lore["reason"]) for lore in looked["lore"]}
    assert verdicts["whale"] == (False, "key_missing")
    assert verdicts["lamp"] == (True, "key")
    assert (looked["layout"], looked["broke"], looked["estimated"]) == ("steady", None, False)
    assert 0 < looked["tokens"] < looked["context"]


def test_a_plain_chat_shows_its_prompt_too(client: Client) -> None:
    chat = client.new_chat(system="Be brief.")
    chat.say("Hello.")
    looked = client.get(f"{chat.path}/prompt")
    assert (looked["layout"], [s["source"] for s in looked["segments"]]) == ("chat", ["system", "user"])
    assert "Be brief." in looked["text"]


def test_the_chats_own_system_prompt_goes_before_the_cards(client: Client, mira: Json) -> None:
    chat = client.new_chat(character_id=mira["id"], system="Write as {{char}}, in verse.")
    chat.say("Hello.")
    text = client.get(f"{chat.path}/prompt")["text"]
    assert "Write as Mira, in verse." in text
    assert "You are Mira in a story" not in text


def test_a_note_stays_where_it_was_told_and_what_stands_after_the_history_comes_last(client: Client) -> None:
    data = MIRA["data"] | {
        "post_history_instructions": "Stay calm.",
        "extensions": {"depth_prompt": {"prompt": "Speak slowly.", "depth": 2, "role": "system"}},
    }
    made = client.post("/characters", {"card": MIRA | {"data": data}}, 201)
    chat = client.new_chat(character_id=made["id"])
    chat.say("Hello.")
    story = story_of(chat.say("And now?"))
    assert (story["broke"]["part"], story["broke"]["reason"]) == ("tail", "tail")
    text = client.get(f"{chat.path}/prompt")["text"]
    places = [text.index(part) for part in ("Hello.", "Speak slowly.", "And now?", "Stay calm.")]
    assert places == sorted(places)


def test_variables_that_a_greeting_sets_are_the_chats(client: Client) -> None:
    data = {
        "name": "Bo",
        "first_mes": "{{setvar::mood::merry}}Ahoy.",
        "description": "Mood: {{getvar::mood}}",
    }
    made = client.post("/characters", {"card": {"data": data}}, 201)
    chat = client.new_chat(character_id=made["id"])
    chat.say("Hello.")
    assert chat.texts[0] == "Ahoy."
    assert "Mood: merry" in client.get(f"{chat.path}/prompt")["text"]


def test_a_character_that_is_gone_is_told_before_anything_is_changed(
    client: Client, chat: Chat, mira: Json
) -> None:
    client.post("/characters/erase", {"ids": [mira["id"]]})
    refused = chat.start(404, text="Hello?")
    assert refused["error"]["code"] == "character_not_found"
    assert len(chat.texts) == 1
    client.call("PATCH", chat.path, json=chat.at_revision(character_id=""))
    assert chat.say("Hello?")[-1].data["facts"]["story"] is None


def test_a_chat_with_nobody_is_refused(client: Client) -> None:
    client.post("/chats", {"character_id": "nobody"}, 404)


def test_a_card_full_of_nonsense_is_talked_to_all_the_same(client: Client) -> None:
    rows: list[Any] = [
        7,
        {"keys": "lamp", "content": ["x"], "extensions": {"depth": "deep", "position": 99, "role": None}},
        {"keys": ["/(a+)+$/"], "content": "Slow.", "insertion_order": "first", "use_regex": True},
    ]
    book = {"entries": rows, "scan_depth": "all", "token_budget": -4}
    made = client.post("/characters", {"card": {"data": {"name": "Odd", "character_book": book}}}, 201)
    chat = client.new_chat(character_id=made["id"])
    assert chat.say("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")[-1].kind == "done"


def test_what_the_card_says_holds_for_the_replies(client: Client, stage: Stage) -> None:
    stage.script = ["Then they had sex."]
    made = client.post("/characters", {"card": {"data": {"name": "Mia", "description": "Mia is 15."}}}, 201)
    events = client.new_chat(character_id=made["id"]).say("Hi.")
    assert events[-1].data["code"] == "blocked"


def test_a_reply_that_was_thought_about_goes_on_with_its_thought(
    home: Home, started: Callable[[], Client], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = (
        "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
        "{% if add_generation_prompt %}[assistant]"
        "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}{% endif %}"
    )
    monkeypatch.setitem(tiny_model.FACTS, "tokenizer.chat_template", template)
    tiny_model.write(home.models / "wise.gguf")
    stage.script = ["<think>\nA guest.\n</think>\n\nCome in", " and sit."]
    client = started()
    made = client.post("/characters", {"card": MIRA}, 201)
    chat = client.new_chat(character_id=made["id"], model="wise")
    chat.say("Hello.")
    assert (chat.messages[-1]["text"], chat.messages[-1]["reasoning"]) == ("Come in", "A guest.")
    assert story_of(chat.say(kind="continue"))["broke"] is None
    assert chat.texts[-1] == "Come in and sit."
    words = {id: word for word, id in stage.worker._ids.items()}
    [ids] = stage.worker.prompts[-1].pieces
    assert "".join(words[id] for id in ids).endswith("A guest.\n</think>\n\nCome in")
