"""The table of routes: rooms say them, FastAPI works out each one when it is first asked for. Knows no route.

FastAPI reads the types of a route's function as soon as it is said, and once more for each router that it is
included in: 1 to 3 ms for each of more than 400 (measured, FastAPI 0.165), of which a start needs a dozen.
A route that takes the request as it is and gives a response, as every dialect's streams do, has nothing to
work out: it is called, past FastAPI and the ten layers that it lays around each route. FastAPI is asked for
its description, and how its failures are told.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from starlette.requests import Request
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Message, Receive, Scope, Send

Answers = TypeVar("Answers", bound=Callable[..., Any])
AS_IT_IS = {"request": "Request", "return": "Response"}
"""What is written on a function that takes the request itself, and gives a response."""
UNTOLD: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""What a request was and how it failed is told to nobody; FastAPI would look for listeners each time."""
LATE = "fabula.route"
"""In the scope of a request: its LateRoute."""
FAILED = "fabula.failed"
"""In the scope of a request that is only to be told how it failed: the exception."""
LONGEST_NUMBER = 18  # digits of a length


@dataclass(frozen=True, slots=True)
class Said:
    """A route as a room says it."""

    method: str
    path: str
    answers: Callable[..., Any]
    kind: type[APIRoute]
    tags: tuple[str, ...]
    in_schema: bool
    more: dict[str, Any] = field(default_factory=dict)  # as `APIRoute` takes it


class Routes:
    """What a room answers. A prefix stands before every path, tags before every route's own.

    `kind` is the class that a route is worked out as.
    """

    def __init__(
        self,
        prefix: str = "",
        tags: Sequence[str] = (),
        kind: type[APIRoute] = APIRoute,
        *,
        in_schema: bool = True,
    ) -> None:
        self._prefix, self._tags, self._kind, self._in_schema = prefix, tuple(tags), kind, in_schema
        self.said: list[Said] = []

    def get(self, path: str, **more: Any) -> Callable[[Answers], Answers]:
        return self._by("GET", path, more)

    def head(self, path: str, **more: Any) -> Callable[[Answers], Answers]:
        return self._by("HEAD", path, more)

    def post(self, path: str, **more: Any) -> Callable[[Answers], Answers]:
        return self._by("POST", path, more)

    def put(self, path: str, **more: Any) -> Callable[[Answers], Answers]:
        return self._by("PUT", path, more)

    def patch(self, path: str, **more: Any) -> Callable[[Answers], Answers]:
        return self._by("PATCH", path, more)

    def delete(self, path: str, **more: Any) -> Callable[[Answers], Answers]:
        return self._by("DELETE", path, more)

    def include(self, others: Routes, prefix: str = "") -> None:
        """Those that others have said by now, as if they had been said here."""
        self.said += [
            replace(
                said,
                path=self._prefix + prefix + said.path,
                tags=self._tags + said.tags,
                in_schema=self._in_schema and said.in_schema,
            )
            for said in others.said
        ]

    def _by(self, method: str, path: str, more: dict[str, Any]) -> Callable[[Answers], Answers]:
        tags = self._tags + tuple(more.pop("tags", ()))
        in_schema = self._in_schema and more.pop("include_in_schema", True)

        def say(answers: Answers) -> Answers:
            self.said.append(Said(method, self._prefix + path, answers, self._kind, tags, in_schema, more))
            return answers

        return say


