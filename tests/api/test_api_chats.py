"""Chats and their messages over HTTP: shapes, statuses, revisions."""

from __future__ import annotations

import httpx
import pytest
from stage import Stage
from talking import Chat, Client

from fabula.core.errors import ChatNotFound

CHAT = {
    *("id", "title", "model", "system", "sampling", "head_id", "revision", "created_at", "updated_at"),
    *("can_undo", "can_redo", "turn_id", "message_count", "character_id", "persona"),
    *("story", "folder", "favourite"),
}
MESSAGE = {
    *("id", "parent_id", "role", "author", "text", "reasoning", "version_id", "version_reason", "versions"),
    *("created_at", "swipe", "facts", "checkpoint", "left_out"),
}


def test_a_chat_is_made_read_and_changed(client: Client) -> None:
    made = client.post("/chats", {"title": "A", "system": "Be brief.", "sampling": {"top_k": 5}}, 201)
    assert set(made) == CHAT
    assert (made["title"], made["system"], made["sampling"]) == ("A", "Be brief.", {"top_k": 5})
    assert client.get(f"/chats/{made['id']}") == made
    body = {"revision": made["revision"], "title": "B", "model": "tiny"}
    changed = client.call("PATCH", f"/chats/{made['id']}", json=body)
    assert (changed["title"], changed["model"], changed["revision"]) == ("B", "tiny", made["revision"] + 1)
    assert changed["system"] == "Be brief."


def test_chats_are_listed_newest_first_and_page_by_page(client: Client) -> None:
    chats = [client.new_chat(title=title) for title in "abc"]
    chats[0].add("user", "The latest word")
    first = client.get("/chats", limit=2)["chats"]
    assert [row["title"] for row in first] == ["a", "c"]
    assert first[0]["preview"] == "The latest word"
    assert set(first[0]) == CHAT | {"preview", "tags"}
    rest = client.get("/chats", limit=2, before=first[-1]["updated_at"])["chats"]
    assert [row["title"] for row in rest] == ["b"]


def test_a_deleted_chat_comes_back_from_the_trash(client: Client) -> None:
    chat = client.new_chat(title="A")
    chat.add("user", "Hello")
    client.call("DELETE", chat.path, 204)
    client.call("GET", chat.path, 404)
    assert client.get("/chats")["chats"] == []
    restored = client.post(f"{chat.path}/restore")
    assert (restored["title"], chat.texts) == ("A", ["Hello"])


def test_a_chat_deleted_for_ever_is_gone(client: Client) -> None:
    chat = client.new_chat()
    client.call("DELETE", f"{chat.path}?forever=true", 204)
    client.call("POST", f"{chat.path}/restore", 404)


def test_messages_are_added_and_paged(client: Client) -> None:
    chat = client.new_chat()
    for number in range(7):
        chat.add("user" if number % 2 == 0 else "assistant", f"{number}")
    page = client.get(f"{chat.path}/messages", limit=3)
    assert set(page) == {"messages", "more", "revision", "total", "start"}
    assert all(set(message) == MESSAGE for message in page["messages"])
    assert [message["text"] for message in page["messages"]] == ["4", "5", "6"]
    assert (page["more"], page["total"], page["revision"]) == (True, 7, chat.now["revision"])
    before = client.get(f"{chat.path}/messages", limit=9, before=page["messages"][0]["id"])
    assert [message["text"] for message in before["messages"]] == ["0", "1", "2", "3"]
    assert before["more"] is False
    middle = client.get(f"{chat.path}/messages", limit=2, offset=3)
    assert ([m["text"] for m in middle["messages"]], middle["more"]) == (["3", "4"], True)


def test_an_edit_is_a_new_version_of_the_same_message(client: Client) -> None:
    chat = client.new_chat()
    first = chat.add("user", "Helo")
    chat.add("assistant", "Hi.")
    change = client.call("PATCH", f"{chat.path}/messages/{first['id']}", json=chat.at_revision(text="Hello"))
    assert set(change) == {"chat", "message", "path_from"}
    assert (change["message"]["id"], change["message"]["versions"]) == (first["id"], 2)
    assert change["message"]["version_reason"] == "edited"
    assert chat.texts == ["Hello", "Hi."]
    versions = client.get(f"{chat.path}/messages/{first['id']}/versions")["versions"]
    assert [(row["text"], row["reason"]) for row in versions] == [("Helo", "written"), ("Hello", "edited")]
    assert set(versions[0]) == {"id", "text", "reasoning", "reason", "created_at", "facts"}


def test_a_branch_is_another_path_and_the_head_goes_back(client: Client) -> None:
    chat = client.new_chat()
    first = chat.add("user", "Hello")
    reply = chat.add("assistant", "Hi.")
    change = client.post(f"{chat.path}/messages/{first['id']}/branch", chat.at_revision(text="Good evening"))
    assert (chat.texts, change["path_from"]) == (["Good evening"], "")
    assert change["message"]["swipe"] == {
        "index": 1,
        "count": 2,
        "ids": [first["id"], change["message"]["id"]],
    }
    client.post(f"{chat.path}/head", chat.at_revision(message_id=first["id"]))
    assert chat.texts == ["Hello", "Hi."]
    client.post(f"{chat.path}/messages/{first['id']}/branch", chat.at_revision())
    assert chat.texts == ["Hello"]
    assert reply["parent_id"] == first["id"]


