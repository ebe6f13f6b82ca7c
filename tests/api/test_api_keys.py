"""Keys over the API: who needs one, what it opens, how much it may ask for, and browsers that sign in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from talking import NATIVE

from fabula.accounts.keys import SCOPES, Keys
from fabula.app import Studio
from fabula.core.errors import KeyMissing
from fabula.server import scopes
from fabula.server.access_log import AccessLog
from fabula.server.door import Door
from fabula.server.http import behind
from fabula.server.reception import COOKIE

ROOT = "http://192.168.1.5:7341"
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}
Json = dict[str, Any]


@pytest.fixture
def keys(studio: Studio) -> Keys:
    return studio.keys


@pytest.fixture
def door(studio: Studio) -> Door:
    """A studio that listens at 192.168.1.5; the key of its studio.json is `own`."""
    studio.config.change({"host": "192.168.1.5"})
    studio.began = studio.settings  # as if it had been started so
    door = Door(studio.settings, studio_key="own", log=AccessLog(studio.home.logs))
    door.open(behind(studio), studio)
    return door


def asking(door: Door, peer: str, base_url: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(door, client=(peer, 5000))
    return httpx.AsyncClient(transport=transport, base_url=base_url)


@pytest_asyncio.fixture
async def phone(door: Door) -> AsyncIterator[httpx.AsyncClient]:
    """Another device in the same network."""
    async with asking(door, "192.168.1.9", ROOT) as client:
        yield client


@pytest_asyncio.fixture
async def desk(door: Door) -> AsyncIterator[httpx.AsyncClient]:
    """A program on the studio's own machine."""
    async with asking(door, "127.0.0.1", "http://127.0.0.1:7341") as client:
        yield client


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


# ── who needs one ───────────────────────────────────────────────────────────────────────────────────


async def test_this_machine_needs_no_key_and_may_send_any_text_as_one(desk: httpx.AsyncClient) -> None:
    for headers in ({}, bearer("sk-anything"), {"x-api-key": "none"}):
        assert (await desk.get(f"{NATIVE}/keys", headers=headers)).status_code == 200


async def test_another_device_needs_one(phone: httpx.AsyncClient) -> None:
    for path in (f"{NATIVE}/chats", "/v1/models", f"{NATIVE}/nowhere", "/openapi.json"):
        answer = await phone.get(path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.json()["error"]["message"] == KeyMissing().sentence()


async def test_the_web_apps_files_are_free(phone: httpx.AsyncClient) -> None:
    for path in ("/", "/login", "/docs", "/web/1/app.js", f"{NATIVE}/health", f"{NATIVE}/texts/en"):
        assert (await phone.get(path)).status_code == 200, path


async def test_every_header_that_clients_use_is_read(phone: httpx.AsyncClient, keys: Keys) -> None:
    _, secret = await keys.add("phone")
    for headers in (
        bearer(secret),
        {"authorization": f"bearer {secret}"},
        {"x-api-key": secret},
        {"api-key": secret},
    ):
        assert (await phone.get("/v1/models", headers=headers)).status_code == 200


async def test_a_wrong_a_removed_and_an_old_key_open_nothing(phone: httpx.AsyncClient, keys: Keys) -> None:
    _, secret = await keys.add("phone")
    await keys.add("old", expires_in=1)
    await keys.remove("phone")
    for wrong in (secret, "fab_x", "own2", "\u00e9"):
        answer = await phone.get("/v1/models", headers={b"x-api-key": wrong.encode()})  # type: ignore[dict-item]
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "key_unknown")


async def test_what_a_proxy_passed_on_does_not_come_from_this_machine(desk: httpx.AsyncClient) -> None:
    for name in ("x-forwarded-for", "forwarded", "x-real-ip", "via", "x-forwarded-host"):
        assert (await desk.get(f"{NATIVE}/chats", headers={name: "203.0.113.7"})).status_code == 401, name


async def test_a_request_over_loopback_for_another_name_needs_a_key(
    studio: Studio, desk: httpx.AsyncClient
) -> None:
    studio.config.change({"server.names": "studio.example"})
    assert (await desk.get(f"{NATIVE}/chats", headers={"host": "studio.example"})).status_code == 401
    assert (await desk.get(f"{NATIVE}/chats", headers={"host": "other.example"})).status_code == 403


