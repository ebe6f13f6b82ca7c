"""What a lorebook would bring in, tried without a turn; and many of its entries changed at once."""

from __future__ import annotations

import json
from typing import Any

from talking import Client, Json

WORLD = {
    "entries": {
        "0": {"uid": 0, "key": ["lamp"], "content": "The lamp was lit by the keeper.", "comment": "Lamp"},
        "1": {"uid": 1, "key": ["keeper"], "content": "She is old.", "comment": "Keeper"},
        "2": {"uid": 2, "key": ["whale"], "content": "Grey.", "comment": "Whale"},
        "3": {"uid": 3, "key": ["lamp"], "keysecondary": ["storm"], "content": "Out.", "comment": "Storm"},
        "4": {"uid": 4, "key": ["lamp"], "content": "Off.", "disable": True, "mood": "kept"},
    }
}


def lorebook(client: Client, world: Json = WORLD) -> Json:
    content = json.dumps(world)
    return dict(client.call("POST", "/lorebooks/import", 201, params={"name": "Coast"}, content=content))


def tried(client: Client, book: Json, **body: Any) -> tuple[Json, dict[str, Json]]:
    """The answer, and its entries by their label."""
    answer = client.post(f"/lorebooks/{book['id']}/test", body)
    return answer, {row["label"]: row for row in answer["entries"]}


def test_a_message_brings_in_entries_and_each_says_why(client: Client) -> None:
    answer, found = tried(client, lorebook(client), text="Who lit the lamp?")
    assert [name for name, row in found.items() if row["told"]] == ["Lamp", "Keeper"]
    lamp, keeper = found["Lamp"], found["Keeper"]
    assert (lamp["reason"], lamp["key"], lamp["brought_by"]) == ("key", "lamp", "chat")
    assert (keeper["key"], keeper["brought_by"], keeper["step"]) == ("keeper", "Lamp", 2)
    assert (found["Whale"]["reason"], found["Storm"]["reason"]) == ("key_missing", "secondary_keys")
    assert found["lamp"]["reason"] == "disabled"  # without a name, an entry goes by its keys
    assert answer["tokens"] == lamp["tokens"] + keeper["tokens"]


def test_what_finds_no_room_says_so(client: Client) -> None:
    answer, found = tried(client, lorebook(client), text="Who lit the lamp?", context=8)
    assert (answer["budget"], answer["overflowed"]) == (2, True)
    assert found["Lamp"]["reason"] == "budget"


def test_without_a_loaded_model_the_sizes_are_guesses_and_it_says_so(client: Client) -> None:
    answer, _ = tried(client, lorebook(client), text="lamp")
    assert (answer["estimated"], answer["model"], answer["context"]) == (True, "", 8192)
    client.post("/models/tiny/load", {})
    answer, _ = tried(client, lorebook(client), text="lamp")
    assert (answer["estimated"], answer["model"]) == (False, "tiny")


def test_in_a_chat_its_messages_are_searched_too(client: Client) -> None:
    book = lorebook(client)
    card = {"data": {"name": "Mira", "first_mes": "A whale!"}}
    mira = client.post("/characters", {"card": card}, 201)
    chat = client.new_chat(character_id=mira["id"])
    _, found = tried(client, book, chat_id=chat.id, text="Where?")
    assert (found["Whale"]["told"], found["Lamp"]["told"]) == (True, False)
    assert len(chat.messages) == 1  # nothing was said


def test_many_entries_are_changed_at_once_and_what_is_unknown_stays(client: Client) -> None:
    book = lorebook(client)
    path = f"/lorebooks/{book['id']}"
    body = {"revision": book["revision"], "uids": ["2", "4"], "fields": {"constant": True, "uid": 9}}
    marked = client.post(f"{path}/mark", body)
    assert [row["constant"] for row in marked["entries"] if row["uid"] in (2, 4)] == [True, True]
    assert marked["entries"][4]["mood"] == "kept"
    gone = client.post(f"{path}/mark", {"revision": marked["revision"], "uids": ["0", "1"], "remove": True})
    assert [row["uid"] for row in gone["entries"]] == [2, 3, 4]
    client.post(f"{path}/mark", {"revision": 1, "uids": ["2"], "remove": True}, 409)


def test_entries_are_listed_in_another_order_and_told_as_before(client: Client) -> None:
    book = lorebook(client)
    body = {"revision": book["revision"], "uids": ["3", "0"]}
    sorted_ = client.call("PUT", f"/lorebooks/{book['id']}/order", json=body)
    assert [row["uid"] for row in sorted_["entries"]] == [3, 0, 1, 2, 4]
    assert [row["displayIndex"] for row in sorted_["entries"]] == [0, 1, 2, 3, 4]
    assert [row["uid"] for row in client.get(f"/lorebooks/{book['id']}")["entries"]] == [3, 0, 1, 2, 4]


def test_a_removed_lorebook_is_put_back_where_it_was(client: Client) -> None:
    book = lorebook(client)
    path = f"/lorebooks/{book['id']}"
    back = {"name": "Coast", "document": client.get(f"{path}/file"), "links": book["links"]}
    client.call("PUT", path, 409, json=back)
    client.call("DELETE", path, 204)
    client.call("PUT", path, 201, json=back)
    assert client.get(f"{path}/file") == WORLD
