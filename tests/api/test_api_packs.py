"""System prompts of the library, quick replies, and how a reply begins."""

from __future__ import annotations

import json

from stage import Stage
from talking import Client, Json

MIRA = {"name": "Mira", "description": "Keeps the light.", "first_mes": "Come in."}
SET = {
    "version": 2,
    "name": "Quick",
    "disableSend": False,
    "qrList": [
        {"id": 1, "label": "wave", "message": "{{user}} waves."},
        {"id": 2, "label": "draft", "message": "/setvar key=mood calm | /setinput I am {{getvar::mood}}."},
        {"id": 3, "label": "dice", "message": "/roll 1d6 | /popup hi"},
        {"id": 4, "label": "auto", "message": "/trigger", "isHidden": True, "automationId": "x"},
    ],
}


def parts(client: Client, chat: str) -> list[tuple[str, str]]:
    return [(one["source"], one["label"]) for one in client.get(f"/chats/{chat}/prompt")["segments"]]


def test_the_library_has_five_prompts_in_three_languages_and_takes_ones_own(client: Client) -> None:
    own = client.post("/packs", {"name": "Sailor", "text": "Talk like {{user}}'s uncle."}, 201)
    listed = client.get("/packs")["packs"]
    assert (len(listed), listed[0]["name"]) == (16, "Sailor")
    assert client.get("/packs/narrator.zh-Hant")["name"] == "旁白"
    assert client.get(f"/packs/{own['id']}/file")["content"] == "Talk like {{user}}'s uncle."
    refused = client.call("DELETE", "/packs/narrator.en", 409)
    assert refused["error"]["code"] == "preset_built_in"


def test_a_prompt_is_chosen_for_a_model_a_chat_and_all_and_the_plan_names_it(
    client: Client, stage: Stage
) -> None:
    chat = client.post("/chats", {}, 201)
    client.call("PUT", "/packs/chosen", json={"pack": "assistant"})
    begun = client.post(f"/chats/{chat['id']}/turns", {"revision": chat["revision"], "text": "Hi"}, 202)
    client.hear(f"/turns/{begun['turn_id']}/events")  # its end changes the revision
    assert parts(client, chat["id"])[0] == ("system", "Assistant")
    client.call("PUT", "/packs/chosen", json={"pack": "plain-spoken", "model": "tiny"})
    assert parts(client, chat["id"])[0] == ("system", "Plain-spoken adult assistant")
    revision = client.get(f"/chats/{chat['id']}")["revision"]
    client.call("PATCH", f"/chats/{chat['id']}/story", json={"revision": revision, "pack": "game-master"})
    assert parts(client, chat["id"])[0] == ("system", "Game master")


def test_a_prompt_chosen_for_a_character_stands_in_the_head(client: Client) -> None:
    card = {"data": MIRA | {"system_prompt": "The card's own."}}
    mira = client.post("/characters", {"card": card}, 201)
    chat = client.post("/chats", {"character_id": mira["id"]}, 201)["id"]
    assert parts(client, chat)[0] == ("system_prompt", "")
    client.call("PUT", "/packs/chosen", json={"pack": "narrator.zh-Hans", "character_id": mira["id"]})
    looked = client.get(f"/chats/{chat}/prompt")
    assert (looked["segments"][0]["label"], "你是故事的旁白" in looked["text"]) == ("旁白", True)


def test_in_the_steady_layout_a_reply_begins_as_it_is_set(client: Client, stage: Stage) -> None:
    stage.script = [" is late."]
    mira = client.post("/characters", {"card": {"data": MIRA}}, 201)
    story = {"starts_reply_with": "The ship"}
    chat = client.post("/chats", {"character_id": mira["id"], "story": story}, 201)
    begun = client.post(f"/chats/{chat['id']}/turns", {"revision": chat["revision"], "text": "News?"}, 202)
    client.hear(f"/turns/{begun['turn_id']}/events")
    page = client.get(f"/chats/{chat['id']}/messages")["messages"]
    assert page[-1]["text"] == "The ship is late."
    looked = client.get(f"/chats/{chat['id']}/prompt")
    assert looked["segments"][-1]["source"] == "starts_reply_with"


