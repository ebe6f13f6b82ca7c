"""What hubs have, what a repository offers to this machine, what other programs have on this disk."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field

from fabula.app import Studio
from fabula.core.texts import say
from fabula.models.fit.telling import plan_data
from fabula.models.sources import hubs
from fabula.models.sources.hubs import HubFile
from fabula.models.sources.offers import Hit, Offer, Offers
from fabula.server.caller import caller_of
from fabula.server.native.bodies import Body
from fabula.store.files import free_space

Json = dict[str, Any]


class Place(Body):
    """`ollama`, `lmstudio`, `huggingface`, `ollama:NAME`, or a folder on the studio's machine."""

    place: str = Field(min_length=1, max_length=4096)


def router(studio: Studio) -> APIRouter:
    routes = APIRouter(tags=["Search"])

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
        return {"found": [hit(row, caller_of(request).language) for row in found]}

    @routes.get("/search/offers")
    async def offers(
        request: Request,
        of: str = Query(min_length=1, max_length=2000),
        context: int = Query(0, ge=0, le=100_000_000),
    ) -> Json:
        """The files of a repository or of a well-known model, each with size and verdict, one recommended."""
        found = await studio.fetching.offers(of, studio.planning.fits, context)
        free = free_space(studio.home.models)
        return offered(found, caller_of(request).language) | {"free": free, "folder": str(studio.home.models)}

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


def hit(row: Hit, language: str) -> Json:
    planned = plan_data(row.plan, language) if row.plan else None
    return dataclasses.asdict(row.found) | {
        "source": row.found.source,
        "verdict": row.plan.verdict if row.plan else "",
        "plan": planned,
    }


def offered(found: Offers, language: str) -> Json:
    return {
        "source": found.source,
        "offers": [offer(row, found, language) for row in found.offers],
        "recommended": found.best.source if found.best else "",
        "why": found.why.say(language),
        "needed": found.needed,
        "projector": file(found.projector) if found.projector else None,
        "unneeded": [
            file(row.file) | {"why": say(f"models.offers.unneeded.{row.why}", language)}
            for row in found.unneeded
        ],
        "header_requests": found.header_requests,
    }


def offer(row: Offer, found: Offers, language: str) -> Json:
    return {
        "source": row.source,
        "name": row.model.name,
        "format": row.model.format,
        "quantization": row.label,
        "size": row.model.size,
        "files": [file(each) for each in row.model.files],
        "verdict": row.plan.verdict,
        "basis": row.basis,
        "plan": plan_data(row.plan, language),
        "recommended": row is found.best,
        "out": say(f"models.offers.out.{row.out}", language) if row.out else "",
    }


def file(row: HubFile) -> Json:
    return {"path": row.path, "size": row.size, "sha256": row.sha256}
