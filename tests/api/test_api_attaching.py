"""Pictures in messages, and messages in another language, over HTTP."""

from __future__ import annotations

from talking import Client

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x02\x00\x00\x00\x03\x08\x02\x00\x00\x00"
KEEP = "/chats/attachments"


def test_a_picture_is_kept_and_refused_for_a_model_that_sees_none(client: Client) -> None:
    made = client.call("POST", KEEP, 201, content=PNG)
    assert (made["name"][-4:], made["size"]) == (".png", len(PNG))
    shown = client.http.get(f"{KEEP}/{made['name']}")
    assert (shown.content, shown.headers["content-type"]) == (PNG, "image/png")
    assert "sandbox" in shown.headers["content-security-policy"]
    chat = client.new_chat(model="tiny")
    refused = chat.start(400, kind="reply", text=f"![a lamp](attachment:{made['name']})")
    assert refused["error"]["code"] == "sees_no_images"
    assert chat.now["message_count"] == 0


def test_an_older_picture_is_told_in_words(client: Client) -> None:
    chat = client.new_chat(model="tiny")
    name = client.call("POST", KEEP, 201, content=PNG)["name"]
    chat.add("user", f"![a lamp](attachment:{name}) What is it?")
    looked = client.get(f"{chat.path}/prompt")
    assert "[a lamp] What is it?" in looked["text"]


def test_what_is_no_picture_is_refused(client: Client) -> None:
    refused = client.call("POST", KEEP, 400, content=b"<svg onload=alert(1)>")
    assert refused["error"]["code"] == "bad_parameter"
    assert client.http.get(f"{KEEP}/nothing.png").status_code == 404


def test_a_translation_stands_beside_the_message(client: Client) -> None:
    chat = client.new_chat(model="tiny")
    message = chat.add("user", "The lamp is lit.")
    path = f"{chat.path}/messages/{message['id']}"
    made = client.post(f"{path}/translate", {"to": "zh-Hant"}, 201)
    assert (made["language"], made["version_id"]) == ("zh-Hant", message["version_id"])
    assert made["text"]
    again = client.post(f"{path}/translate", {"to": "zh-Hant"}, 201)
    assert client.get(f"{chat.path}/translations")["translations"] == [again]
    assert client.get(path)["text"] == "The lamp is lit."
    assert client.get(f"{chat.path}/memory")["facts"] == []
    client.call("DELETE", f"{path}/translations", 204)
    assert client.get(f"{chat.path}/translations")["translations"] == []
    client.post(f"{path}/translate", {"to": "xx"}, 400)
