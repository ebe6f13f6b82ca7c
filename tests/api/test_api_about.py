"""What a studio tells of itself: how far it is open, its home, a report, what an import would bring."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from fabula.store.home import Home


async def test_a_studio_tells_that_only_this_machine_reaches_it(api: httpx.AsyncClient) -> None:
    reach = (await api.get("/reach")).json()
    assert (reach["private"], reach["addresses"], reach["encrypted"], reach["keys"]) == (True, [], False, 0)


async def test_what_is_set_for_the_next_start_is_told_beside_what_is(api: httpx.AsyncClient) -> None:
    await api.patch("/settings", json={"host": "0.0.0.0"})
    reach = (await api.get("/reach")).json()
    assert (reach["private"], reach["next"]["private"]) == (True, False)
    rows = {row["name"]: row for row in (await api.get("/settings")).json()["settings"]}
    assert (rows["host"]["holds"], rows["host"]["waits"]) == ("start", True)
    assert (rows["engine.slots"]["holds"], rows["engine.keep_alive"]["holds"]) == ("load", "now")
    assert rows["engine.slots"]["environment"] == "FABULA_ENGINE_SLOTS"
    assert "256" in rows["engine.slots"]["expected"]


async def test_a_link_comes_with_its_code(api: httpx.AsyncClient) -> None:
    await api.patch("/settings", json={"server.names": "studio.example"})
    await api.post("/keys", json={"name": "phone"})
    made = (await api.post("/keys/phone/link")).json()
    (code,) = made["codes"]
    assert len(code) == len(code[0])
    assert set("".join(code)) == {"0", "1"}
    assert code[0].startswith("1111111")  # the corner that cameras look for
    assert (await api.get("/reach")).json()["addresses"] == ["https://studio.example"]


async def test_no_link_leads_where_the_studio_will_only_listen_later(api: httpx.AsyncClient) -> None:
    await api.patch("/settings", json={"host": "0.0.0.0"})
    await api.post("/keys", json={"name": "phone"})
    assert (await api.post("/keys/phone/link")).json()["links"] == []


async def test_the_home_is_told_part_by_part(api: httpx.AsyncClient, home: Home) -> None:
    told = (await api.get("/system/home")).json()
    sizes = {part["name"]: part["size"] for part in told["parts"]}
    assert sizes["models"] == (home.models / "tiny.gguf").stat().st_size
    assert told["free"] > 0


async def test_a_report_names_nobody_and_no_secret(api: httpx.AsyncClient, home: Home) -> None:
    changes = {"model.default": "my-secret-model", "server.names": "box.example", "engine.slots": 2}
    await api.patch("/settings", json=changes)
    await api.post("/chats", json={"title": "A private matter"})
    await api.post("/models/tiny/load")
    report = (await api.get("/system/report")).json()["text"]
    assert "engine.slots: 2 (file)" in report
    assert "model.default: set (file)" in report
    assert "Loaded: none" not in report
    for private in ("my-secret-model", "box.example", "A private matter", "tiny", str(home.path)):
        assert private not in report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with one character and one lorebook that cannot be read."""
    place = tmp_path / "tavern"
    for name in ("characters", "worlds"):
        (place / name).mkdir(parents=True)
    card = {"spec": "chara_card_v2", "spec_version": "2.0", "data": {"name": "Odile"}}
    (place / "characters" / "Odile.json").write_text(json.dumps(card))
    (place / "worlds" / "Broken.json").write_text("{")
    return place


async def test_a_rehearsal_tells_what_an_import_does_and_does_nothing(
    api: httpx.AsyncClient, folder: Path, home: Home
) -> None:
    told = (await api.post("/import/rehearse", json={"folder": str(folder)})).json()
    assert (await api.get("/characters")).json()["characters"] == []
    done = (await api.post("/import", json={"folder": str(folder)})).json()
    assert told == done
    again = (await api.post("/import/rehearse", json={"folder": str(folder)})).json()
    assert [kind["already"] for kind in again["kinds"] if kind["kind"] == "characters"] == [1]
    assert not list(home.path.glob(".rehearsal-*"))


async def test_a_rehearsal_of_no_such_folder_says_so(api: httpx.AsyncClient, tmp_path: Path) -> None:
    refused = await api.post("/import/rehearse", json={"folder": str(tmp_path / "nowhere")})
    assert refused.json()["error"]["code"] == "folder_unreadable"