class LateRoute(BaseRoute):
    """A route that is worked out when a request first comes to its path, if it has to be."""

    def __init__(self, said: Said, app: FastAPI) -> None:
        self._said, self._app = said, app
        self._place = Route(said.path, said.answers, methods=[said.method])
        self.is_plain = _is_plain(said)
        self.is_fixed = "{" not in said.path

    @functools.cached_property
    def route(self) -> APIRoute:
        said = self._said
        limits = {"max_body_size": self._app.router.max_body_size}
        return said.kind(
            said.path,
            said.answers,
            methods=[said.method],
            tags=list(said.tags),
            include_in_schema=said.in_schema,
            dependency_overrides_provider=self._app,
            **(limits | said.more),
        )

    @property
    def method(self) -> str:
        return self._said.method

    def lies_at(self, path: str) -> bool:
        return self._place.path_regex.match(path) is not None

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = self._place.matches(scope)
        is_done = match == Match.NONE or self._calls(scope)
        return (match, found) if is_done else self.route.matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._calls(scope):
            await self.call(scope, receive, send)
        else:
            await self.route.handle(scope, receive, send)

    async def call(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._said.answers(Request(scope, receive, send))
        await response(scope, receive, send)

    def _calls(self, scope: Scope) -> bool:
        """Whether the function itself answers; to other methods FastAPI tells which one there is."""
        return self.is_plain and scope["method"] == self.method


def _is_plain(said: Said) -> bool:
    """Whether FastAPI would only hand the request on, and the response back."""
    answers, alone = said.answers, said.kind is APIRoute and said.more == {"response_model": None}
    return alone and inspect.iscoroutinefunction(answers) and answers.__annotations__ == AS_IT_IS


class Table(BaseRoute):
    """All late routes as one. They are tried in their order; which of them a path without parameters can mean
    is found out once."""

    def __init__(self) -> None:
        self.all: list[LateRoute] = []
        self._fixed: set[str] = set()
        self._at: dict[str, list[LateRoute]] = {}
        self._plain_at: dict[str, dict[str, LateRoute]] = {}  # by path and method

    def add(self, said: Said, app: FastAPI) -> None:
        self.all.append(route := LateRoute(said, app))
        self._at, self._plain_at = {}, {}
        if route.is_fixed:
            self._fixed.add(said.path)

    def plain(self, path: str, method: str) -> LateRoute | None:
        """The route that answers there, where it has neither parameters nor anything to work out."""
        if path not in self._fixed:
            return None
        if path not in self._plain_at:
            first = {route.method: route for route in reversed(self._near(path))}
            plain = {said: route for said, route in first.items() if route.is_plain and route.is_fixed}
            self._plain_at[path] = plain
        return self._plain_at[path].get(method)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """The first that fits wholly, else the first that fits but for its method."""
        partly: tuple[Match, Scope] = Match.NONE, {}
        if scope["type"] != "http":
            return partly
        if FAILED in scope:
            return Match.FULL, {}
        for route in self._near(scope["path"]):
            match, found = route.matches(scope)
            if match == Match.FULL:
                return match, {**found, LATE: route}
            if match == Match.PARTIAL and partly[0] == Match.NONE:
                partly = match, {**found, LATE: route}
        return partly

    def _near(self, path: str) -> list[LateRoute]:
        if path not in self._fixed:
            return self.all
        if path not in self._at:
            self._at[path] = [route for route in self.all if route.lies_at(path)]
        return self._at[path]

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if FAILED in scope:
            raise scope[FAILED]
        route: LateRoute = scope[LATE]
        await route.handle(scope, receive, send)


class App(FastAPI):
    """FastAPI with late routes; who asks for `routes`, as its OpenAPI document does, gets them worked out."""

    def __init__(self, **said: Any) -> None:
        super().__init__(telemetry=UNTOLD, **said)
        self._table = Table()
        self.router.routes.append(self._table)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._short_way(scope)
        if route is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        has_begun = False

        async def noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await route.call(scope, receive, noted)
        except Exception as failure:
            if has_begun:  # it has its status already
                raise
            await super().__call__({**scope, FAILED: failure}, receive, send)

    def _short_way(self, scope: Scope) -> LateRoute | None:
        """A route that may be called at once: a body that has told its length need not be counted."""
        if scope["type"] != "http":
            return None
        route = self._table.plain(scope["path"], scope["method"])
        return route if route and self._has_length(scope) else None

    def _has_length(self, scope: Scope) -> bool:
        most = self.router.max_body_size
        said = [value for name, value in scope["headers"] if name == b"content-length"]
        if len(said) != 1 or not said[0].isdigit() or len(said[0]) > LONGEST_NUMBER:
            return False
        return most is None or int(said[0]) <= most

    def include(self, routes: Routes, prefix: str = "") -> None:
        for said in routes.said:
            self._table.add(replace(said, path=prefix + said.path), self)

    @property
    def routes(self) -> list[BaseRoute]:
        others = [route for route in self.router.routes if route is not self._table]
        return [*others, *(late.route for late in self._table.all)]