async def test_a_setting_asks_for_a_key_on_this_machine_too(studio: Studio, desk: httpx.AsyncClient) -> None:
    studio.config.change({"server.key_on_loopback": True})
    assert (await desk.get(f"{NATIVE}/chats")).status_code == 401
    assert (await desk.get(f"{NATIVE}/chats", headers=bearer("own"))).status_code == 200  # commands of fabula
    assert (await desk.get(f"{NATIVE}/health")).status_code == 200


async def test_only_its_own_names_are_answered(studio: Studio, phone: httpx.AsyncClient) -> None:
    studio.config.change({"server.names": "studio.example, fe80::1"})
    answered = ("192.168.1.5:7341", "192.168.1.5", "studio.example", "STUDIO.example:80", "[fe80::1]:80")
    for host in (*answered, "192.168.1.6", "x", "studio.example.evil"):
        answer = await phone.get(f"{NATIVE}/health", headers={"host": host})
        assert answer.status_code == (200 if host in answered else 403), host


# ── what it opens ───────────────────────────────────────────────────────────────────────────────────


async def test_every_native_route_is_in_the_table_of_scopes(desk: httpx.AsyncClient) -> None:
    paths = (await desk.get("/openapi.json")).json()["paths"]
    catch_all = scopes.ROWS.index(next(row for row in scopes.ROWS if row.beginning == scopes.NATIVE))
    unlisted = [
        (method, path)
        for path, methods in paths.items()
        if path.startswith(NATIVE)
        for method in map(str.upper, methods)
        if not any(row.fits(method, path) for row in scopes.ROWS[:catch_all])
    ]
    assert unlisted == []


async def test_what_changes_models_is_no_chat_in_any_dialect(desk: httpx.AsyncClient) -> None:
    paths = (await desk.get("/openapi.json")).json()["paths"]
    words = (
        "/load",
        "/unload",
        "/pull",
        "/push",
        "/create",
        "/copy",
        "/delete",
        "/blobs",
        "/lora",
        "/reload",
    )
    asks = ("/v1/internal/lora/list", "/lora-adapters", "/api/extra/data/load")
    found = {
        (method, path)
        for path, methods in paths.items()
        if not path.startswith(NATIVE) and path not in asks and any(word in path for word in words)
        for method in map(str.upper, methods)
    }
    assert found
    assert [row for row in found if scopes.needed(*row) != "models"] == []


OPENS = [
    ("chat", "GET", f"{NATIVE}/chats"),
    ("chat", "POST", f"{NATIVE}/tokenize"),
    ("chat", "POST", f"{NATIVE}/models/a/score"),
    ("chat", "POST", "/v1/chat/completions"),
    ("models", "POST", f"{NATIVE}/models/tiny/load"),
    ("models", "POST", f"{NATIVE}/models/a/score/unload"),
    ("models", "DELETE", f"{NATIVE}/models/tiny"),
    ("models", "POST", f"{NATIVE}/models/pull"),
    ("models", "GET", f"{NATIVE}/jobs"),
    ("models", "POST", "/api/pull"),
    ("admin", "PATCH", f"{NATIVE}/settings"),
    ("admin", "GET", f"{NATIVE}/keys"),
    ("admin", "POST", f"{NATIVE}/something/new"),
]


async def test_a_key_opens_what_its_scopes_say(phone: httpx.AsyncClient, keys: Keys) -> None:
    for other in SCOPES:
        _, secret = await keys.add(f"only {other}", [other])
        for scope, method, path in OPENS:
            answer = await phone.request(method, path, headers=bearer(secret), json={"odd": 1})
            assert (answer.status_code == 403) == (other != scope), (other, path, answer.text)
            assert other == scope or f"--scope {scope}" in answer.text


async def test_jobs_are_told_with_the_system_to_whom_they_may_be_told(
    phone: httpx.AsyncClient, keys: Keys
) -> None:
    for allowed, told in ((["chat"], False), (["chat", "models"], True)):
        _, secret = await keys.add(f"visitor {len(allowed)}", allowed)
        answer = await phone.get(f"{NATIVE}/system?also=models&also=jobs", headers=bearer(secret))
        assert ("models" in answer.json(), "jobs" in answer.json()) == (True, told)


async def test_a_key_counts_on_this_machine_too(desk: httpx.AsyncClient, keys: Keys) -> None:
    _, secret = await keys.add("script")
    assert (await desk.get(f"{NATIVE}/keys", headers=bearer(secret))).status_code == 403


# ── how much ────────────────────────────────────────────────────────────────────────────────────────


