"""The table of routes: rooms say them, FastAPI works out each one when it is first asked for. Knows no route.

FastAPI reads the types of a route's function as soon as it is said, and once more for each router that it is
included in: 1 to 3 ms for each of more than 400 (measured, FastAPI 0.165), of which a start needs a dozen.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

Answers = TypeVar("Answers", bound=Callable[..., Any])


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
    """A route that is worked out when a request first comes to its path."""

    def __init__(self, said: Said, app: FastAPI) -> None:
        self._said, self._app = said, app
        self._place = Route(said.path, said.answers, methods=[said.method])

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

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, nothing = self._place.matches(scope)
        return (match, nothing) if match == Match.NONE else self.route.matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.route.handle(scope, receive, send)


class App(FastAPI):
    """FastAPI with late routes; who asks for `routes`, as its OpenAPI document does, gets them worked out."""

    def include(self, routes: Routes, prefix: str = "") -> None:
        self.router.routes += [
            LateRoute(replace(said, path=prefix + said.path), self) for said in routes.said
        ]

    @property
    def routes(self) -> list[BaseRoute]:
        return [route.route if isinstance(route, LateRoute) else route for route in self.router.routes]