def test_a_deleted_message_comes_back_with_undo_and_goes_with_redo(client: Client) -> None:
    chat = client.new_chat()
    chat.add("user", "Hello")
    reply = chat.add("assistant", "Hi.")
    path = f"{chat.path}/messages/{reply['id']}"
    change = client.call("DELETE", path, params={"revision": chat.now["revision"]})
    assert (chat.texts, change["chat"]["can_undo"]) == (["Hello"], True)
    client.post(f"{chat.path}/undo", chat.at_revision())
    assert (chat.texts, chat.now["can_redo"]) == (["Hello", "Hi."], True)
    client.post(f"{chat.path}/redo", chat.at_revision())
    assert chat.texts == ["Hello"]


def test_with_nothing_to_undo_the_answer_is_409(client: Client) -> None:
    chat = client.new_chat()
    for path in ("undo", "redo"):
        answer = client.call("POST", f"{chat.path}/{path}", 409, json=chat.at_revision())
        assert answer["error"]["code"] == "nothing_to_undo"


CHANGES = [
    ("PATCH", "", {"title": "B"}),
    ("POST", "/messages", {"role": "user", "text": "B"}),
    ("PATCH", "/messages/{id}", {"text": "B"}),
    ("POST", "/messages/{id}/branch", {"text": "B"}),
    ("POST", "/messages/{id}/branch", {}),
    ("POST", "/head", {"message_id": "{id}"}),
    ("POST", "/undo", {}),
    ("POST", "/redo", {}),
    ("POST", "/turns", {"text": "B"}),
    ("POST", "/turns", {"kind": "swipe"}),
    ("POST", "/turns", {"kind": "continue"}),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_stale_revision_is_refused_and_nothing_changes(
    client: Client, method: str, path: str, body: dict[str, str], stage: Stage
) -> None:
    chat = _told(client)
    id, before = chat.messages[-1]["id"], (chat.now, chat.messages)
    body = {name: value.format(id=id) for name, value in body.items()}
    stale = chat.now["revision"] - 1
    answer = client.call(method, chat.path + path.format(id=id), 409, json={"revision": stale, **body})
    assert answer["error"]["code"] == "stale_revision"
    fields = {"chat_id": chat.id, "given": stale, "current": stale + 1, "text": body.get("text", "")}
    assert answer["error"]["fields"] == fields
    assert (chat.now, chat.messages) == before
    assert stage.workers == []


def test_deleting_a_message_takes_a_revision_too(client: Client) -> None:
    chat = _told(client)
    id, before = chat.messages[-1]["id"], chat.messages
    answer = client.call("DELETE", f"{chat.path}/messages/{id}", 409, params={"revision": 1})
    assert answer["error"]["code"] == "stale_revision"
    assert chat.messages == before
    client.call("DELETE", f"{chat.path}/messages/{id}", 400)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/messages"),
        ("GET", "/messages/x/versions"),
        *((method, path.replace("{id}", "x")) for method, path, _ in CHANGES),
    ],
)
@pytest.mark.parametrize("language", ["en", "zh-Hant", "zh-Hans"])
async def test_what_does_not_exist_is_told_in_the_readers_language(
    api: httpx.AsyncClient, method: str, path: str, language: str
) -> None:
    bodies = {(m, p.replace("{id}", "x")): body for m, p, body in CHANGES}
    body = {"revision": 1, **bodies.get((method, path), {})}
    answer = await api.request(
        method, f"/chats/nowhere{path}", json=body, headers={"accept-language": language}
    )
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (404, "chat_not_found")
    assert error["message"] == ChatNotFound("nowhere").sentence(language)


@pytest.mark.parametrize("method_path_body", [c for c in CHANGES if "{id}" in c[1] or "message_id" in c[2]])
def test_an_unknown_message_is_told(
    client: Client, method_path_body: tuple[str, str, dict[str, str]]
) -> None:
    method, path, body = method_path_body
    chat = _told(client)
    body = chat.at_revision(**{name: value.format(id="nowhere") for name, value in body.items()})
    answer = client.call(method, chat.path + path.format(id="nowhere"), 404, json=body)
    assert answer["error"]["code"] == "message_not_found"


def test_a_message_of_another_chat_is_unknown_here(client: Client) -> None:
    mine, other = _told(client), _told(client)
    foreign = other.messages[0]["id"]
    path = f"{mine.path}/messages/{foreign}"
    client.call("PATCH", path, 404, json=mine.at_revision(text="Mine now"))
    client.call("GET", f"{path}/versions", 404)
    client.call("POST", f"{mine.path}/turns", 404, json=mine.at_revision(message_id=foreign))
    assert other.texts == ["Hello", "Hi."]


def test_two_who_change_one_chat_at_once_do_not_overwrite_each_other(client: Client) -> None:
    chat = _told(client)
    seen = chat.now["revision"]
    winner = client.post(f"{chat.path}/messages", {"revision": seen, "role": "user", "text": "First"}, 201)
    loser = {"revision": seen, "role": "user", "text": "Second"}
    client.call("POST", f"{chat.path}/messages", 409, json=loser)
    assert chat.texts == ["Hello", "Hi.", "First"]
    assert winner["chat"]["revision"] == seen + 1


def _told(client: Client) -> Chat:
    chat = client.new_chat()
    chat.add("user", "Hello")
    chat.add("assistant", "Hi.")
    return chat
