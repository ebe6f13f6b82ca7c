"""Making a smaller model of one: what can be had, and begin. Knows no type of weights."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field

from fabula.app import Studio
from fabula.server.caller import caller_of
from fabula.server.native import shapes
from fabula.server.native.bodies import Body


class Quantize(Body):
    """`threads` 0 = as many as there are cores; `imatrix` is a file on the studio's machine."""

    type: str = Field(max_length=40)
    name: str = Field("", max_length=200)
    threads: int = Field(0, ge=0, le=1024)
    force: bool = False
    imatrix: str = Field("", max_length=4096)


def router(studio: Studio) -> APIRouter:
    routes = APIRouter(prefix="/models", tags=["Models"])

    @routes.get("/{name:path}/quantize")
    async def offers(name: str) -> dict[str, Any]:
        """All types, each with the size that the model would have."""
        return {"types": await studio.making.quantizations(name)}

    @routes.post("/{name:path}/quantize", status_code=202)
    async def quantize(name: str, body: Quantize, request: Request) -> dict[str, Any]:
        """Make a model with fewer bits per weight of this one, in the background."""
        job = await studio.making.quantize(
            name,
            body.type,
            name=body.name,
            threads=body.threads,
            force=body.force,
            importance=body.imatrix,
        )
        return shapes.job(job, caller_of(request).language)

    return routes
