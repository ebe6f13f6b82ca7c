"""Which route answers: the first that fits; FastAPI works out only those where there is something to do."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import Request
from fastapi.responses import PlainTextResponse, Response

from fabula.server.routing import App, Routes


def app_of(routes: Routes) -> App:
    app = App(openapi_url=None)
    app.include(routes, prefix="/room")
    return app


async def asked(
    app: App, path: str, method: str = "GET", body: bytes = b"", length: str | None = None
) -> tuple[int, str, dict[str, str]]:
    """Status, text and headers. "" as a length is none."""
    heard: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        heard.append(message)

    said = f"{len(body)}" if length is None else length
    told = [(b"content-length", said.encode())] if said else []
    scope = {"type": "http", "method": method, "path": path, "headers": told, "query_string": b""}
    await app(scope, receive, send)
    text = b"".join(message.get("body", b"") for message in heard[1:]).decode()
    headers = {name.decode(): value.decode() for name, value in heard[0]["headers"]}
    return heard[0]["status"], text, headers


def rooms() -> Routes:
    routes = Routes()

    @routes.post("/echo", response_model=None)
    async def echo(request: Request) -> Response:
        return PlainTextResponse(await request.body())

    @routes.get("/echo")
    async def count(times: int = 1) -> int:
        return times

    @routes.get("/{name}", response_model=None)
    async def named(name: str) -> Response:
        return PlainTextResponse(name)

    @routes.get("/late", response_model=None)
    async def late(request: Request) -> Response:
        return PlainTextResponse("too late")

    return routes


async def test_a_function_of_the_request_alone_answers_without_being_worked_out() -> None:
    app = app_of(rooms())
    assert (await asked(app, "/room/echo", "POST", b"hello"))[:2] == (200, "hello")
    assert not any("route" in vars(late) for late in app.router.routes[-1].all)  # type: ignore[attr-defined]


async def test_of_one_path_the_method_decides() -> None:
    app = app_of(rooms())
    for _ in range(2):  # which routes lie there is found out once
        assert (await asked(app, "/room/echo"))[:2] == (200, "1")
        assert (await asked(app, "/room/echo", "POST", b"hello"))[:2] == (200, "hello")
        status, _, headers = await asked(app, "/room/echo", "PUT")
        assert (status, headers["allow"]) == (405, "POST")


async def test_a_route_with_a_parameter_goes_before_one_that_was_said_later() -> None:
    app = app_of(rooms())
    assert [(await asked(app, f"/room/{name}"))[1] for name in ("late", "other")] == ["late", "other"]
    routes = Routes()

    @routes.get("/late", response_model=None)
    async def first(request: Request) -> Response:
        return PlainTextResponse("first")

    app = App(openapi_url=None)
    app.include(routes, prefix="/room")
    app.include(rooms(), prefix="/room")
    assert (await asked(app, "/room/late"))[1] == "first"


async def test_what_is_included_later_is_found_at_a_path_that_was_asked_for() -> None:
    app = app_of(rooms())
    assert (await asked(app, "/room/echo", "PUT"))[0] == 405
    more = Routes()

    @more.put("/echo", response_model=None)
    async def put(request: Request) -> Response:
        return PlainTextResponse("put")

    app.include(more, prefix="/room")
    assert (await asked(app, "/room/echo", "PUT"))[:2] == (200, "put")


@pytest.mark.parametrize("method", ["HEAD", "DELETE"])
async def test_other_methods_are_told_which_one_there_is(method: str) -> None:
    routes = Routes()

    @routes.get("/plain", response_model=None)
    async def plain(request: Request) -> Response:
        return PlainTextResponse("here")

    status, _, headers = await asked(app_of(routes), "/room/plain", method)
    assert (status, headers["allow"]) == (405, "GET")


class Wrong(Exception):
    pass


def failing(failure: Exception, begins: bool = False) -> App:
    """An app whose one route fails; it tells what is `Wrong` with 418, and all else with 500."""
    routes = Routes()

    class Broken(Response):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise failure

    @routes.post("/fails", response_model=None)
    async def fails(request: Request) -> Response:
        if begins:
            return Broken()
        raise failure

    async def wrong(request: Request, failure: Exception) -> Response:
        return PlainTextResponse(f"wrong: {request.url.path}", 418)

    async def unexpected(request: Request, failure: Exception) -> Response:
        return PlainTextResponse("unexpected", 500)

    app = app_of(routes)
    app.add_exception_handler(Wrong, wrong)
    app.add_exception_handler(Exception, unexpected)
    return app


@pytest.mark.parametrize("length", [None, ""])
async def test_a_failure_is_told_as_the_app_tells_it_on_both_ways(length: str | None) -> None:
    class Worse(Wrong):
        pass

    answer = await asked(failing(Worse()), "/room/fails", "POST", b"1", length)
    assert answer[:2] == (418, "wrong: /room/fails")
    with pytest.raises(ValueError, match="nobody knows it"):  # told, and raised again for the server's log
        await asked(failing(ValueError("nobody knows it")), "/room/fails", "POST", b"1", length)


async def test_a_failure_in_the_midst_of_an_answer_begins_no_second_one() -> None:
    heard: list[Any] = []

    async def send(message: Any) -> None:
        heard.append(message["type"])

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "path": "/room/fails", "query_string": b""}
    with pytest.raises(Wrong):
        await failing(Wrong(), begins=True)(scope | {"headers": [(b"content-length", b"0")]}, receive, send)
    assert heard == ["http.response.start"]


@pytest.mark.parametrize("length", [None, "", "5"])
async def test_no_body_is_longer_than_the_app_allows(length: str | None) -> None:
    app = App(openapi_url=None, max_body_size=4)
    app.include(rooms())
    assert (await asked(app, "/echo", "POST", b"1234"))[:2] == (200, "1234")
    assert (await asked(app, "/echo", "POST", b"12345", length))[0] == 413


def test_the_description_has_every_route() -> None:
    assert [(route.path, *route.methods) for route in app_of(rooms()).routes] == [  # type: ignore[attr-defined]
        ("/room/echo", "POST"),
        ("/room/echo", "GET"),
        ("/room/{name}", "GET"),
        ("/room/late", "GET"),
    ]
