"""Ollama's routes about models: version, tags, show, ps, copy, delete, push. Knows no engine."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from fabula.app import Studio
from fabula.core.errors import BadParameter, CannotPush, ModelNotFound
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.engine.beside import is_copy
from fabula.models.catalog import ALIASES
from fabula.models.derived import Derived, plain
from fabula.server.bodies import body_of, get
from fabula.server.ollama import listing
from fabula.server.ollama.parse import model_of
from fabula.server.routing import Routes

Json = dict[str, Any]
VERSION = "0.30.0"
"""Of Ollama's API, as clients compare it; Fabula's own stands beside it."""
LONGEST_NAME = 200


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/api", tags=["Ollama"])

    def readable(path: str) -> Callable[[Callable[[], Awaitable[Json]]], Callable[[], Awaitable[Json]]]:
        """GET, and HEAD for clients that only knock."""

        def add(answer: Callable[[], Awaitable[Json]]) -> Callable[[], Awaitable[Json]]:
            routes.get(path)(answer)
            routes.head(path, include_in_schema=False)(answer)
            return answer

        return add

    @readable("/version")
    async def version() -> Json:
        """The version of Ollama's API that is spoken, and Fabula's."""
        return {"version": VERSION, "fabula": studio.version}

    @readable("/tags")
    async def tags() -> Json:
        """All models that can be asked."""
        return {"models": await asyncio.to_thread(_rows, studio)}

    @readable("/ps")
    async def ps() -> Json:
        """Models that are loaded."""
        rows = [row for row in studio.supervisor.running() if not is_copy(row.model)]
        return {"models": [listing.running(studio, row) for row in rows]}

    @routes.post("/show")
    async def show(request: Request) -> Json:
        """One model: its template, parameters and the facts of its header."""
        body = await body_of(request)
        model, verbose = studio.find_model(model_of(body)), get(body, "verbose", bool, False)
        return await asyncio.to_thread(listing.shown, studio, model, verbose=verbose)

    @routes.post("/copy", response_model=None)
    async def copy(request: Request) -> Response:
        """Another name for a model. Nothing is copied but its settings."""
        body = await body_of(request)
        source, name = get(body, "source", str, ""), name_of(get(body, "destination", str, ""), "destination")
        studio.save_derived(named(studio, source, name))
        return Response(status_code=200)

    @routes.delete("/delete", response_model=None)
    async def delete(request: Request) -> Response:
        """Unload a model and delete it; only by its whole name."""
        model = exactly(studio, model_of(await body_of(request)))
        await studio.remove_model(model.name)
        return Response(status_code=200)

    @routes.post("/push", response_model=None)
    async def push(request: Request) -> Response:
        """Refused: Fabula uploads nothing."""
        raise CannotPush(model_of(await body_of(request)))

    return routes


def _rows(studio: Studio) -> list[Json]:
    return [listing.row(studio, model) for model in studio.shelf.all() if not model.problem]


def name_of(text: str, field: str) -> str:
    """A name that a model may be given. Raises BadParameter."""
    name = plain(text)
    letters = name.replace("_", "").replace("-", "").replace(".", "").replace("/", "").replace(":", "")
    if not (name.isascii() and letters.isalnum() and len(name) <= LONGEST_NAME):
        raise BadParameter(field, text[:80], phrase("expected.model_name"))
    return name


def named(studio: Studio, source: str, name: str) -> Derived:
    """A model with all that it has, under another name. Raises ModelNotFound."""
    model = studio.find_model(source)
    told = listing.derived(studio, model)
    return dataclasses.replace(told, name=name) if told else Derived(name=name, base=model.name)


def exactly(studio: Studio, name: str) -> LocalModel:
    """By its whole name or a fixed other one: what is deleted is not guessed. Raises ModelNotFound."""
    model, wanted = studio.find_model(name), plain(name).lower()
    if wanted not in (model.name.lower(), plain(model.name).lower()) and ALIASES.get(wanted) != model.name:
        raise ModelNotFound(name, ", ".join(each.name for each in studio.shelf.all()))
    return model
