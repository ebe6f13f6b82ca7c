"""The appearance that all devices share: choices, a style sheet, pictures; and who may change it."""

from __future__ import annotations

import httpx
import pytest
from talking import Client

from fabula.store.home import Home
from fabula.store.look import MOST_STYLE

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


async def test_nothing_is_shared_until_somebody_shares_it(api: httpx.AsyncClient) -> None:
    look = (await api.get("/appearance")).json()
    assert (look["shared"], look["style"], look["pictures"]) == (None, "", [])
    shared = (await api.put("/appearance", json={"theme": "sepia"})).json()["shared"]
    assert shared == look["defaults"] | {"theme": "sepia"}
    assert (await api.get("/system")).json()["appearance"] == {"shared": shared, "style": ""}
    assert (await api.delete("/appearance")).json()["shared"] is None


@pytest.mark.parametrize(
    ("choice", "code"),
    [
        ({"theme": "neon"}, "setting_invalid"),
        ({"size": 400}, "setting_invalid"),
        ({"avatars": "yes"}, "setting_invalid"),
        ({"colour": "red"}, "setting_unknown"),
        ({"background": "../../config.toml"}, "background_not_found"),
    ],
)
async def test_what_cannot_be_worn_is_refused_and_changes_nothing(
    api: httpx.AsyncClient, choice: dict[str, object], code: str
) -> None:
    assert (await api.put("/appearance", json=choice)).json()["error"]["code"] == code
    assert (await api.get("/appearance")).json()["shared"] is None


async def test_a_style_sheet_is_served_as_a_file_and_taken_away(api: httpx.AsyncClient) -> None:
    told = (await api.put("/appearance/style", json={"style": ":root { --radius: 0 }"})).json()
    served = await api.get("/appearance/style")
    assert served.text == ":root { --radius: 0 }"
    assert served.headers["content-type"].startswith("text/css")
    assert served.headers["x-content-type-options"] == "nosniff"
    assert told["style"]
    assert (await api.put("/appearance/style", json={"style": " "})).json()["style"] == ""
    too_long = await api.put("/appearance/style", json={"style": "字" * (MOST_STYLE - 1)})
    assert too_long.json()["error"]["code"] == "bad_parameter"


async def test_a_picture_is_kept_shown_and_removed(api: httpx.AsyncClient) -> None:
    kept = (await api.post("/appearance/pictures", content=PNG)).json()
    assert (kept["kind"], kept["size"]) == ("image/png", len(PNG))
    await api.put("/appearance", json={"background": kept["id"]})
    served = await api.get(f"/appearance/pictures/{kept['id']}")
    assert (served.content, served.headers["content-type"]) == (PNG, "image/png")
    assert "sandbox" in served.headers["content-security-policy"]
    assert (await api.delete(f"/appearance/pictures/{kept['id']}")).json()["shared"]["background"] == ""
    assert (await api.get(f"/appearance/pictures/{kept['id']}")).status_code == 404


@pytest.mark.parametrize("content", [b"<svg onload=alert(1)>", b"", b"\x89PN", b"RIFF....WAVE" + bytes(20)])
async def test_what_is_no_picture_is_refused(api: httpx.AsyncClient, content: bytes) -> None:
    refused = await api.post("/appearance/pictures", content=content)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_parameter")


async def test_every_open_page_hears_of_a_change(api: httpx.AsyncClient, studio) -> None:
    before = studio.events.latest("studio")
    await api.put("/appearance", json={"theme": "mist"})
    async for item in studio.events.follow("studio", before):
        assert item.kind == "appearance"
        break


async def test_a_file_of_another_version_is_read_as_far_as_it_is_known(
    api: httpx.AsyncClient, home: Home
) -> None:
    home.look.mkdir()
    (home.look / "choices.json").write_text('{"theme": "midnight", "size": "huge", "glow": true}')
    look = (await api.get("/appearance")).json()
    assert look["shared"] == look["defaults"] | {"theme": "midnight"}


def test_a_backup_holds_the_look(client: Client, home: Home) -> None:
    client.call("PUT", "/appearance", json={"theme": "sepia"})
    name = client.post("/backup")["path"].replace("\\", "/").rpartition("/")[2]
    client.call("PUT", "/appearance", json={"theme": "mist"})
    client.post(f"/backups/{name}/restore", status=202)
    assert client.get("/appearance")["shared"]["theme"] == "sepia"
