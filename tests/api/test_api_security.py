"""Who may talk to the studio, what leaves it, and what odd input does to it."""

from __future__ import annotations

import json

import httpx
import pytest
from talking import NATIVE, Client

from fabula.core.errors import ForeignHost, ForeignOrigin
from fabula.server.http import MAX_BODY
from fabula.server.static import FOLDER

ROOT = "http://127.0.0.1"
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:7341", "localhost:80", "LOCALHOST", "[::1]:7341"])
async def test_this_machines_names_are_let_in(api: httpx.AsyncClient, host: str) -> None:
    assert (await api.get("/health", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:7341",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "127.0.0.1:x",
    ],
)
async def test_another_host_name_is_refused(api: httpx.AsyncClient, host: str) -> None:
    answer = await api.get("/health", headers={"host": host})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_host")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:9999", "null", "file://", "http://[", "chrome://x"]
)
async def test_another_origin_is_refused_and_nothing_is_done(api: httpx.AsyncClient, origin: str) -> None:
    for method, path in (("POST", "/chats"), ("GET", "/models"), ("OPTIONS", "/chats")):
        answer = await api.request(method, path, json={}, headers={"origin": origin})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_origin")
        assert "access-control-allow-origin" not in answer.headers
    assert (await api.get("/chats")).json() == {"chats": [], "total": 0}


async def test_the_studios_own_origin_is_let_in(api: httpx.AsyncClient) -> None:
    headers = {"host": "localhost:7341", "origin": "http://localhost:7341"}
    assert (await api.post("/chats", json={}, headers=headers)).status_code == 201


@pytest.mark.parametrize("language", ["en", "zh-Hant", "zh-Hans"])
async def test_a_refusal_is_told_in_the_callers_language(api: httpx.AsyncClient, language: str) -> None:
    wanted = {"accept-language": language}
    host = await api.get("/health", headers=wanted | {"host": "evil.example"})
    origin = await api.get("/health", headers=wanted | {"origin": "http://evil.example"})
    assert host.json()["error"]["message"] == ForeignHost("evil.example").sentence(language)
    assert origin.json()["error"]["message"] == ForeignOrigin("http://evil.example").sentence(language)


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/openapi.json", f"{NATIVE}/health", f"{NATIVE}/chats/x", "/v1/models", "/nowhere"]
)
async def test_every_answer_carries_the_security_headers(api: httpx.AsyncClient, path: str) -> None:
    headers = (await api.get(ROOT + path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "'unsafe-inline'" not in policy
    assert "'unsafe-eval'" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"


async def test_a_refusal_carries_them_too(api: httpx.AsyncClient) -> None:
    answer = await api.get("/health", headers={"host": "evil.example"})
    assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "../__main__.py",
        "..%2f__main__.py",
        "%2e%2e/__main__.py",
        "vendor/../../__main__.py",
        "..%5c__main__.py",
        "%2fetc%2fpasswd",
        "//etc/passwd",
        "style",
        "nowhere.js",
        "index.html%00.js",
        "x" * 5000,
    ],
)
async def test_nothing_outside_the_web_folder_is_served(api: httpx.AsyncClient, path: str) -> None:
    assert (FOLDER.parent / "__main__.py").exists()
    answer = await api.get(f"{ROOT}/web/1/{path}", follow_redirects=True)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_such_route")


async def test_a_file_of_the_web_app_has_its_type_and_is_kept(api: httpx.AsyncClient) -> None:
    answer = await api.get(f"{ROOT}/web/1/app.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", f"{NATIVE}/nowhere", 404),
        ("PUT", f"{NATIVE}/chats", 405),
        ("DELETE", f"{NATIVE}/settings", 405),
        ("POST", f"{NATIVE}/health", 405),
    ],
)
@pytest.mark.parametrize("language", ["en", "zh-Hans"])
async def test_an_unknown_route_or_method_is_told(
    api: httpx.AsyncClient, method: str, path: str, status: int, language: str
) -> None:
    answer = await api.request(method, ROOT + path, headers={"accept-language": language})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, "no_such_route")
    assert error["fields"] == {"method": method, "path": path}
    assert path in error["message"]