async def test_past_its_limit_a_key_is_told_when_to_come_again_in_the_dialects_shape(
    phone: httpx.AsyncClient, keys: Keys
) -> None:
    _, secret = await keys.add("phone", requests="2/min")
    for _ in range(2):
        assert (await phone.get("/v1/models", headers=bearer(secret))).status_code == 200
    shapes = {
        f"{NATIVE}/chats": {"error"},
        "/v1/models": {"error"},
        "/v1/messages": {"type", "error", "request_id"},
    }
    for path, shape in shapes.items():
        answer = await phone.get(path, headers=bearer(secret))
        assert (answer.status_code, set(answer.json())) == (429, shape)
        assert 25 <= int(answer.headers["retry-after"]) <= 30
        assert "2/min" in answer.json()["error"]["message"]


async def test_tokens_of_a_reply_count(phone: httpx.AsyncClient, keys: Keys) -> None:
    _, secret = await keys.add("phone", tokens="5/h")
    first = await phone.post("/v1/chat/completions", headers=bearer(secret), json=CHAT)
    assert first.json()["usage"]["total_tokens"] > 5
    second = await phone.post("/v1/chat/completions", headers=bearer(secret), json=CHAT)
    assert (second.status_code, second.json()["error"]["code"]) == (429, "rate_limited")


async def test_when_a_key_was_used_is_told(
    phone: httpx.AsyncClient, desk: httpx.AsyncClient, keys: Keys
) -> None:
    _, secret = await keys.add("phone")
    await phone.get("/v1/models", headers=bearer(secret))
    [row] = (await desk.get(f"{NATIVE}/keys")).json()["keys"]
    assert row["used_at"] >= row["created_at"] > 0


# ── made and removed ────────────────────────────────────────────────────────────────────────────────


async def test_a_key_is_made_listed_and_removed(desk: httpx.AsyncClient, phone: httpx.AsyncClient) -> None:
    asked = {"name": "phone", "scopes": ["chat", "models"], "requests": "60/min", "expires_in": "30d"}
    made = await desk.post(f"{NATIVE}/keys", json=asked)
    key, secret = made.json()["key"], made.json()["secret"]
    assert (made.status_code, key["requests"], key["scopes"]) == (201, "60/min", ["chat", "models"])
    assert key["expires_at"] - key["created_at"] == 30 * 86_400
    listed = (await desk.get(f"{NATIVE}/keys")).text
    assert secret not in listed
    assert key["beginning"] in listed
    assert (await phone.get("/v1/models", headers=bearer(secret))).status_code == 200
    assert (await desk.delete(f"{NATIVE}/keys/phone")).status_code == 204
    assert (await phone.get("/v1/models", headers=bearer(secret))).status_code == 401


async def test_what_makes_no_key_is_refused(desk: httpx.AsyncClient) -> None:
    wrong: list[Json] = [
        {"name": "a", "scopes": ["root"]},
        {"name": "a", "requests": "60"},
        {"name": "a", "expires_in": "soon"},
        {"name": "a", "expires_in": 1e300},
        {"name": "../x"},
        {"nam": "a"},
    ]
    for body in wrong:
        assert (await desk.post(f"{NATIVE}/keys", json=body)).status_code == 400, body
    assert (await desk.get(f"{NATIVE}/keys")).json()["keys"] == []


# ── browsers ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_browser_shows_its_key_once(phone: httpx.AsyncClient, keys: Keys) -> None:
    _, secret = await keys.add("phone")
    assert (await phone.get(f"{NATIVE}/session")).json() == {"needs_key": True, "key": None}
    signed = await phone.post(f"{NATIVE}/session", json={"key": secret})
    cookie = signed.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=strict", "path=/", "max-age=2592000"))
    assert secret not in cookie
    assert (await phone.get(f"{NATIVE}/chats")).status_code == 200
    assert (await phone.get(f"{NATIVE}/session")).json()["key"]["name"] == "phone"
    assert (await phone.delete(f"{NATIVE}/session")).status_code == 204
    phone.cookies.set(COOKIE, cookie.partition("=")[2].partition(";")[0])
    assert (await phone.get(f"{NATIVE}/chats")).status_code == 401  # the studio forgot it too


async def test_over_tls_the_cookie_stays_there(phone: httpx.AsyncClient, keys: Keys) -> None:
    _, secret = await keys.add("phone")
    headers = {"x-forwarded-proto": "https"}
    signed = await phone.post(f"{NATIVE}/session", json={"key": secret}, headers=headers)
    assert "secure" in signed.headers["set-cookie"].lower()


