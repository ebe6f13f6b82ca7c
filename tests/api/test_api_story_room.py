"""What stories are told with: lorebooks, personas, notes, scripts, templates, groups, and the layouts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from stage import Stage
from talking import Chat, Client, Json

MIRA = {"name": "Mira", "description": "{{char}} keeps the light.", "first_mes": "Come in, {{user}}."}
WORLD = {
    "entries": {
        "0": {"uid": 0, "key": ["lamp"], "content": "The lamp burns oil.", "comment": "lamp", "order": 5},
        "1": {"uid": 1, "key": [], "content": "It always rains.", "constant": True, "mood": "kept"},
    }
}


def character(client: Client, **data: Any) -> Json:
    return dict(client.post("/characters", {"card": {"data": MIRA | data}}, 201))


def lorebook(client: Client, world: Json, name: str = "Coast", **links: Any) -> Json:
    taken = client.call("POST", "/lorebooks/import", 201, params={"name": name}, content=json.dumps(world))
    body = {"revision": taken["revision"], "links": links}
    return dict(client.call("PATCH", f"/lorebooks/{taken['id']}", json=body)) if links else dict(taken)


@pytest.fixture
def mira(client: Client) -> Json:
    return character(client)


@pytest.fixture
def chat(client: Client, mira: Json) -> Chat:
    return client.new_chat(character_id=mira["id"])


def set_story(chat: Chat, **story: Any) -> Json:
    return dict(chat.client.call("PATCH", f"{chat.path}/story", json=chat.at_revision(**story)))


def prompt(chat: Chat) -> str:
    return str(chat.client.get(f"{chat.path}/prompt")["text"])


# ── lorebooks ───────────────────────────────────────────────────────────────────────────────────────


def test_a_world_file_is_taken_edited_and_handed_out_with_all_that_it_said(client: Client) -> None:
    book = lorebook(client, WORLD)
    path = f"/lorebooks/{book['id']}"
    assert (book["name"], book["size"]) == ("Coast", 2)
    edit = {"revision": 1, "fields": {"content": "The lamp is out."}}
    assert client.call("PATCH", f"{path}/entries/0", json=edit)["revision"] == 2
    added = client.post(f"{path}/entries", {"revision": 2, "fields": {"key": ["whale"]}}, 201)
    assert (added["entry"], added["size"]) == ("2", 3)
    client.call("DELETE", f"{path}/entries/0", params={"revision": 3})
    assert client.call("PATCH", f"{path}/entries/1", 409, json=edit)["error"]["code"] == "item_changed"
    assert client.call("PATCH", f"{path}/entries/0", 404, json=edit | {"revision": 4})["error"]
    found = client.get(f"{path}/file")["entries"]
    assert (sorted(found), found["1"]["mood"]) == (["1", "2"], "kept")
    assert client.get(f"{path}/file", format="v3")["data"]["entries"][0]["content"] == "It always rains."


@pytest.mark.parametrize(
    "found",
    [
        {"entries": [{"keys": ["lamp"], "content": "Oil.", "enabled": True, "insertion_order": 3}]},
        {"spec": "lorebook_v3", "data": {"entries": [{"keys": ["lamp"], "content": "Oil."}]}},
        {"lorebookVersion": 5, "entries": [{"keys": ["lamp"], "text": "Oil.", "displayName": "a"}]},
        {"kind": "memory", "entries": [{"keywords": ["lamp"], "entry": "Oil.", "name": "a"}]},
        {"type": "risu", "ver": 1, "data": [{"key": "lamp, light", "content": "Oil."}]},
        {"data": {"name": "x", "character_book": {"entries": [{"keys": ["lamp"], "content": "Oil."}]}}},
    ],
)
def test_lorebooks_of_other_programs(client: Client, found: Json) -> None:
    [entry] = client.get(f"/lorebooks/{lorebook(client, found)['id']}")["entries"]
    assert (entry["key"][0], entry["content"], entry["disable"]) == ("lamp", "Oil.", False)


def test_what_is_no_lorebook_is_refused_with_a_sentence(client: Client) -> None:
    for content in (b"[1]", b"nothing", b'{"entries": 5}'):
        refused = client.call("POST", "/lorebooks/import", 400, params={"name": "x.json"}, content=content)
        assert refused["error"]["code"] == "lorebook_unreadable"


def test_it_holds_everywhere_or_for_a_character_a_chat_or_a_persona(client: Client, mira: Json) -> None:
    persona = client.post("/personas", {"name": "Ann"}, 201)
    scopes: list[Json] = [
        {"everywhere": True},
        {"characters": [mira["id"]]},
        {"personas": [persona["id"]]},
    ]
    for number, links in enumerate(scopes):
        lorebook(client, {"entries": {"0": {"constant": True, "content": f"Book {number}."}}}, **links)
    own = lorebook(client, {"entries": {"0": {"constant": True, "content": "Book of the chat."}}})
    chat = client.new_chat(character_id=mira["id"])
    assert ["Book 0." in prompt(chat), "Book 1." in prompt(chat), "Book 2." in prompt(chat)] == [
        True,
        True,
        False,
    ]
    set_story(chat, lorebooks=[own["id"]], persona_id=persona["id"])
    text = prompt(chat)
    assert all(said in text for said in ("Book 0.", "Book 1.", "Book 2.", "Book of the chat."))


def test_a_card_that_is_linked_with_a_lorebook_brings_it_in_place_of_its_own_book(client: Client) -> None:
    lorebook(client, {"entries": {"0": {"constant": True, "content": "From the shelf."}}}, name="Coast.json")
    book = {"entries": [{"keys": [], "constant": True, "content": "From the card.", "enabled": True}]}
    made = character(client, extensions={"world": "Coast"}, character_book=book)
    text = prompt(client.new_chat(character_id=made["id"]))
    assert ("From the shelf." in text, "From the card." in text) == (True, False)


def test_an_effect_that_lasts_is_kept_with_the_chat(client: Client, mira: Json) -> None:
    row = {"uid": 0, "key": ["storm"], "content": "A storm rages.", "sticky": 3, "cooldown": 4}
    lorebook(client, {"entries": {"0": row}}, everywhere=True)
    chat = client.new_chat(character_id=mira["id"], story={"layout": "text"})
    chat.say("A storm!")
    chat.say("Hello.")
    [verdict] = client.get(f"{chat.path}/prompt")["lore"]
    assert (verdict["told"], verdict["reason"]) == (True, "sticky")


def test_how_lorebooks_are_searched_is_a_setting(client: Client, mira: Json) -> None:
    lorebook(client, WORLD, everywhere=True)
    set_ = {"lore": {"depth": 0}}
    assert client.call("PATCH", "/stories/settings", json=set_)["lore"]["depth"] == 0
    chat = client.new_chat(character_id=mira["id"])
    chat.say("The lamp!")
    verdicts = {one["label"]: one["reason"] for one in client.get(f"{chat.path}/prompt")["lore"]}
    assert verdicts["lamp"] == "key_missing"
    assert client.get("/stories/settings")["lore"]["budget"] == 25


def test_decorators_of_the_card_hold(client: Client) -> None:
    entries = [
        {"keys": [], "constant": True, "enabled": True, "content": text}
        for text in (
            "@@is_greeting 1\nSecond.",
            "@@disable_ui_prompt system_prompt\nQuiet.",
            "@@activate\nOn.",
        )
    ]
    made = character(client, alternate_greetings=["Who is it?"], character_book={"entries": entries})
    chat = client.new_chat(character_id=made["id"])
    first = prompt(chat)
    assert ("Second." in first, "On." in first, "You are Mira" in first) == (False, True, False)
    [greeting] = chat.messages
    client.post(f"{chat.path}/head", chat.at_revision(message_id=greeting["swipe"]["ids"][1]))
    assert "Second." in prompt(chat)


# ── people and notes ────────────────────────────────────────────────────────────────────────────────


def test_the_usual_persona_is_taken_unless_one_belongs_to_the_character(client: Client, mira: Json) -> None:
    client.post("/personas", {"name": "Ann", "description": "Ann sails.", "links": {"everywhere": True}}, 201)
    assert client.new_chat(character_id=mira["id"]).texts == ["Come in, Ann."]
    body = {"name": "Bo", "description": "Bo cooks.", "links": {"characters": [mira["id"]]}}
    client.post("/personas", body, 201)
    chat = client.new_chat(character_id=mira["id"])
    chat.say("Hello.")
    assert (chat.texts[0], chat.messages[1]["author"]) == ("Come in, Bo.", "Bo")
    assert "Bo cooks." in prompt(chat)


def test_only_one_persona_is_the_usual_one(client: Client) -> None:
    for name in ("Ann", "Bo"):
        client.post("/personas", {"name": name, "links": {"everywhere": True}}, 201)
    usual = [one["name"] for one in client.get("/personas")["personas"] if one["links"]["everywhere"]]
    assert usual == ["Bo"]


def test_a_persona_stands_where_it_is_told_to(client: Client, mira: Json) -> None:
    body = {"name": "Ann", "description": "Ann sails.", "place": 4, "depth": 1}
    made = client.post("/personas", body, 201)
    story = {"layout": "text", "persona_id": made["id"]}
    chat = client.new_chat(character_id=mira["id"], story=story)
    chat.add("user", "One.")
    chat.add("assistant", "Two.")
    chat.add("user", "Three.")
    text = prompt(chat)
    assert text.index("Two.") < text.index("Ann sails.") < text.index("Three.")
    edit = {"revision": 1, "place": 9}
    client.call("PATCH", f"/personas/{made['id']}", json=edit)
    assert "Ann sails." not in prompt(chat)


def test_the_authors_note_falls_due(client: Client, chat: Chat) -> None:
    set_story(chat, layout="text", note={"text": "[Slowly.]", "interval": 2, "depth": 0})
    chat.add("user", "One.")
    assert "[Slowly.]" not in prompt(chat)
    chat.add("assistant", "Two.")
    chat.add("user", "Three.")
    assert prompt(chat).index("Three.") < prompt(chat).index("[Slowly.]")
    assert client.get(f"{chat.path}/story")["note"]["interval"] == 2


def test_a_characters_note_goes_with_it(client: Client, mira: Json, chat: Chat) -> None:
    path = f"/characters/{mira['id']}/note"
    client.call("PUT", path, json={"text": "She whispers.", "place": "after"})
    set_story(chat, note={"text": "[Slowly.]"})
    chat.add("user", "One.")
    assert "[Slowly.]\nShe whispers." in prompt(chat)
    client.call("PUT", path, json={"text": ""})
    assert client.get(path) == {"text": "", "place": "replace"}


# ── layouts ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_layout_of_a_chat_can_be_changed_at_any_time(client: Client, chat: Chat, stage: Stage) -> None:
    chat.say("Hello.")
    set_story(chat, layout="text", instruct="Alpaca")
    facts = chat.say("And now?")[-1].data["facts"]
    assert facts["story"]["layout"] == "text"
    assert "### Instruction:\nAnd now?" in prompt(chat)
    set_story(chat, layout="messages")
    chat.say("And then?")
    looked = client.get(f"{chat.path}/prompt")
    assert looked["layout"] == "messages"
    assert "main" in [part["source"] for part in looked["segments"]]
    set_story(chat, layout="steady")
    assert chat.say("Good.")[-1].data["facts"]["story"]["layout"] == "steady"


def test_the_plan_says_what_moved_and_what_was_read_again(client: Client, chat: Chat) -> None:
    set_story(chat, layout="text", note={"text": "[Slowly, please.]", "depth": 2})
    for text in ("One.", "Two.", "Three."):
        facts = chat.say(text)[-1].data["facts"]["story"]
    assert (facts["broke"]["part"], facts["broke"]["reason"]) == ("injection", "moves")
    assert facts["broke"]["tokens"] > 0
    labels = [part["label"] for part in client.get(f"{chat.path}/prompt")["segments"]]
    assert "note @2" in labels


def test_names_alone_and_stop_strings_end_a_reply(client: Client, mira: Json, stage: Stage) -> None:
    stage.script = ["Mira: Hello there.\nUser: no more"]
    chat = client.new_chat(character_id=mira["id"], story={"layout": "text", "instruct": "none"})
    chat.say("Hi.")
    assert prompt(chat).endswith("User: Hi.\nMira:")
    assert chat.texts[-1] == "Hello there."


def test_templates_of_files_are_used_by_name(client: Client, chat: Chat) -> None:
    row = {"name": "Mine", "input_sequence": "<u>", "output_sequence": "<a>", "wrap": False}
    take = {"params": {"name": "mine.json"}, "content": json.dumps(row)}
    [made] = client.call("POST", "/templates/import", 201, **take)["templates"]
    assert (made["form"], made["name"]) == ("instruct", "Mine")
    set_story(chat, layout="text", instruct="Mine")
    chat.add("user", "Hello.")
    assert prompt(chat).endswith("<u>Hello.<a>")
    client.call("DELETE", f"/templates/{made['id']}", 204)
    assert "<u>" not in prompt(chat)
    assert "ChatML" in client.get("/templates")["built_in"]["instruct"]
    client.call("POST", "/templates/import", 400, content=b"[]")


def test_what_the_person_might_say_and_a_quiet_answer_are_not_kept(client: Client, chat: Chat) -> None:
    for kind, said in (("impersonate", "as User would"), ("quiet", "Name the sea.")):
        body = {"kind": kind, "prompt": said if kind == "quiet" else ""}
        with client.events("POST", f"{chat.path}/aside", json=body) as events:
            heard = list(events)
        assert heard[-1].data["text"] == "Hello there, traveller."
    assert client.post(f"{chat.path}/aside") == {"text": "Hello there, traveller."}
    assert len(chat.texts) == 1


# ── scripts and variables ───────────────────────────────────────────────────────────────────────────


def script(client: Client, finds: str, by: str, **more: Any) -> Json:
    fields = {"scriptName": finds, "findRegex": finds, "replaceString": by, "placement": [1, 2], **more}
    return dict(client.post("/scripts", {"fields": fields}, 201))


def test_scripts_change_what_is_kept_what_is_sent_and_what_is_shown(
    client: Client, chat: Chat, stage: Stage
) -> None:
    stage.script = ["A cat and a dog and a bird."]
    script(client, "/cat/g", "lion")
    script(client, "/dog/g", "wolf", promptOnly=True)
    script(client, "/bird/g", "**bird**", markdownOnly=True)
    chat.say("My cat.")
    assert chat.texts[1:] == ["My lion.", "A lion and a dog and a bird."]
    assert "A lion and a wolf and a bird." in prompt_after(chat)
    assert chat.messages[-1]["shown"] == "A lion and a dog and a **bird**."


def prompt_after(chat: Chat) -> str:
    chat.add("user", "So?")
    text = prompt(chat)
    chat.client.post(f"{chat.path}/undo", chat.at_revision())
    return text


def test_a_script_that_javascript_would_refuse_is_refused(client: Client) -> None:
    fields = {"findRegex": "/(/", "replaceString": ""}
    assert client.post("/scripts", {"fields": fields}, 400)["error"]["code"] == "bad_parameter"
    body = {"fields": {"findRegex": "/a(b)/g", "replaceString": "[$1]"}, "text": "ab ab"}
    assert client.post("/scripts/try", body) == {"text": "[b] [b]"}
    [taken] = client.call("POST", "/scripts/import", 201, content=json.dumps(body["fields"]))["scripts"]
    change = {"revision": 1, "fields": {"disabled": True}, "position": 3}
    changed = client.call("PATCH", f"/scripts/{taken['id']}", json=change)
    assert (changed["fields"]["disabled"], changed["position"]) == (True, 3)


def test_the_scripts_of_a_card_run_only_when_they_may(client: Client) -> None:
    row = {"findRegex": "/cat/g", "replaceString": "lion", "placement": [1]}
    made = character(client, extensions={"regex_scripts": [row, {"findRegex": 5}]})
    chat = client.new_chat(character_id=made["id"])
    chat.say("My cat.")
    client.call("PATCH", "/stories/settings", json={"card_scripts": True})
    chat.say("My cat.")
    assert [chat.texts[1], chat.texts[3]] == ["My cat.", "My lion."]


def test_variables_are_a_chats_or_everyones(client: Client) -> None:
    made = character(client, description="{{incvar::seen}}{{setglobalvar::sea::grey}}")
    chat = client.new_chat(character_id=made["id"], story={"layout": "text"})
    chat.say("Hello.")
    assert client.get(f"{chat.path}/story")["variables"]["seen"] == 1
    assert client.get("/stories/settings")["variables"] == {"sea": "grey"}
    client.call("PUT", f"{chat.path}/variables", json={"variables": {"seen": 7}})
    chat.say("Again.")
    assert client.get(f"{chat.path}/story")["variables"]["seen"] == 8


# ── groups ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def bo(client: Client) -> Json:
    more = {"description": "{{char}} cooks.", "first_mes": "Hungry?", "group_only_greetings": ["All hungry?"]}
    return character(client, name="Bo", **more)


def group(client: Client, *members: Json, **more: Any) -> Chat:
    cast = [{"character_id": one["id"]} for one in members]
    return client.new_chat(story={"group": {"members": cast, **more}})


def test_everyone_greets_and_those_who_are_named_answer(client: Client, mira: Json, bo: Json) -> None:
    chat = group(client, mira, bo, order=1)
    assert (chat.now["title"], chat.texts) == ("Mira, Bo", ["Come in, User.", "All hungry?"])
    started = chat.start(text="Good evening.")
    assert started["then"] == [bo["id"]]
    chat.wait_until_quiet()
    chat.say(speaker=bo["id"])
    assert [message["author"] for message in chat.messages] == ["Mira", "Bo", "User", "Mira", "Bo"]


def test_one_head_serves_all_members(client: Client, mira: Json, bo: Json) -> None:
    chat = group(client, mira, bo, order=1)
    chat.say("Good evening.")
    facts = chat.say(speaker=bo["id"])[-1].data["facts"]["story"]
    assert facts["broke"] is None
    assert all(said in prompt(chat) for said in ("Mira keeps the light.", "Bo cooks.", "(Bo answers.)"))


def test_swap_shows_the_speakers_card_only(client: Client, mira: Json, bo: Json) -> None:
    chat = group(client, mira, bo, order=1)
    set_story(chat, layout="text")
    chat.say("Hello.", speaker=bo["id"])
    assert ("Bo cooks." in prompt(chat), "keeps the light." in prompt(chat)) == (True, False)
    assert chat.say(kind="swipe")[-1].kind == "done"
    assert chat.messages[-1]["author"] == "Bo"


def test_a_group_may_wait_for_the_person_to_choose(client: Client, mira: Json, bo: Json) -> None:
    chat = group(client, mira, bo, order=2)
    refused = chat.start(400, text="Who is there?")
    assert (refused["error"]["code"], refused["error"]["fields"]["able"]) == ("nobody_answers", "Mira, Bo")
    assert len(chat.texts) == 2
    chat.say("Who is there?", speaker=bo["id"])
    assert chat.messages[-1]["author"] == "Bo"


def test_the_muted_do_not_speak_and_the_named_do(client: Client, mira: Json, bo: Json) -> None:
    cast = [{"character_id": mira["id"], "muted": True}, {"character_id": bo["id"]}]
    chat = client.new_chat(story={"group": {"members": cast}})
    chat.say("Mira?")
    assert chat.messages[-1]["author"] == "Bo"
    assert [one["name"] for one in client.post(f"{chat.path}/speakers", {"asked": True})["characters"]] == [
        "Bo"
    ]
    client.call(
        "PATCH", f"{chat.path}/story", 404, json=chat.at_revision(group={"members": [{"character_id": "x"}]})
    )
