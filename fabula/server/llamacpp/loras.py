"""The adapters of a model by number, as llama.cpp has them. Knows no engine and no file.

Their scales are those that the studio keeps for the model: a change here is a change there.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request

from fabula.app import Studio
from fabula.core.errors import BadParameter
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.server.bodies import any_of
from fabula.server.current import named_or_current
from fabula.server.llamacpp import parse
from fabula.server.routing import Routes


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["llama.cpp"])

    @routes.get("/lora-adapters")
    async def adapters(request: Request, model: str = "") -> list[dict[str, Any]]:
        """The adapters that are attached to a model, with their usual scales."""
        found = named_or_current(studio, request, model)
        return [
            {"id": number, "path": name, "scale": scale, "task_name": "", "prompt_prefix": ""}
            for number, (name, scale) in enumerate(_attached(studio, found))
        ]

    @routes.post("/lora-adapters")
    async def scale(request: Request, model: str = "") -> dict[str, bool]:
        """Sets the usual scale of every adapter; those that are not listed are off."""
        found = named_or_current(studio, request, model)
        rows = any_of(await request.body())
        if not isinstance(rows, list):
            raise BadParameter("body", f"{rows!r}"[:80], phrase("expected.lora_rows"))
        wanted = parse.scaled(parse.lora_rows(rows, "body"), names(studio, found), "body")
        for name, strength in wanted.items():
            await studio.shelf.attach(found, name, strength)
        return {"success": True}

    return routes


def _attached(studio: Studio, model: LocalModel) -> tuple[tuple[str, float], ...]:
    return studio.shelf.load_options(model).adapters or ()


def names(studio: Studio, model: LocalModel) -> tuple[str, ...]:
    """In the order of their numbers."""
    return tuple(name for name, _ in _attached(studio, model))
