"""Characters over the API: in, found, changed, out."""

from __future__ import annotations

import json

import httpx
import pytest
from story_truth import ROLEPLAY

from fabula.chats.characters.reading import read


def content(name: str) -> bytes:
    return (ROLEPLAY / name).read_bytes()


async def take(api: httpx.AsyncClient, name: str) -> dict[str, object]:
    answer = await api.post("/characters/import", params={"name": name}, content=content(name))
    assert answer.status_code == 201
    return dict(answer.json())


@pytest.mark.parametrize("name", ["mira_v1.json", "mira_v2.png", "mira.charx"])
async def test_a_file_goes_in_and_is_shown_whole(api: httpx.AsyncClient, name: str) -> None:
    taken = await take(api, name)
    shown = (await api.get(f"/characters/{taken['id']}")).json()
    assert shown | {"already": False} == taken
    assert shown["card"]["data"] == dict(read(name, content(name)).card.data)


async def test_what_cannot_be_read_is_told_in_the_reader_s_language(api: httpx.AsyncClient) -> None:
    answer = await api.post(
        "/characters/import?name=a.png", content=b"nothing", headers={"accept-language": "zh-Hant"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "card_unreadable")
    assert "角色卡" in answer.json()["error"]["message"]


async def test_the_picture_comes_back_byte_for_byte_and_in_a_sandbox(api: httpx.AsyncClient) -> None:
    taken = await take(api, "mira_v2.png")
    answer = await api.get(f"/characters/{taken['id']}/picture")
    assert answer.content == content("mira_v2.png")
    assert answer.headers["content-type"] == "image/png"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_an_edit_needs_the_revision_that_was_seen(api: httpx.AsyncClient) -> None:
    taken = await take(api, "mira_v2.json")
    change = {"revision": 1, "fields": {"description": "new", "scenario": None}}
    edited = (await api.patch(f"/characters/{taken['id']}", json=change)).json()
    assert (edited["card"]["data"]["description"], edited["revision"]) == ("new", 2)
    assert "scenario" not in edited["card"]["data"]
    stale = await api.patch(f"/characters/{taken['id']}", json=change)
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "character_changed")


async def test_found_by_words_and_tags(api: httpx.AsyncClient) -> None:
    taken = await take(api, "mira_v2.json")
    await api.post("/characters", json={"card": {"name": "Bea"}})
    for query in ({"words": "lighth"}, {"tag": ["test", "lighthouse"]}):
        page = (await api.get("/characters", params=query)).json()
        assert ([row["id"] for row in page["characters"]], page["total"]) == ([taken["id"]], 1)
    assert (await api.get("/characters/tags")).json()["tags"] == {"lighthouse": 1, "test": 1}


async def test_marked_binned_and_erased(api: httpx.AsyncClient) -> None:
    ids = [(await api.post("/characters", json={"card": {"name": name}})).json()["id"] for name in "AB"]
    await api.post("/characters/mark", json={"ids": ids, "folder": "crew", "add_tags": ["x"]})
    await api.post("/characters/mark", json={"ids": ids[:1], "trashed": True})
    assert [row["name"] for row in (await api.get("/characters")).json()["characters"]] == ["B"]
    assert (await api.post("/characters/erase", json={"ids": ids})).json() == {"erased": 2}


async def test_a_file_s_name_holds_no_path(api: httpx.AsyncClient) -> None:
    made = await api.post("/characters", json={"card": {"name": "../../etc/海\r\nx: y"}})
    answer = await api.get(f"/characters/{made.json()['id']}/file?format=json")
    name = answer.headers["content-disposition"]
    assert name == "attachment; filename*=UTF-8''.._.._etc_%E6%B5%B7__x_%20y.json"
    assert json.loads(answer.content)["data"]["name"].startswith("../../etc")


async def test_a_picture_is_a_png(api: httpx.AsyncClient) -> None:
    taken = await take(api, "mira_v2.json")
    refused = await api.put(f"/characters/{taken['id']}/picture?revision=1", content=b"<svg/>")
    assert refused.status_code == 400
    drawn = await api.put(f"/characters/{taken['id']}/picture?revision=1", content=content("mira_v2.png"))
    assert drawn.json()["picture"]
    exported = (await api.get(f"/characters/{taken['id']}/file")).content
    assert read("a.png", exported).card.name == "Mira"