async def test_in_openais_dialect_an_unknown_route_has_openais_shape(api: httpx.AsyncClient) -> None:
    error = (await api.get(f"{ROOT}/v1/nowhere")).json()["error"]
    assert set(error) == {"message", "type", "param", "code"}


BAD_BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"\xff\xfe",
    b'{"title": 5}',
    b'{"titel": "x"}',
    b'{"title": "\\ud800"}',
    b'{"sampling": {"\\ud800": 1}}',
    b'{"sampling": {"temperature": "\\ud800"}}',
    b'{"sampling": {"temperature": NaN}}',
    b'{"sampling": {"logit_bias": {"5": NaN}}}',
    b'{"sampling": {"stop": ["\\ud800"]}}',
    b'{"title": "' + b"x" * 1001 + b'"}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
async def test_a_bad_body_is_refused_with_a_sentence(api: httpx.AsyncClient, body: bytes) -> None:
    answer = await api.post("/chats", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_parameter")
    assert (await api.get("/chats")).json() == {"chats": [], "total": 0}


async def test_infinity_is_kept_in_a_way_that_json_can_tell(api: httpx.AsyncClient) -> None:
    for bias in (b"-1e999", b"-Infinity", b'"-inf"'):
        body = b'{"sampling": {"logit_bias": {"5": ' + bias + b"}}}"
        made = await api.post("/chats", content=body, headers=JSON)
        assert made.status_code in (201, 400), made.text
    assert (await api.get("/chats")).status_code == 200


@pytest.mark.parametrize("half", [0, 1])
def test_a_huge_body_is_refused_however_it_comes(client: Client, half: int) -> None:
    def pieces() -> object:
        yield b'{"title": "'
        for _ in range(MAX_BODY // 2**20 + 1):
            yield b"x" * 2**20

    content = pieces() if half else b"".join(pieces())  # type: ignore[arg-type]
    answer = httpx.post(f"{client.address}{NATIVE}/chats", content=content, headers=JSON)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert client.get("/health") == {"ok": True}


async def test_a_long_text_is_taken_whole(api: httpx.AsyncClient) -> None:
    chat = (await api.post("/chats", json={})).json()
    text = "長い話。" * 250_000
    body = {"revision": 1, "role": "user", "text": text}
    assert (await api.post(f"/chats/{chat['id']}/messages", json=body)).status_code == 201
    page = (await api.get(f"/chats/{chat['id']}/messages")).json()
    assert page["messages"][0]["text"] == text


@pytest.mark.parametrize(
    "path",
    [
        "/chats?limit=0",
        "/chats?limit=-1",
        "/chats?limit=100000000000000000000000",
        "/chats?limit=x",
        "/chats?before=x",
        "/chats/{id}/messages?limit=0",
        "/chats/{id}/messages?offset=-1",
        "/chats/{id}/messages?offset=100000000000000000000000",
    ],
)
async def test_a_bad_query_is_refused(api: httpx.AsyncClient, path: str) -> None:
    chat = (await api.post("/chats", json={})).json()
    answer = await api.get(path.format(id=chat["id"]))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_parameter")


async def test_odd_ids_are_only_unknown(api: httpx.AsyncClient) -> None:
    for id in ("%2e%2e%2f", "%00", "x" * 3000, "%F0%9F%92%A9", "a%2Fb", "'; DROP TABLE chats; --"):
        for path in (f"/chats/{id}", f"/turns/{id}/events", f"/jobs/{id}", f"/models/{id}"):
            answer = await api.get(path, follow_redirects=True)
            assert answer.status_code == 404, (path, answer.text)
            assert json.loads(answer.content)["error"]["message"]
