"""What hubs have, what a repository offers to this machine, what other programs have on this disk."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import Query, Request
from pydantic import Field

from fabula.app import Studio
from fabula.models.sources import hubs
from fabula.models.sources.telling import hit_data, offers_data
from fabula.server.caller import caller_of
from fabula.server.native.bodies import Body
from fabula.server.routing import Routes
from fabula.store.files import free_space

Json = dict[str, Any]


class Place(Body):
    """`ollama`, `lmstudio`, `huggingface`, `ollama:NAME`, or a folder on the studio's machine."""

    place: str = Field(min_length=1, max_length=4096)


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["Search"])

    @routes.get("/search")
    async def search(
        request: Request,
        text: str = Query(min_length=1, max_length=200),
        author: str = Query("", max_length=100),
        format: Literal["gguf", "safetensors", "any"] = "gguf",
        fits: bool = False,
        hub: Literal["hf", "ms"] = "hf",
        limit: int = Query(20, ge=1, le=100),
    ) -> Json:
        """Repositories of a hub, the most fetched first."""
        wanted = hubs.Query(text=text, author=author, format="" if format == "any" else format, limit=limit)
        found = await studio.fetching.search(wanted, hub, studio.planning.fits, fits=fits)
        return {"found": [hit_data(row, caller_of(request).language) for row in found]}

    @routes.get("/search/offers")
    async def offers(
        request: Request,
        of: str = Query(min_length=1, max_length=2000),
        context: int = Query(0, ge=0, le=100_000_000),
    ) -> Json:
        """The files of a repository or of a well-known model, each with size and verdict, one recommended."""
        found = await studio.fetching.offers(of, studio.planning.fits, context)
        free = free_space(studio.home.models)
        return offers_data(found, caller_of(request).language) | {
            "free": free,
            "folder": str(studio.home.models),
        }

    @routes.get("/places")
    async def places() -> Json:
        """Where other programs keep models on this disk."""
        return {"places": studio.fetching.places()}

    @routes.post("/places")
    async def use(body: Place) -> Json:
        """Their models stand on the shelf from now on, and stay where they are."""
        studio.fetching.use_place(body.place)
        return {"places": studio.fetching.places()}

    @routes.post("/places/forget")
    async def forget(body: Place) -> Json:
        studio.fetching.forget_place(body.place)
        return {"places": studio.fetching.places()}

    return routes
