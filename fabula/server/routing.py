"""The table of routes: rooms say them, FastAPI works out each one when it is first asked for. Knows no route.

FastAPI reads the types of a route's function as soon as it is said, and once more for each router that it is
included in: 1 to 3 ms for each of more than 400 (measured, FastAPI 0.165), of which a start needs a dozen.
A route that takes the request as it is and gives a response, as every dialect's streams do, has nothing to
work out: it is called, and FastAPI is asked for its description only.
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
from starlette.types import Receive, Scope, Send

Answers = TypeVar("Answers", bound=Callable[..., Any])
AS_IT_IS = {"request": "Request", "return": "Response"}
"""What is written on a function that takes the request itself, and gives a response."""
UNTOLD: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""What a request was and how it failed is told to nobody; FastAPI would look for listeners each time."""
LATE = "fabula.route"
"""In the scope of a request: its LateRoute."""


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
        self._is_plain = _is_plain(said)

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

    def lies_at(self, path: str) -> bool:
        return self._place.path_regex.match(path) is not None

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = self._place.matches(scope)
        is_done = match == Match.NONE or self._calls(scope)
        return (match, found) if is_done else self.route.matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._calls(scope):
            response = await self._said.answers(Request(scope, receive, send))
            await response(scope, receive, send)
        else:
            await self.route.handle(scope, receive, send)

    def _calls(self, scope: Scope) -> bool:
        """Whether the function itself answers; to other methods FastAPI tells which one there is."""
        return self._is_plain and scope["method"] == self._said.method


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

    def add(self, said: Said, app: FastAPI) -> None:
        self.all.append(LateRoute(said, app))
        self._at = {}
        if "{" not in said.path:
            self._fixed.add(said.path)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """The first that fits wholly, else the first that fits but for its method."""
        partly: tuple[Match, Scope] = Match.NONE, {}
        if scope["type"] != "http":
            return partly
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
        route: LateRoute = scope[LATE]
        await route.handle(scope, receive, send)


class App(FastAPI):
    """FastAPI with late routes; who asks for `routes`, as its OpenAPI document does, gets them worked out."""

    def __init__(self, **said: Any) -> None:
        super().__init__(telemetry=UNTOLD, **said)

    def include(self, routes: Routes, prefix: str = "") -> None:
        table = next((route for route in self.router.routes if isinstance(route, Table)), None)
        if table is None:
            self.router.routes.append(table := Table())
        for said in routes.said:
            table.add(replace(said, path=prefix + said.path), self)

    @property
    def routes(self) -> list[BaseRoute]:
        found: list[BaseRoute] = []
        for route in self.router.routes:
            found += [late.route for late in route.all] if isinstance(route, Table) else [route]
        return found
