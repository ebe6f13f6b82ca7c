"""The way in: the web app's files while the studio opens, everything else once it is open."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.responses import PlainTextResponse

from fabula.app import Studio
from fabula.server.door import Door
from fabula.server.http import behind


@pytest.fixture
def door() -> Door:
    return Door()


def reader(door: Door) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url="http://127.0.0.1")


async def test_the_page_and_its_files_need_no_open_studio(door: Door) -> None:
    async with reader(door) as client:
        for path, type in (("/", "text/html"), ("/docs", "text/html"), ("/web/1/app.js", "text/javascript")):
            answer = await client.get(path, headers={"accept": "text/html"})
            assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, type)
            assert "default-src 'self'" in answer.headers["content-security-policy"]


async def test_the_page_tells_the_studios_language_as_it_is_now(studio: Studio) -> None:
    door = Door(studio.settings)
    door.open(PlainTextResponse("here"), studio)
    async with reader(door) as client:
        for language in ("", "zh-Hant"):
            studio.config.change({"language": language})
            page = await client.get("/", headers={"accept": "text/html"})
            assert f'<html lang="en" data-language="{language}">' in page.text


async def test_the_rooms_needs_are_told_before_any_room_is_read(door: Door) -> None:
    async with reader(door) as client:
        early = (await client.get("/web/1/early.js")).text
    assert "{{needs}}" not in early
    assert "views/chat.js" in early


async def test_whoever_wants_no_page_hears_what_clients_of_ollama_look_for(door: Door) -> None:
    async with reader(door) as client:
        assert (await client.get("/")).text == "Ollama is running"
        assert (await client.head("/")).headers["content-length"] == "17"


async def test_everything_else_waits_until_the_studio_is_open(door: Door) -> None:
    async with reader(door) as client:
        asked = [asyncio.create_task(client.get(path)) for path in ("/v1/models", "/web/1/nowhere.js")]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in asked)
        door.open(PlainTextResponse("here"))
        assert [answer.text for answer in await asyncio.gather(*asked)] == ["here", "here"]
        assert (await client.get("/v1/models")).text == "here"


async def test_who_goes_away_while_waiting_takes_it_from_nobody_else(door: Door) -> None:
    async with reader(door) as client:
        gone, stays = (asyncio.create_task(client.get("/v1/models")) for _ in range(2))
        await asyncio.sleep(0.05)
        gone.cancel()
        await asyncio.sleep(0)
        door.open(PlainTextResponse("here"))
        assert (await stays).text == "here"


async def test_a_foreign_page_is_refused_before_the_studio_is_open(door: Door) -> None:
    async with reader(door) as client:
        answer = await client.get("/api/fabula/v1/health", headers={"host": "evil.example"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_host")


async def test_only_routes_that_are_asked_for_are_worked_out(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked_out: list[str] = []
    real = APIRoute.__init__

    def noted(route: APIRoute, path: str, *more: Any, **options: Any) -> None:
        worked_out.append(path)
        real(route, path, *more, **options)

    monkeypatch.setattr(APIRoute, "__init__", noted)
    app = behind(studio)
    paths = ("/api/fabula/v1/models", "/api/tags", "/v1/models", "/v1/models", "/nothing/here")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as asking:
        assert [(await asking.get(path)).status_code for path in paths] == [200, 200, 200, 200, 404]
    # Anthropic's route for "/v1/models" looks at a header before it leaves the path to OpenAI's.
    assert sorted(worked_out) == ["/api/fabula/v1/models", "/api/tags", "/v1/models", "/v1/models"]
