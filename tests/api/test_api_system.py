"""The machine, the settings, the texts, the studio's events, backups, and the API's own description."""

from __future__ import annotations

import json
import re
import time
import zipfile
from pathlib import Path

import httpx
import pytest
from stage import Stage
from talking import NATIVE, Client

from fabula.core import texts
from fabula.store.home import Home

DOCUMENTED = Path(__file__).parents[2] / "docs" / "api.md"


async def test_health_answers(api: httpx.AsyncClient) -> None:
    assert (await api.get("/health")).json() == {"ok": True}


def test_system_tells_the_machine_and_what_runs(client: Client, home: Home) -> None:
    client.post("/models/tiny/load")
    system = client.get("/system")
    shown = {"version", "home", "languages", "starter", "machine", "running", "suggestions", "addresses"}
    assert set(system) == shown | {"appearance", "began", "reach", "rooms"}
    assert 0 < system["began"] <= time.time()
    assert (system["home"], system["languages"]) == (str(home.path), ["en", "zh-Hant", "zh-Hans"])
    assert system["starter"]["present"] is False
    assert {"system", "processor", "cores", "memory", "memory_available", "gpus"} <= set(system["machine"])
    (running,) = system["running"]
    shown = {"model", "pid", "busy", "waiting", "loaded_at", "expires_at", "memory", "measured", "plan"}
    shown |= {"engine", "why", "reported", "off"}
    assert (set(running), running["model"], running["busy"]) == (shown, "tiny", 0)
    assert running["expires_at"] > running["loaded_at"]


def test_models_and_jobs_are_told_with_it_where_they_are_asked_for(client: Client) -> None:
    system = client.get("/system", also=["models", "jobs"])
    for name in ("models", "jobs"):
        assert {name: system[name]} == client.get(f"/{name}")
    client.call("GET", "/system", 400, params={"also": "keys"})


async def test_suggestions_are_reasoned_in_the_readers_language(api: httpx.AsyncClient) -> None:
    whys = []
    for language in texts.LANGUAGES:
        answer = await api.get("/system", headers={"accept-language": language})
        whys.append([row["why"] for row in answer.json()["suggestions"]])
    english, traditional, simplified = whys
    assert len(english) == len(traditional)
    assert all(a != b for a, b in zip(english, traditional, strict=True))
    assert all(re.search(r"[一-鿿]", why) for why in simplified)


def test_the_reach_of_the_machine_is_a_well_known_model(client: Client) -> None:
    reach = client.get("/system")["reach"]
    known = {row["name"]: row["parameters"] for row in client.get("/catalog")["models"]}
    assert reach["largest_parameters"] == known[reach["largest"]]
    assert 0 < reach["quick_parameters"] <= reach["largest_parameters"]


@pytest.mark.parametrize("language", texts.LANGUAGES)
async def test_texts_are_the_catalogue(api: httpx.AsyncClient, language: str) -> None:
    tree = (await api.get(f"/texts/{language}")).json()
    assert tree["errors"]["chat_not_found"] == texts.say(
        "errors.chat_not_found", language, chat_id="{chat_id}"
    )


async def test_an_unknown_language_is_refused_with_those_there_are(api: httpx.AsyncClient) -> None:
    answer = await api.get("/texts/tlh")
    assert answer.status_code == 400
    assert "zh-Hant" in answer.json()["error"]["message"]


async def test_settings_are_changed_and_returned_to_their_default(api: httpx.AsyncClient, home: Home) -> None:
    changed = (await api.patch("/settings", json={"engine.slots": 2})).json()["settings"]
    (slots,) = [row for row in changed if row["name"] == "engine.slots"]
    assert (slots["value"], slots["default"], slots["where"]) == (2, 0, "file")
    assert slots["about"]
    assert "slots = 2" in home.config.read_text()
    back = (await api.patch("/settings", json={"engine.slots": None})).json()["settings"]
    assert [row["where"] for row in back if row["name"] == "engine.slots"] == ["default"]
    assert (await api.get("/settings")).json()["settings"] == back


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"engine.slots": 2, "no.such": 1}, "setting_unknown"),
        ({"engine.slots": 2, "port": "high"}, "setting_invalid"),
        ({"engine.slots": 2, "\ud800": 1}, "bad_parameter"),
    ],
)
async def test_one_wrong_setting_changes_nothing(
    api: httpx.AsyncClient, change: dict[str, object], code: str, home: Home
) -> None:
    answer = await api.patch(
        "/settings", content=json.dumps(change), headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert not home.config.exists()


def test_the_studios_events_tell_what_happens_from_now_on(client: Client) -> None:
    client.new_chat(title="before")
    with client.events("GET", "/events") as events:
        chat = client.new_chat(title="after")
        client.call("PATCH", "/settings", json={"engine.slots": 1})
        client.post("/models/tiny/load")
        made, settings, models = next(events), next(events), next(events)
    assert (made.kind, made.data["id"], made.data["deleted"]) == ("chat", chat.id, False)
    assert settings.kind == "settings"
    assert (models.kind, models.data["running"][0]["model"]) == ("models", "tiny")


def test_the_studios_events_can_be_picked_up_again(client: Client) -> None:
    with client.events("GET", "/events") as events:
        first = client.new_chat()
        seen = next(events)
    second = client.new_chat()
    with client.events("GET", "/events", headers={"last-event-id": str(seen.id)}) as events:
        missed = next(events)
    assert (seen.data["id"], missed.data["id"], missed.id) == (first.id, second.id, seen.id + 1)


def test_a_turn_is_told_to_the_whole_studio_when_it_begins_and_ends(client: Client) -> None:
    chat = client.new_chat()
    with client.events("GET", "/events") as events:
        chat.say("Hello")
        told = [next(events) for _ in range(3)]
    kinds = {event.kind for event in told}
    assert kinds <= {"chat", "models"}
    assert {event.data["id"] for event in told if event.kind == "chat"} == {chat.id}


def test_a_backup_is_a_zip_in_the_home(client: Client, home: Home) -> None:
    client.new_chat(title="Keep me")
    made = client.post("/backup")
    path = Path(made["path"])
    assert (path.parent, path.stat().st_size) == (home.backups, made["size"])
    assert zipfile.ZipFile(path).testzip() is None
    assert "fabula.db" in zipfile.ZipFile(path).namelist()


async def test_the_description_lists_exactly_the_documented_routes(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    described = (await api.get("http://127.0.0.1/openapi.json")).json()
    assert described["openapi"].startswith("3.")
    native = {
        f"{method.upper()} {path.removeprefix(NATIVE)}"
        for path, methods in described["paths"].items()
        if path.startswith(NATIVE)
        for method in methods
    }
    headings = re.findall(r"^### ((?:GET|POST|PATCH|PUT|DELETE) /\S+)", DOCUMENTED.read_text(), re.MULTILINE)
    assert {_nameless(route) for route in native} == {_nameless(route) for route in headings}


def _nameless(route: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", route)


async def test_the_descriptions_page_loads_nothing_from_elsewhere(api: httpx.AsyncClient) -> None:
    page = await api.get("http://127.0.0.1/docs")
    assert page.status_code == 200
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page.text)
