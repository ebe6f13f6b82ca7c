"""Directions: what was learned, the sets that ship, work with them and what it would do. Knows no weights."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from fabula.app import Studio, directing
from fabula.app.forms import FORMS
from fabula.core.errors import FabulaError
from fabula.core.plots import said
from fabula.server.caller import caller_of
from fabula.server.native import bodies, forms, shapes
from fabula.server.routing import Routes

Json = dict[str, Any]
FEW = 3  # prompts of a set that are shown


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/directions", tags=["Directions"])

    @routes.get("")
    async def list_directions(request: Request) -> Json:
        """All directions, without their layers and plots; why other files there are none is `unreadable`."""
        found, refused = await asyncio.to_thread(_all, studio)
        why = [wrong.sentence(caller_of(request).language) for wrong in refused]
        return {"directions": [_short(one) for one in found], "unreadable": why}

    @routes.get("/sets")
    async def sets() -> Json:
        """The sets of prompts that ship, with a few of each side."""
        return {"sets": await asyncio.to_thread(_sets)}

    _looks(routes, studio)

    @routes.post("", status_code=202)
    async def learn(body: Json, request: Request) -> Json:
        """Learn a direction in the background."""
        job = await directing.learn(studio, forms.read(FORMS["direction"], body))
        return shapes.job(job, caller_of(request).language)

    @routes.get("/{name}")
    async def get(name: str, request: Request) -> Json:
        found = await asyncio.to_thread(_one, studio, name)
        plots = said(found.pop("plots"), caller_of(request).language)
        return {**found, "plots": plots}

    @routes.delete("/{name}", status_code=204)
    async def remove(name: str) -> Response:
        """Delete the direction; adapters and vectors that were made of it stay."""
        await asyncio.to_thread(_remove, studio, name)
        return Response(status_code=204)

    @routes.post("/{name}/export", status_code=202)
    async def export(name: str, body: Json, request: Request) -> Json:
        """Make an adapter, a control vector or a folder for PEFT of it, in the background."""
        asked = forms.read(FORMS["direction_export"], {**body, "direction": name})
        return shapes.job(await directing.export(studio, asked), caller_of(request).language)

    @routes.post("/{name}/write", status_code=202)
    async def write(name: str, body: Json, request: Request) -> Json:
        """Take it out of a model's weights, or add it for good, as a new model, in the background."""
        asked = forms.read(FORMS["direction_write"], {**body, "direction": name})
        return shapes.job(await directing.write(studio, asked), caller_of(request).language)

    @routes.post("/{name}/search", status_code=202)
    async def search(name: str, body: Json, request: Request) -> Json:
        """Try many strengths and layers, and keep what nothing beats, in the background."""
        asked = forms.read(FORMS["direction_search"], {**body, "direction": name})
        return shapes.job(await directing.search(studio, asked), caller_of(request).language)

    return routes


def _looks(routes: Routes, studio: Studio) -> None:
    """What begins nothing."""

    @routes.get("/models")
    async def models(request: Request, direction: str = "") -> Json:
        """Every model, and why it cannot be learned from, or a direction heard, taken out or added there."""
        return {"models": await asyncio.to_thread(_models, studio, direction, caller_of(request).language)}

    @routes.post("/prompts")
    async def prompts(body: bodies.Prompts) -> Json:
        """Prompts of one's own: a text that is kept, or a file of this machine; counted and checked."""
        return await asyncio.to_thread(_prompts, studio, body)

    @routes.post("/{name}/write/look")
    async def look(name: str, body: Json) -> Json:
        """What writing it would touch, and how large the new model gets. Nothing begins."""
        asked = forms.read(FORMS["direction_write"], {**body, "direction": name})
        return await directing.look(studio, asked)


def _models(studio: Studio, direction: str, language: str) -> list[Json]:
    from fabula.lab.directions.looking import choices

    rows = []
    for model, refusals in choices(studio.home, direction):
        told = {what: wrong and wrong.sentence(language) for what, wrong in refusals.items()}
        rows.append({"name": model.name, **{what: sentence or "" for what, sentence in told.items()}})
    return rows


def _prompts(studio: Studio, asked: bodies.Prompts) -> Json:
    from fabula.lab.directions.looking import counted, kept, pasted

    if asked.path:
        return counted(asked.path, asked.column) | {"path": asked.path}
    take = kept if asked.keep else pasted
    return take(studio.home, asked.text, asked.ending, asked.column, asked.title)


def _all(studio: Studio) -> tuple[list[Json], Sequence[FabulaError]]:
    from fabula.lab.directions.saved import Shelf
    from fabula.lab.directions.shown import summary

    found, refused = Shelf(studio.home.directions).look()
    return [summary(one.name, one.told) for one in found], refused


def _one(studio: Studio, name: str) -> Json:
    from fabula.lab.directions.saved import Shelf
    from fabula.lab.directions.shown import summary

    found = Shelf(studio.home.directions).find(name)
    return summary(found.name, found.told) | {"path": str(found.path)}


def _remove(studio: Studio, name: str) -> None:
    from fabula.lab.directions.saved import Shelf

    Shelf(studio.home.directions).remove(name)


def _short(told: Mapping[str, Any]) -> Json:
    left_out = ("plots", "layers", "recipe", "provenance")
    return {name: value for name, value in told.items() if name not in left_out}


def _sets() -> list[Json]:
    from fabula.lab.directions import contrasts

    rows = []
    for name in contrasts.names():
        found = contrasts.contrast(name)
        sides = (("positive", found.positive), ("negative", found.negative))
        examples = {side: [prompt[0]["content"] for prompt in prompts.all[:FEW]] for side, prompts in sides}
        sizes = {"learned": len(found.positive.learn), "held_out": len(found.positive.held)}
        rows.append({"name": name, **sizes, "examples": examples})
    return rows