def test_quick_replies_come_in_once_and_say_what_they_cannot_do(client: Client) -> None:
    for _ in range(2):
        taken: Json = client.call(
            "POST", "/replies/import", 201, params={"name": "Quick.json"}, content=json.dumps(SET)
        )
    assert len(client.get("/replies")["sets"]) == 1
    dice = taken["replies"][2]
    assert (dice["steps"], dice["unknown"]) == ([], ["/roll", "/popup"])
    assert client.get(f"/replies/{taken['id']}/file")["qrList"] == SET["qrList"]


def test_a_quick_reply_tells_its_steps_and_sets_its_variables(client: Client) -> None:
    taken = client.call("POST", "/replies/import", 201, params={"name": "q"}, content=json.dumps(SET))
    chat = client.post("/chats", {"persona": {"name": "Ann", "description": ""}}, 201)["id"]
    [shown] = client.get(f"/chats/{chat}/replies")["sets"]
    assert [one["label"] for one in shown["replies"]] == ["wave", "draft", "dice"]

    def run(label: str) -> list[tuple[str, str]]:
        told = client.post(f"/chats/{chat}/replies/run", {"set": taken["id"], "label": label})
        return [(one["act"], one["text"]) for one in told["steps"]]

    assert run("wave") == [("send", "Ann waves.")]
    assert run("draft") == [("insert", "I am calm.")]
    assert client.get(f"/chats/{chat}/story")["variables"] == {"mood": "calm"}


def test_a_set_is_made_edited_ordered_and_shortened(client: Client) -> None:
    rows = [{"label": "hi", "message": "Hi!"}, {"label": "bye", "message": "/trigger", "hidden": True}]
    made: Json = client.post("/replies", {"name": "Mine", "replies": rows, "sends": False}, 201)
    assert [one["steps"][0]["act"] for one in made["replies"]] == ["insert", "reply"]
    bye, new = made["replies"][1], {"label": "wave", "message": "/roll", "title": "By hand"}
    edited = [{"at": bye["at"], "label": "farewell", "message": bye["message"]}, new]
    body = {"revision": made["revision"], "replies": edited}
    after = client.call("PATCH", f"/replies/{made['id']}", json=body)
    assert [(one["at"], one["label"], one["unknown"]) for one in after["replies"]] == [
        (0, "farewell", []),
        (1, "wave", ["/roll"]),
    ]
    client.call("PATCH", f"/replies/{made['id']}", 409, json={"revision": 1, "name": "Late"})


def test_what_a_file_says_beside_what_is_edited_stays(client: Client) -> None:
    taken = client.call("POST", "/replies/import", 201, params={"name": "q"}, content=json.dumps(SET))
    rows = [{"at": 3, "label": "auto", "message": "Go on."}, {"label": "new"}]
    body = {"revision": taken["revision"], "replies": rows}
    client.call("PATCH", f"/replies/{taken['id']}", json=body)
    auto, new = client.get(f"/replies/{taken['id']}/file")["qrList"]
    assert (auto["id"], auto["automationId"], auto["isHidden"], auto["message"]) == (4, "x", False, "Go on.")
    assert (new["id"], new["preventAutoExecute"]) == (5, True)


def test_a_place_that_a_set_does_not_have_is_refused(client: Client) -> None:
    made = client.post("/replies", {"name": "Mine", "replies": [{"label": "hi"}]}, 201)
    for rows in ([{"at": 1, "label": "hi"}], [{"at": 0, "label": "a"}, {"at": 0, "label": "b"}]):
        body = {"revision": made["revision"], "replies": rows}
        client.call("PATCH", f"/replies/{made['id']}", 400, json=body)


def test_of_two_replies_with_one_label_the_one_that_was_pressed_is_run(client: Client) -> None:
    rows = [{"label": "go", "message": "North."}, {"label": "go", "message": "South."}]
    made = client.post("/replies", {"name": "Ways", "replies": rows, "everywhere": False}, 201)
    chat = client.post("/chats", {"story": {"replies": [made["id"]]}}, 201)["id"]
    assert client.get(f"/chats/{chat}/replies")["sets"][0]["name"] == "Ways"
    told = client.post(f"/chats/{chat}/replies/run", {"set": made["id"], "label": "go", "at": 1})
    assert told["steps"][0]["text"] == "South."
