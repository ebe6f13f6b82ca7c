"""Well-known models and what is recommended of them. Knows no rule and no hub."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import Field

from fabula.app import Studio
from fabula.app.advising import advise
from fabula.engine.speed.shelf import Speeds
from fabula.models.community import sayings, table
from fabula.models.fit.asking import Question
from fabula.models.known.entries import Task
from fabula.models.known.own import known, named
from fabula.models.known.telling import advice_data, entry_data, row_data
from fabula.models.recommend import SLOWEST, Wish
from fabula.server.caller import caller_of
from fabula.server.native.bodies import Body
from fabula.server.routing import Routes

MOST_BYTES = 1 << 50


class Recommend(Body):
    """Sizes are bytes. 0 and "" are what is not said; `vram` −1 is this machine's own."""

    task: Task | None = None
    language: str = Field("", max_length=20)
    context: int = Field(8192, ge=1, le=100_000_000)
    ram: int = Field(0, ge=0, le=MOST_BYTES)
    vram: int = Field(-1, ge=-1, le=MOST_BYTES)
    gpu: str = Field("", max_length=80)
    slowest: float = Field(SLOWEST, ge=0, le=1e6)  # tokens per second
    low: bool = False  # types below three bits, too
    anywhere: bool = False  # models whose GGUF was seen nowhere, too
    plans: bool = False  # each with its whole memory plan

    @property
    def wish(self) -> Wish:
        return Wish(
            task=self.task or "",
            language=self.language.lower(),
            context=self.context,
            two_bits=self.low,
            slowest=self.slowest,
            anywhere=self.anywhere,
        )

    @property
    def question(self) -> Question:
        return Question(target="", ram=self.ram, vram=self.vram, gpu=self.gpu)


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["Models"])

    @routes.post("/recommend")
    async def recommend(body: Recommend, request: Request) -> dict[str, Any]:
        """Well-known models for a task, here or on another machine, best first, with what was ruled out."""
        rows, build, speeds = known(studio.home.catalog), studio.engines.build, Speeds(studio.home.speeds)
        here = studio.planning.machine()
        found = await asyncio.to_thread(advise, rows, body.question, body.wish, here, build, speeds)
        language = caller_of(request).language
        data = advice_data(found.advice, body.wish, language, plans=body.plans)
        return data | {"basis": found.basis.say(language)}

    @routes.get("/recommend/table")
    async def community(request: Request) -> dict[str, Any]:
        """What fits on cards of 6 to 48 GB by size of model, and how fast: the community's table, planned."""
        language = caller_of(request).language

        def planned() -> dict[str, Any]:
            return table.data(language) | {"sayings": sayings.data(language)}

        return await asyncio.to_thread(planned)

    @routes.get("/catalog")
    async def catalog(task: Annotated[Task | None, Query()] = None) -> dict[str, Any]:
        """All well-known models, the person's own first."""
        rows = known(studio.home.catalog)
        return {"models": [row_data(entry) for entry in rows if task is None or task in entry.tasks]}

    @routes.get("/catalog/{name:path}")
    async def entry(name: str, request: Request) -> dict[str, Any]:
        """What is known of one, statement by statement with who makes it."""
        return entry_data(named(known(studio.home.catalog), name), caller_of(request).language)

    return routes