async def test_a_link_signs_one_browser_in(
    phone: httpx.AsyncClient, desk: httpx.AsyncClient, keys: Keys, door: Door
) -> None:
    await keys.add("phone")
    made = (await desk.post(f"{NATIVE}/keys/phone/link")).json()
    page, _, link = made["links"][0].partition("#")
    assert page.startswith("http://192.168.1.5:")
    assert page.endswith("/login")
    assert (await phone.post(f"{NATIVE}/session", json={"link": link})).status_code == 200
    assert (await phone.get(f"{NATIVE}/chats")).status_code == 200
    async with asking(door, "192.168.1.10", ROOT) as other:
        assert (await other.post(f"{NATIVE}/session", json={"link": link})).status_code == 401


async def test_a_wrong_key_signs_nobody_in(phone: httpx.AsyncClient) -> None:
    for body in ({"key": "fab_x"}, {"link": "x"}, {"key": "\x00"}):
        answer = await phone.post(f"{NATIVE}/session", json=body)
        assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
    assert (await phone.post(f"{NATIVE}/session", json={})).status_code == 400


# ── pages of others ─────────────────────────────────────────────────────────────────────────────────

PAGE = {"origin": "https://app.example"}
BEFORE = PAGE | {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}


async def test_a_listed_page_may_use_the_api_and_its_browser_is_told_so(
    studio: Studio, desk: httpx.AsyncClient
) -> None:
    studio.config.change({"server.cors_origins": "https://app.example, http://localhost:3000"})
    asked = await desk.options("/v1/chat/completions", headers=BEFORE)
    assert (asked.status_code, asked.headers["access-control-allow-headers"]) == (204, "authorization")
    answer = await desk.post("/v1/chat/completions", json=CHAT, headers=PAGE)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, PAGE["origin"])
    assert answer.headers["vary"] == "Origin"
    other = await desk.get("/v1/models", headers={"origin": "https://app.example.evil"})
    assert (other.status_code, "access-control-allow-origin" in other.headers) == (403, False)


async def test_any_page_needs_a_key_on_this_machine_too(
    studio: Studio, desk: httpx.AsyncClient, keys: Keys
) -> None:
    studio.config.change({"server.cors_origins": "*"})
    assert (await desk.options("/v1/models", headers=BEFORE)).status_code == 204
    refused = await desk.get("/v1/models", headers=PAGE)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "*")
    assert "access-control-allow-credentials" not in refused.headers
    _, secret = await keys.add("page")
    assert (await desk.get("/v1/models", headers=PAGE | bearer(secret))).status_code == 200


async def test_a_page_of_another_origin_is_not_signed_in_by_the_browsers_cookie(
    studio: Studio, phone: httpx.AsyncClient, keys: Keys
) -> None:
    studio.config.change({"server.cors_origins": "https://app.example"})
    _, secret = await keys.add("phone")
    await phone.post(f"{NATIVE}/session", json={"key": secret})
    assert (await phone.get("/v1/models")).status_code == 200
    assert (await phone.get("/v1/models", headers=PAGE)).status_code == 401


# ── the access log ──────────────────────────────────────────────────────────────────────────────────


def logged(studio: Studio) -> list[Json]:
    return [json.loads(line) for line in (studio.home.logs / "access.log").read_text().splitlines()]


async def test_the_access_log_tells_who_came_and_what_it_cost_but_nothing_that_was_said(
    studio: Studio, phone: httpx.AsyncClient, desk: httpx.AsyncClient, keys: Keys
) -> None:
    _, secret = await keys.add("phone")
    said = {"model": "tiny", "messages": [{"role": "user", "content": "A riddle"}]}
    await phone.post("/v1/chat/completions?why=riddle", json=said, headers=bearer(secret))
    await phone.get("/v1/models")
    await desk.get(f"{NATIVE}/chats")
    await desk.get("/web/1/app.js")
    first, second, third = logged(studio)
    assert (first["caller"], first["path"], first["status"]) == ("phone", "/v1/chat/completions", 200)
    assert (first["model"], first["from"]) == ("tiny", "192.168.1.9")
    assert first["tokens"] > 5
    assert (second["caller"], second["status"]) == ("", 401)
    assert (third["caller"], third["method"]) == ("local", "GET")
    text = (studio.home.logs / "access.log").read_text()
    assert not any(word in text for word in ("riddle", "traveller", secret, "Bearer"))


async def test_the_access_log_can_be_off(studio: Studio, desk: httpx.AsyncClient) -> None:
    studio.config.change({"server.access_log": False})
    await desk.get(f"{NATIVE}/chats")
    assert not (studio.home.logs / "access.log").exists()
