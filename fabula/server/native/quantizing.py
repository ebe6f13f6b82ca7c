"""Making a smaller model of one, and importance matrices: what can be had, and begin. Knows no weights."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from pydantic import Field

from fabula.app import Studio
from fabula.server.caller import caller_of
from fabula.server.native import shapes
from fabula.server.native.bodies import Body
from fabula.server.routing import Routes


class Quantize(Body):
    """`threads` 0 = as many as there are cores; `split` is bytes of a part. Files on the studio's machine are
    `imatrix`, `imatrix_from` (a text to compute one from) and `text` (to measure over)."""

    type: str = Field(max_length=40)
    name: str = Field("", max_length=200)
    threads: int = Field(0, ge=0, le=1024)
    force: bool = False
    imatrix: str = Field("", max_length=4096)
    imatrix_from: str = Field("", max_length=4096)
    measure: bool = True
    probes: bool = True
    text: str = Field("", max_length=4096)
    split: int = Field(0, ge=0, le=1 << 60)


class Imatrix(Body):
    """`text` and `out` are files on the studio's machine, `chunks` pieces of 512 tokens (0 = all)."""

    text: str = Field(max_length=4096)
    out: str = Field("", max_length=4096)
    chunks: int = Field(0, ge=0, le=1 << 30)
    threads: int = Field(0, ge=0, le=1024)


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/models", tags=["Models"])

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
            importance_from=body.imatrix_from,
            measure=body.measure,
            probes=body.probes,
            text=body.text,
            part_size=body.split,
        )
        return shapes.job(job, caller_of(request).language)

    @routes.post("/{name:path}/imatrix", status_code=202)
    async def imatrix(name: str, body: Imatrix, request: Request) -> dict[str, Any]:
        """Compute an importance matrix of the model from a text, in the background."""
        made = {"text": body.text, "out": body.out, "chunks": body.chunks, "threads": body.threads}
        job = await studio.making.imatrix(name, **made)
        return shapes.job(job, caller_of(request).language)

    return routes
