"""What a model would take, here or on another machine. Knows no formula."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Request
from pydantic import Field

from fabula.app import Studio
from fabula.engine.llamacpp.loading import answered_arguments
from fabula.engine.oracle import EngineOracle
from fabula.engine.speed.estimate import estimate
from fabula.engine.speed.shelf import Speeds
from fabula.models.fit.asking import Question, kv_of
from fabula.models.fit.telling import answer_data
from fabula.server.caller import caller_of
from fabula.server.native.bodies import Body
from fabula.server.routing import Routes

MOST_BYTES = 1 << 50
Name = Annotated[str, Field(min_length=1, max_length=2000)]


class Fit(Body):
    """Sizes are bytes. 0 and "" are what is not said; `vram` −1 is this machine's own."""

    target: str = Field(min_length=1, max_length=2000)
    context: int = Field(0, ge=0, le=100_000_000)
    kv_type: str = Field("", max_length=40)
    slots: int = Field(0, ge=0, le=256)
    ram: int = Field(0, ge=0, le=MOST_BYTES)
    vram: int = Field(-1, ge=-1, le=MOST_BYTES)
    gpu: str = Field("", max_length=80)
    adapters: tuple[Name, ...] = Field((), max_length=32)  # names or files, and so the next two
    projector: str = Field("", max_length=2000)
    draft: str = Field("", max_length=2000)
    gpu_layers: int | None = Field(None, ge=-1, le=10_000)  # −1 = as many as fit, null = as it is set
    quantization: str = Field("", max_length=40)  # as if the model had been quantized to this type
    exact: bool = False  # the engine is asked for its own plan

    @property
    def question(self) -> Question:
        kv_type = kv_of(self.kv_type) if self.kv_type else ""
        return Question(**self.model_dump(exclude={"exact"}) | {"kv_type": kv_type})


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["Models"])

    @routes.post("/fit")
    async def fit(body: Fit, request: Request) -> dict[str, Any]:
        """Plan a model of the shelf, a file, a source or a size, for this machine or another one."""
        answer = await asyncio.to_thread(studio.planning.fits.answer, body.question)
        if body.exact:
            answer = await answer.asked(EngineOracle(studio.engines.build))
        speed = await asyncio.to_thread(estimate, answer, Speeds(studio.home.speeds), studio.engines.build)
        return answer_data(answer, answered_arguments(answer), caller_of(request).language, speed)

    return routes
