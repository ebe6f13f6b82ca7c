"""Pictures of other hosts over HTTP and in the terminal: nobody is asked before it was allowed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from outside import Host, hosting, picture
from talking import Client

from fabula.chats.outside import asking
from fabula.chats.outside.pictures import OutsidePictures
from fabula.cli.main import main
from fabula.store.home import Home

CARD = {"spec": "chara_card_v2", "spec_version": "2.0", "data": {"name": "Mara", "first_mes": "Hello."}}


@pytest.fixture
def host() -> Iterator[Host]:
    with hosting() as host:
        yield host


def asked(client: Client, address: str, **where: str) -> httpx.Response:
    return client.http.get("/pictures", params={"address": address, **where})


def allow(client: Client, allowed: bool = True, **where: str) -> dict[str, Any]:
    return client.call("PUT", "/pictures/allowed", 200, json={**where, "allowed": allowed})


def test_nobody_is_asked_before_it_is_allowed_nor_after_it_is_forbidden(client: Client, host: Host) -> None:
    chat = client.new_chat(model="tiny")
    refused = asked(client, host.address("/png"), chat=chat.id)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "pictures_forbidden")
    assert host.log == []
    assert allow(client, chat=chat.id) == {"kind": "chat", "id": chat.id, "allowed": True}
    assert asked(client, host.address("/png"), chat=chat.id).content == picture()
    allow(client, False, chat=chat.id)
    assert asked(client, host.address("/png"), chat=chat.id).status_code == 403
    assert asked(client, host.address("/gif"), chat=chat.id).status_code == 403
    assert host.paths == ["/png"]


def test_the_choice_of_a_character_holds_for_its_card_and_its_chats(client: Client, host: Host) -> None:
    mara, other = (client.post("/characters", {"card": CARD}, 201)["id"] for _ in range(2))
    chat = client.new_chat(model="tiny", character_id=mara)
    assert allow(client, chat=chat.id)["kind"] == "character"
    assert client.get("/pictures/allowed", character=mara)["allowed"]
    assert asked(client, host.address("/png"), character=mara).status_code == 200
    for elsewhere in ({"character": other}, {"chat": client.new_chat(model="tiny").id}):
        assert asked(client, host.address("/png"), **elsewhere).status_code == 403


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp"])
def test_a_picture_is_told_by_its_bytes_and_kept(client: Client, host: Host, kind: str) -> None:
    chat = client.new_chat(model="tiny")
    allow(client, chat=chat.id)
    for _ in range(2):
        shown = asked(client, host.address(f"/{kind}"), chat=chat.id)
        assert (shown.content, shown.headers["content-type"]) == (picture(kind.upper()), f"image/{kind}")
    assert "sandbox" in shown.headers["content-security-policy"]
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert host.paths == [f"/{kind}"]


def test_the_host_is_told_the_address_and_nothing_else(client: Client, host: Host) -> None:
    chat = client.new_chat(model="tiny")
    allow(client, chat=chat.id)
    host.put("/moved", status=302, Location="/png?a=b")
    host.put("/png?a=b", picture())
    assert asked(client, host.address("/moved"), chat=chat.id).status_code == 200
    assert host.paths == ["/moved", "/png?a=b"]
    for _, headers in host.log:
        assert headers.keys() == {"host", "accept", "accept-encoding", "user-agent", "connection"}
        assert headers["host"] == f"pictures.example:{host.server_port}"


def test_what_is_no_raster_picture_is_refused_and_not_asked_again(client: Client, host: Host) -> None:
    chat = client.new_chat(model="tiny")
    allow(client, chat=chat.id)
    bodies = {
        "/svg": b"<svg onload='alert(1)'/>",
        "/html": b"<p>",
        "/none": b"",
    }
    for path, body in bodies.items():
        host.put(path, body, **{"Content-Type": "image/png"})
        for _ in range(2):
            refused = asked(client, host.address(path), chat=chat.id)
            assert (refused.status_code, refused.json()["error"]["code"]) == (502, "picture_unreachable")
    assert host.paths == [*bodies]


@pytest.mark.parametrize(
    "to", ["http://127.0.0.1:{port}/png", "http://[::1]:{port}/png", "file:///etc/passwd"]
)
def test_a_redirect_is_judged_again(client: Client, host: Host, to: str) -> None:
    chat = client.new_chat(model="tiny")
    allow(client, chat=chat.id)
    host.put("/away", status=302, Location=to.format(port=host.server_port))
    assert asked(client, host.address("/away"), chat=chat.id).status_code == 502
    assert host.paths == ["/away"]


def test_private_addresses_odd_ones_and_circles_are_refused(client: Client, host: Host) -> None:
    chat = client.new_chat(model="tiny")
    allow(client, chat=chat.id)
    host.put("/circle", status=302, Location="/circle")
    for name in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
        assert asked(client, host.address("/png", name), chat=chat.id).status_code == 502
    assert host.log == []
    assert asked(client, host.address("/circle"), chat=chat.id).status_code == 502
    assert len(host.log) == asking.REDIRECTS + 1
    assert asked(client, "javascript:alert(1)", chat=chat.id).status_code == 400


def test_a_picture_that_is_too_large_or_too_slow_is_left(
    client: Client, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = client.new_chat(model="tiny")
    allow(client, chat=chat.id)
    monkeypatch.setattr(asking, "MOST", 20)
    assert "larger" in asked(client, host.address("/png"), chat=chat.id).json()["error"]["message"]
    monkeypatch.setattr(asking, "PATIENCE_S", 0.0)
    assert "within" in asked(client, host.address("/gif"), chat=chat.id).json()["error"]["message"]


def test_a_chat_or_a_character_is_named(client: Client) -> None:
    assert asked(client, "https://a.example/x.png").status_code == 400
    assert asked(client, "https://a.example/x.png", chat="no", character="no").status_code == 400
    assert asked(client, "https://a.example/x.png", chat="no").status_code == 404


async def test_the_oldest_of_what_is_kept_goes_first(tmp_path: Path, host: Host) -> None:
    pictures = OutsidePictures(tmp_path / "outside", budget=len(picture()) + 10)
    for path in ("/png", "/png?2", "/png?2", "/png"):
        host.put(path, picture())
        assert await pictures.get(host.address(path)) == picture()
    assert host.paths == ["/png", "/png?2", "/png"]


async def test_a_file_that_goes_while_another_is_kept_is_no_fault(tmp_path: Path, host: Host) -> None:
    pictures = OutsidePictures(tmp_path / "outside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "going").symlink_to(tmp_path / "gone")  # listed, but not there when it is asked
    host.put("/png", picture())
    assert await pictures.get(host.address("/png")) == picture()


def test_in_the_terminal(
    client: Client, home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FABULA_LANGUAGE", "en")
    monkeypatch.setenv("FABULA_HOME", str(home.path))
    client.post("/characters", {"card": CARD}, 201)
    chat = client.new_chat(model="tiny", title="Letters")

    def told(*words: str) -> str:
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code in (0, None)
        return capsys.readouterr().out

    assert "not loaded" in told("character", "pictures", "Mara")
    assert "are allowed" in told("character", "pictures", "Mara", "--allow")
    assert "are allowed" in told("character", "pictures", "Mara")
    assert "are allowed" in told("chat", "pictures", chat.id, "--allow")
    assert "not loaded" in told("chat", "pictures", chat.id, "--forbid")
