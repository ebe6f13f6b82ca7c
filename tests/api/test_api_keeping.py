"""Chats and characters as things to keep, over HTTP."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import httpx
import pytest
from story_truth import ROLEPLAY
from talking import Client

from fabula.core.errors import ChatUnreadable, FolderUnreadable, MessageNotFound, StaleRevision
from fabula.store.home import Home

HELLO = ("Hello", "Hi.", "How are you?")
TAVERN = ROLEPLAY / "chats"


async def told(api: httpx.AsyncClient, *texts: str, **fields: object) -> dict[str, str]:
    """A chat in which these texts were said: id by text, and "chat"."""
    chat = (await api.post("/chats", json=fields)).json()
    ids = {"chat": chat["id"]}
    for number, text in enumerate(texts):
        body = {"revision": await revision(api, chat["id"]), "text": text}
        body["role"] = "assistant" if number % 2 else "user"
        ids[text] = (await api.post(f"/chats/{chat['id']}/messages", json=body)).json()["message"]["id"]
    return ids


async def revision(api: httpx.AsyncClient, id: str) -> int:
    return int((await api.get(f"/chats/{id}")).json()["revision"])


async def do(
    api: httpx.AsyncClient, ids: dict[str, str], method: str, path: str, **body: object
) -> httpx.Response:
    number = await revision(api, ids["chat"])
    return await api.request(method, f"/chats/{ids['chat']}{path}", json={"revision": number} | body)


async def texts(api: httpx.AsyncClient, ids: dict[str, str]) -> list[str]:
    page = (await api.get(f"/chats/{ids['chat']}/messages")).json()
    return [message["text"] for message in page["messages"]]


async def test_a_message_is_moved_named_left_out_and_deleted_alone(api: httpx.AsyncClient) -> None:
    ids = await told(api, *HELLO)
    await do(api, ids, "POST", f"/messages/{ids['Hi.']}/move")
    assert await texts(api, ids) == ["Hi.", "Hello", "How are you?"]
    await do(api, ids, "PUT", f"/messages/{ids['Hi.']}/checkpoint", name="A start")
    [named] = (await api.get(f"/chats/{ids['chat']}/checkpoints")).json()["checkpoints"]
    assert (named["name"], named["number"]) == ("A start", 1)
    change = (await do(api, ids, "POST", "/leave_out", message_ids=[ids["Hello"]])).json()
    assert change["message"]["left_out"]
    number = await revision(api, ids["chat"])
    await api.delete(
        f"/chats/{ids['chat']}/messages/{ids['Hello']}", params={"revision": number, "alone": True}
    )
    assert await texts(api, ids) == ["Hi.", "How are you?"]


async def test_branches_are_listed_compared_and_merged(api: httpx.AsyncClient) -> None:
    ids = await told(api, *HELLO)
    await do(api, ids, "POST", f"/messages/{ids['Hi.']}/branch", text="Hey.")
    shown, other = (await api.get(f"/chats/{ids['chat']}/branches")).json()["branches"]
    assert (shown["preview"], other["preview"], other["own"]) == ("Hey.", "How are you?", 2)
    ends = {"left": shown["id"], "right": other["id"]}
    compared = (await api.get(f"/chats/{ids['chat']}/compare", params=ends)).json()
    assert (compared["common_id"], [m["text"] for m in compared["right"]]) == (ids["Hello"], [*HELLO[1:]])
    await do(api, ids, "POST", "/merge", message_id=other["id"])
    assert await texts(api, ids) == ["Hello", "Hey.", "Hi.", "How are you?"]


async def test_the_first_message_cannot_be_moved_up(api: httpx.AsyncClient) -> None:
    ids = await told(api, *HELLO)
    answer = await do(api, ids, "POST", f"/messages/{ids['Hello']}/move")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, MessageNotFound("").code)


async def test_the_stale_writer_of_two_gets_409_and_the_text_back(api: httpx.AsyncClient) -> None:
    ids = await told(api, *HELLO)
    seen = await revision(api, ids["chat"])
    body = {"revision": seen, "role": "user", "text": "from the first tab"}
    assert (await api.post(f"/chats/{ids['chat']}/messages", json=body)).status_code == 201
    for method, path, extra in (
        ("POST", "/messages", {"role": "user"}),
        ("PATCH", f"/messages/{ids['Hi.']}", {}),
        ("POST", f"/messages/{ids['Hi.']}/branch", {}),
        ("POST", "/turns", {}),
    ):
        late = {"revision": seen, "text": "from the second tab"} | extra
        answer = await api.request(method, f"/chats/{ids['chat']}{path}", json=late)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (409, StaleRevision("", 0, 0).code)
        assert error["fields"]["text"] == "from the second tab"
    assert (await texts(api, ids))[-1] == "from the first tab"


async def test_words_are_found_over_all_chats(api: httpx.AsyncClient) -> None:
    await told(api, "她看守燈塔", title="Sea")
    second = await told(api, "The lamp of the 燈塔 is out", title="Storm")
    hits = (await api.get("/chats/search", params={"words": "燈塔"})).json()["hits"]
    assert [(hit["chat_title"], hit["excerpt"][slice(*hit["match"])]) for hit in hits] == [
        ("Storm", "燈塔"),
        ("Sea", "燈塔"),
    ]
    inside = {"words": "lamp", "chat_id": second["chat"]}
    assert len((await api.get("/chats/search", params=inside)).json()["hits"]) == 1


async def test_chats_are_marked_and_listed_by_their_marks(api: httpx.AsyncClient) -> None:
    ids = [(await told(api, title=title))["chat"] for title in ("Night", "Day", "Nightfall")]
    found = (await api.get("/chats/ids", params={"words": "night"})).json()["ids"]
    assert sorted(found) == sorted([ids[0], ids[2]])
    marks = {"ids": found, "folder": "Dark", "favourite": True, "add_tags": ["sea"]}
    assert (await api.post("/chats/mark", json=marks)).json() == {"changed": 2}
    listed = (
        await api.get("/chats", params={"folder": "Dark", "favourite": True, "tag": "sea", "limit": 1})
    ).json()
    assert (listed["total"], len(listed["chats"]), listed["chats"][0]["tags"]) == (2, 1, ["sea"])
    assert (await api.get("/chats/tags")).json() == {"folders": {"Dark": 2}, "tags": {"sea": 2}}


# ── files ───────────────────────────────────────────────────────────────────────────────────────────


def packed(paths: list[Path]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in paths:
            archive.writestr(path.name, path.read_bytes())
    return content.getvalue()


async def test_a_zip_file_of_chats_comes_in_and_goes_out(api: httpx.AsyncClient) -> None:
    files = [path for path in sorted(TAVERN.glob("*.jsonl")) if "35m48s" in path.name or path.stem == "CP1"]
    answer = await api.post("/chats/import", params={"name": "mira.zip"}, content=packed(files))
    [taken] = answer.json()["chats"]
    assert (taken["program"], taken["files"], taken["bad"]) == ("SillyTavern", 3, 0)
    given = await api.get(f"/chats/{taken['chat']['id']}/export")
    with zipfile.ZipFile(io.BytesIO(given.content)) as archive:
        assert sorted(archive.namelist()) == sorted(path.name for path in files)


@pytest.mark.parametrize(
    ("format", "kind"), [("text", "text/plain"), ("markdown", "text/markdown"), ("html", "text/html")]
)
async def test_a_chat_goes_out_to_be_read(api: httpx.AsyncClient, format: str, kind: str) -> None:
    ids = await told(api, *HELLO, title="Night/Day")
    given = await api.get(f"/chats/{ids['chat']}/export", params={"format": format})
    assert given.headers["content-type"].startswith(kind)
    assert "Night_Day" in given.headers["content-disposition"]
    assert "How are you?" in given.text


async def test_what_is_no_chat_is_refused_in_words(api: httpx.AsyncClient) -> None:
    answer = await api.post("/chats/import", params={"name": "a.json"}, content=b"{}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, ChatUnreadable("", "").code)


def tavern_folder(place: Path) -> Path:
    """A small data folder as SillyTavern keeps it."""
    user = place / "data" / "default-user"
    for name in (
        "characters",
        "chats/Mira",
        "groups",
        "group chats",
        "worlds",
        "themes",
        "TextGen Settings",
        "QuickReplies",
    ):
        (user / name).mkdir(parents=True)
    (user / "characters" / "Mira.png").write_bytes((ROLEPLAY / "mira_v2.png").read_bytes())
    (user / "characters" / "broken.png").write_bytes(b"no picture")
    for path in TAVERN.glob("*.jsonl"):
        folder = "group chats" if path.stem.startswith("gt") else "chats/Mira"
        (user / folder / path.name).write_bytes(path.read_bytes())
    (user / "groups" / "1.json").write_bytes((TAVERN / "1795286333520.json").read_bytes())
    (user / "worlds" / "Coast.json").write_text(
        json.dumps({"entries": {"0": {"key": ["sea"], "content": "Deep."}}})
    )
    (user / "TextGen Settings" / "Calm.json").write_text(json.dumps({"temp": 0.5, "min_p": 0.1}))
    (user / "themes" / "Dark.json").write_text("{}")
    rows = [{"label": "wave", "message": "Hi."}, {"label": "dice", "message": "/roll 1d6"}]
    (user / "QuickReplies" / "Quick.json").write_text(json.dumps({"name": "Quick", "qrList": rows}))
    power = {"personas": {"me.png": "Alex"}, "persona_descriptions": {"me.png": {"description": "A sailor."}}}
    tags = {"tags": [{"id": "t", "name": "sea"}], "tag_map": {"Mira.png": ["t"]}}
    chosen = {"world_info_settings": {"world_info": {"globalSelect": ["Coast"]}}}
    (user / "settings.json").write_text(json.dumps({"power_user": power} | tags | chosen))
    return place


async def test_a_whole_folder_of_sillytavern_comes_over_and_a_report_tells_of_it(
    api: httpx.AsyncClient, tmp_path: Path
) -> None:
    answer = await api.post("/import", json={"folder": str(tavern_folder(tmp_path))})
    report = answer.json()
    taken = {kind["kind"]: kind["taken"] for kind in report["kinds"]}
    assert taken == {
        "characters": 1,
        "lorebooks": 1,
        "personas": 1,
        "templates": 0,
        "presets": 1,
        "replies": 1,
        "chats": len(list(TAVERN.glob("*.jsonl"))),
    }
    [refused] = report["kinds"][0]["refused"]
    assert refused["file"].endswith("broken.png")
    assert (report["left"], list(report["left_reasons"])) == ({"themes": 1}, ["themes"])
    assert [one["replies"] for one in report["not_run"]] == ["dice"]
    [mira] = (await api.get("/characters", params={"tag": "sea"})).json()["characters"]
    hers = (await api.get("/chats", params={"character_id": mira["id"]})).json()["chats"]
    assert len(hers) == 2  # one of them is three files
    [group] = (await api.get("/chats", params={"folder": "GT2"})).json()["chats"]
    assert [one["character_id"] for one in group["story"]["group"]["members"]] == [mira["id"]]


async def test_a_folder_that_comes_twice_is_there_once_and_what_was_deleted_comes_again(
    api: httpx.AsyncClient, tmp_path: Path
) -> None:
    folder = {"folder": str(tavern_folder(tmp_path))}
    first = (await api.post("/import", json=folder)).json()["kinds"]
    chats = (await api.get("/chats")).json()["total"]
    again = (await api.post("/import", json=folder)).json()["kinds"]
    assert {one["kind"]: one["already"] for one in again} == {one["kind"]: one["taken"] for one in first}
    assert {one["taken"] for one in again} == {0}
    assert (await api.get("/chats")).json()["total"] == chats
    [book] = (await api.get("/lorebooks")).json()["lorebooks"]
    await api.delete(f"/lorebooks/{book['id']}")
    third = (await api.post("/import", json=folder)).json()["kinds"]
    assert [one["kind"] for one in third if one["taken"]] == ["lorebooks"]


async def test_a_folder_of_something_else_is_refused(api: httpx.AsyncClient, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        error = (await api.post("/import", json={"folder": str(folder)})).json()["error"]
        assert error["code"] == FolderUnreadable("", "").code


# ── characters ──────────────────────────────────────────────────────────────────────────────────────


async def test_pictures_are_shown_small_and_kept_for_ever(api: httpx.AsyncClient, home: Home) -> None:
    content = (ROLEPLAY / "mira_v2.png").read_bytes()
    mira = (await api.post("/characters/import", params={"name": "m.png"}, content=content)).json()
    small = await api.get(f"/characters/{mira['id']}/thumbnail", params={"size": 96})
    assert (small.headers["content-type"], small.content[8:12]) == ("image/webp", b"WEBP")
    assert "immutable" in small.headers["cache-control"]
    assert len(list(home.thumbnails.rglob("*.webp"))) == 1
    assert (
        await api.get(f"/characters/{mira['id']}/thumbnail", params={"size": 96})
    ).content == small.content


async def test_all_characters_that_a_filter_finds_are_changed_at_once(api: httpx.AsyncClient) -> None:
    for name in ("Mira", "Mirabel", "Tom"):
        await api.post("/characters", json={"card": {"data": {"name": name}}})
    ids = (await api.get("/characters/ids", params={"words": "mira"})).json()["ids"]
    await api.post("/characters/mark", json={"ids": ids, "folder": "Coast"})
    assert (await api.get("/characters/tags")).json()["folders"] == {"Coast": 2}


def test_a_chat_with_a_message_left_out_is_prompted_without_it(client: Client) -> None:
    chat = client.new_chat(title="A")
    chat.add("user", "Forget me")
    page = client.get(f"/chats/{chat.id}/messages")["messages"]
    body = {"revision": chat.now["revision"], "message_ids": [page[0]["id"]]}
    client.post(f"/chats/{chat.id}/leave_out", body)
    looked = client.get(f"/chats/{chat.id}/prompt")
    assert "Forget me" not in looked["text"]


async def test_the_whole_tree_is_told_without_its_texts(api: httpx.AsyncClient) -> None:
    ids = await told(api, *HELLO)
    await do(api, ids, "POST", f"/messages/{ids['Hi.']}/branch", text="Good evening.")
    await do(api, ids, "PUT", f"/messages/{ids['Hi.']}/checkpoint", name="A start")
    await do(api, ids, "POST", "/head", message_id=ids["Hello"])
    tree = (await api.get(f"/chats/{ids['chat']}/tree")).json()
    assert [tree["ids"].index(ids[text]) for text in HELLO] == [0, 1, 3]
    assert (tree["parents"], tree["roles"][1]) == ([-1, 0, 0, 1], "assistant")
    assert (tree["checkpoints"], tree["revision"]) == (
        {ids["Hi."]: "A start"},
        await revision(api, ids["chat"]),
    )


async def test_what_hangs_from_a_deleted_message_is_not_in_the_tree(api: httpx.AsyncClient) -> None:
    ids = await told(api, *HELLO)
    number = await revision(api, ids["chat"])
    await api.delete(f"/chats/{ids['chat']}/messages/{ids['Hi.']}", params={"revision": number})
    assert (await api.get(f"/chats/{ids['chat']}/tree")).json()["ids"] == [ids["Hello"]]


async def test_a_page_around_a_message_and_a_message_alone(api: httpx.AsyncClient) -> None:
    ids = await told(api, *HELLO)
    path = f"/chats/{ids['chat']}/messages"
    page = (await api.get(path, params={"around": ids["How are you?"], "limit": 2})).json()
    assert ([row["text"] for row in page["messages"]], page["start"]) == (["Hi.", "How are you?"], 1)
    assert (await api.get(f"{path}/{ids['Hi.']}")).json()["text"] == "Hi."
    await do(api, ids, "POST", f"/messages/{ids['Hi.']}/branch")
    beside = await api.get(path, params={"around": ids["How are you?"]})
    assert beside.json()["error"]["code"] == "message_not_found"


async def test_words_are_looked_for_in_some_chats_and_times(api: httpx.AsyncClient) -> None:
    ids = await told(api, "A quince tree", title="Orchard")
    await told(api, "A quince jelly", title="Kitchen")
    await api.post("/chats/mark", json={"ids": [ids["chat"]], "folder": "Garden", "add_tags": ["fruit"]})

    async def found(**query: object) -> list[str]:
        answer = await api.get("/chats/search", params={"words": "quince"} | query)  # type: ignore[arg-type]
        return [hit["excerpt"] for hit in answer.json()["hits"]]

    assert await found() == ["A quince jelly", "A quince tree"]
    for narrow in ({"folder": "Garden"}, {"tag": "fruit"}, {"chat_id": ids["chat"]}):
        assert await found(**narrow) == ["A quince tree"]
    assert (await found(since=4e9), await found(until=4e9, favourite=True)) == ([], [])


async def test_the_folder_of_another_machine_comes_as_an_archive_and_not_twice(
    api: httpx.AsyncClient, tmp_path: Path
) -> None:
    folder, packed = tavern_folder(tmp_path), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, f"st/{path.relative_to(folder)}")
    first = (await api.post("/import/archive", content=packed.getvalue())).json()
    chats = next(kind for kind in first["kinds"] if kind["kind"] == "chats")
    assert (first["folder"], chats["taken"]) == ("", len(list(TAVERN.glob("*.jsonl"))))
    again = (await api.post("/import/archive", content=packed.getvalue())).json()
    assert sum(kind["taken"] for kind in again["kinds"]) == 0
    refused = await api.post("/import/archive", content=b"no archive")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "folder_unreadable")
