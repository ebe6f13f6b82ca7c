"""Backups through the API: listed, looked into, downloaded, and put back by the running studio itself."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import httpx
import pytest
from talking import Client

from fabula.store.home import Home


@pytest.fixture
def saved(client: Client) -> str:
    """The name of a backup in which one chat has one message."""
    client.new_chat(title="Kept").add("user", "Before")
    return Path(client.post("/backup")["path"]).name


def titles(client: Client) -> list[str]:
    return sorted(chat["title"] for chat in client.get("/chats")["chats"])


def test_backups_are_listed_and_what_one_holds_is_told_beside_what_is_here(
    client: Client, saved: str
) -> None:
    client.new_chat(title="Later")
    (row,) = client.get("/backups")["backups"]
    inside = client.get(f"/backups/{saved}")
    assert (row["name"], row["size"] > 0) == (saved, True)
    assert (inside["holds"]["chats"], inside["now"]["chats"]) == (1, 2)
    assert inside["holds"]["messages"] == 1


def test_a_running_studio_puts_a_backup_back_and_keeps_what_was_there(client: Client, saved: str) -> None:
    client.new_chat(title="Later")
    client.call("PATCH", "/settings", json={"engine.slots": 3})
    assert client.post(f"/backups/{saved}/restore", status=202) == {"name": saved}
    assert titles(client) == ["Kept"]  # asked while the studio was closed: answered when it was open again
    told = client.get("/backups")
    assert (told["restored"]["name"], told["restored"]["error"]) == (saved, "")
    assert [row["name"] for row in told["replaced"]] == [Path(told["restored"]["kept"]).name]
    slots = next(row for row in client.get("/settings")["settings"] if row["name"] == "engine.slots")
    assert slots["where"] == "default"


def test_after_a_restore_everything_works_on(client: Client, saved: str) -> None:
    client.post(f"/backups/{saved}/restore", status=202)
    chat = client.new_chat(title="After", model="tiny")
    assert chat.say("Hello")[-1].kind == "done"
    client.post(f"/backups/{saved}/restore", status=202)
    assert titles(client) == ["Kept"]


def test_a_stream_of_events_ends_with_the_studio_that_sent_it(client: Client, saved: str) -> None:
    with client.events("GET", "/events") as events:
        client.post(f"/backups/{saved}/restore", status=202)
        assert all(event.kind != "error" for event in events)  # and there is an end
    assert titles(client) == ["Kept"]


def test_a_damaged_backup_changes_nothing(client: Client, saved: str, home: Home) -> None:
    file = home.backups / saved
    file.write_bytes(file.read_bytes()[:-200])
    refused = client.call("POST", f"/backups/{saved}/restore", 400)
    assert refused["error"]["code"] == "backup_invalid"
    assert titles(client) == ["Kept"]
    assert client.get("/backups")["replaced"] == []


def test_a_backup_with_settings_that_this_program_does_not_know_is_refused(
    client: Client, home: Home
) -> None:
    home.config.write_text('colour = "blue"\n')
    name = Path(client.post("/backup")["path"]).name
    refused = client.call("POST", f"/backups/{name}/restore", 400)
    assert "colour" in refused["error"]["message"]


@pytest.mark.parametrize("name", ["../fabula.db", "..%2Ffabula.db", "nothing.zip", ".hidden.zip"])
def test_only_what_is_listed_can_be_asked_for(client: Client, saved: str, name: str) -> None:
    assert client.http.get(f"/backups/{name}/file").status_code == 404
    assert client.http.delete(f"/backups/{name}").status_code in (404, 405)


def test_a_backup_is_downloaded_and_removed(client: Client, saved: str, home: Home) -> None:
    content = client.http.get(f"/backups/{saved}/file").content
    assert "fabula.db" in zipfile.ZipFile(io.BytesIO(content)).namelist()
    client.call("DELETE", f"/backups/{saved}", 204)
    assert client.get("/backups")["backups"] == []
    assert not (home.backups / saved).exists()


async def test_a_studio_that_nobody_would_open_again_refuses(api: httpx.AsyncClient) -> None:
    name = Path((await api.post("/backup")).json()["path"]).name
    refused = await api.post(f"/backups/{name}/restore")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_while_starting")


def test_what_a_restore_has_put_aside_is_put_back(client: Client, saved: str) -> None:
    client.new_chat(title="Later")
    client.call("PATCH", "/settings", json={"engine.slots": 3})
    client.post(f"/backups/{saved}/restore", status=202)
    (aside,) = client.get("/backups")["replaced"]
    inside = client.get(f"/backups/{aside['name']}")
    assert (inside["fabula"], inside["holds"]["chats"], inside["now"]["chats"]) == ("", 2, 1)
    client.post(f"/backups/{aside['name']}/restore", status=202)
    assert titles(client) == ["Kept", "Later"]
    assert len(client.get("/backups")["replaced"]) == 2
    slots = next(row for row in client.get("/settings")["settings"] if row["name"] == "engine.slots")
    assert slots["value"] == 3
