"""The library of characters over the API: files of any kind, sizes, copies, archives, pictures."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from talking import Client, Json

MIRA = {"name": "Mira", "description": "{{char}} keeps the light for {{user}}.", "first_mes": "Come in."}
WORLD = {"entries": {"0": {"uid": 0, "key": ["lamp"], "content": "It burns oil."}}}


def character(client: Client, **data: Any) -> Json:
    return dict(client.post("/characters", {"card": {"data": MIRA | data}}, 201))


def picture(form: str) -> bytes:
    from PIL import Image

    made = io.BytesIO()
    Image.new("RGB", (300, 400), "teal").save(made, form)
    return made.getvalue()


def archive(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return made.getvalue()


def take(client: Client, name: str, content: bytes | str, **query: str) -> Json:
    return dict(client.call("POST", "/take", params={"name": name} | query, content=content))


def test_a_file_is_known_by_its_content(client: Client) -> None:
    card = json.dumps({"spec": "chara_card_v2", "spec_version": "2.0", "data": MIRA | {"character_book": {}}})
    kinds = [take(client, "x.json", text)["taken"][0]["kind"] for text in (card, json.dumps(WORLD))]
    assert kinds == ["character", "lorebook"]


def test_of_an_archive_every_file_is_taken_and_what_cannot_be_read_is_named(client: Client) -> None:
    files = {
        "cards/mira.json": json.dumps({"data": MIRA}).encode(),
        "worlds/Coast.json": json.dumps(WORLD).encode(),
        "notes.txt": b"nothing",
        "__MACOSX/._mira.json": b"litter",
    }
    report = take(client, "all.zip", archive(files), folder="Sea")
    assert {(one["file"], one["kind"]) for one in report["taken"]} == {
        ("cards/mira.json", "character"),
        ("worlds/Coast.json", "lorebook"),
    }
    assert [one["file"] for one in report["refused"]] == ["notes.txt"]
    [mira] = client.get("/characters")["characters"]
    assert mira["folder"] == "Sea"


def test_a_picture_without_a_card_is_refused_with_the_reason(client: Client) -> None:
    [refused] = take(client, "holiday.png", picture("PNG"))["refused"]
    assert "without a card" in refused["reason"]


def test_a_card_says_what_it_costs_and_when_and_how_it_reads(client: Client) -> None:
    book = {
        "entries": [{"keys": ["lamp"], "content": "Oil."}, {"keys": [], "content": "Rain.", "constant": True}]
    }
    card = character(client, character_book=book, creator_notes="For you.", mes_example="<START>")["card"]
    told = client.post("/characters/tokens", {"card": card, "user": "Ann"})
    parts = {part["field"]: part for part in told["parts"]}
    assert parts["description"]["text"] == "Mira keeps the light for Ann."
    whens = {field: part["when"] for field, part in parts.items()}
    assert whens == {
        "description": "always",
        "first_mes": "greeting",
        "mes_example": "room",
        "character_book.0": "key",
        "character_book.1": "always",
        "creator_notes": "never",
    }
    assert told["estimated"] is True
    assert told["always"] == parts["description"]["tokens"] + parts["character_book.1"]["tokens"]


def test_a_loaded_model_counts_and_is_named(client: Client) -> None:
    card = character(client)["card"]
    client.post("/models/tiny/load", {})
    told = client.post("/characters/tokens", {"card": card})
    assert (told["model"], told["estimated"]) == ("tiny", False)
    other = client.post("/characters/tokens", {"card": card, "model": "another"})
    assert (other["model"], other["estimated"]) == ("", True)  # nothing is loaded for it


def test_what_is_not_known_of_a_card_survives_every_edit(client: Client) -> None:
    odd = {
        "extensions": {"depth_prompt": {"prompt": "Hm.", "by": "x"}, "other/thing": [1]},
        "later": {"a": 1},
    }
    document = {"spec": "chara_card_v3", "spec_version": "3.0", "data": MIRA | odd, "beside": [True]}
    made = client.post("/characters", {"card": document}, 201)
    path = f"/characters/{made['id']}"
    client.call("PATCH", path, json={"revision": 1, "fields": {"description": "New.", "tags": ["a"]}})
    client.call(
        "PATCH", path, json={"revision": 2, "fields": {"tags": None, "description": MIRA["description"]}}
    )
    assert client.get(path)["card"] == document
    file = client.http.get(f"{path}/file", params={"format": "json"}).json()
    assert (file["data"]["later"], file["data"]["extensions"], file["beside"]) == (
        {"a": 1},
        odd["extensions"],
        [True],
    )


def test_a_copy_is_another_one_in_the_same_place(client: Client) -> None:
    mira = character(client, tags=["sea"])
    client.post("/characters/mark", {"ids": [mira["id"]], "folder": "Coast"})
    copy = client.post(f"/characters/{mira['id']}/copy", {"name": "Mira II"}, 201)
    assert copy["id"] != mira["id"]
    assert (copy["name"], copy["folder"], copy["tags"], copy["greetings"]) == (
        *("Mira II", "Coast", ["sea"]),
        ["Come in."],
    )


def test_several_are_handed_out_as_one_archive(client: Client) -> None:
    ids = [character(client)["id"], character(client)["id"], character(client, name="../Bo")["id"]]
    answer = client.http.post("/characters/export", json={"ids": ids, "format": "json"})
    packed = zipfile.ZipFile(io.BytesIO(answer.content))
    assert packed.namelist() == ["Mira.json", "Mira (2).json", "_Bo.json"]
    assert json.loads(packed.read("Mira.json"))["data"]["name"] == "Mira"


def test_a_picture_of_any_kind_becomes_the_cards(client: Client) -> None:
    mira = character(client)
    path = f"/characters/{mira['id']}/picture"
    drawn = client.call("PUT", path, params={"revision": 1}, content=picture("JPEG"))
    assert drawn["picture"]
    assert client.http.get(path).content.startswith(b"\x89PNG")
    client.call("PUT", path, 400, params={"revision": 2}, content=b"no picture")


def test_a_persona_has_a_picture_and_knows_where_it_is_used(client: Client) -> None:
    ann = client.post("/personas", {"name": "Ann"}, 201)
    path = f"/personas/{ann['id']}"
    drawn = client.call("PUT", f"{path}/picture", params={"revision": 1}, content=picture("PNG"))
    assert client.http.get(f"{path}/thumbnail").headers["content-type"] == "image/webp"
    chat = client.new_chat(character_id=character(client)["id"], story={"persona_id": ann["id"]})
    assert [one["id"] for one in client.get(f"{path}/uses")["chats"]] == [chat.id]
    client.call("DELETE", path, 204)
    back = {name: drawn[name] for name in ("name", "description", "picture", "links")}
    assert client.call("PUT", path, 201, json=back)["picture"] == drawn["picture"]


def test_the_same_card_is_not_taken_twice(client: Client) -> None:
    card = json.dumps({"data": MIRA})
    [first], [again] = (take(client, "mira.json", card)["taken"] for _ in range(2))
    assert (first["already"], again["already"], again["id"]) == (False, True, first["id"])
    [other] = take(client, "mira.json", json.dumps({"data": MIRA | {"scenario": "Night."}}))["taken"]
    assert other["already"] is False
    assert client.get("/characters")["total"] == 2
