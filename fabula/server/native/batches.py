"""The rows of a batch: what they will be asked with, and one validated answer for each. Knows no table.

Who has the rows keeps them and what became of them (`fabula batch` does); the studio sees to each one's turn.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from fabula.app import Studio
from fabula.batches.answer import RETRIES, Answer
from fabula.core.load import wish_of
from fabula.core.messages import Message
from fabula.core.request import Context
from fabula.server.answering import CLIENT_GONE, ClientGone, until_gone
from fabula.server.caller import caller_of
from fabula.server.native.bodies import Body, KeepAlive, Values
from fabula.server.routing import Routes
from fabula.turn import structure
from fabula.turn.request import TurnRequest

MOST_RETRIES = 20


class Check(Body):
    model: str = ""
    sampling: Values = Field(default_factory=dict)


class Row(Body):
    """`retries` are for a schema that failed, an empty reply and a failing engine, each with another seed."""

    text: str
    system: str = ""
    model: str = ""
    sampling: Values = Field(default_factory=dict)
    retries: int = Field(RETRIES, ge=0, le=MOST_RETRIES)
    load: Values = Field(default_factory=dict)
    keep_alive: KeepAlive = None


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/batches", tags=["Batches"])

    @routes.post("/check")
    async def check(body: Check, request: Request) -> dict[str, Any]:
        """The model's whole name and the sampling with its preset; a form that cannot be kept is refused."""
        model = studio.find_model(body.model)
        sampling = await studio.presets.sampling(caller_of(request).owner_id, body.sampling)
        structure.check(sampling)
        return {"model": model.name, "sampling": sampling.changed()}

    @routes.post("/answer", response_model=None)
    async def answer(body: Row, request: Request) -> Response:
        """One row's answer, checked; people come first. Going away stops it."""
        caller, model = caller_of(request), studio.find_model(body.model)
        system = (Message(role="system", text=body.system),) if body.system else ()
        asked = TurnRequest(
            model=model.name,
            sampling=await studio.presets.sampling(caller.owner_id, body.sampling),
            context=Context(caller),
            messages=(*system, Message(role="user", text=body.text)),
            wish=wish_of(body.load, body.keep_alive),
        )
        try:
            found = await until_gone(request, studio.answers.answer(asked, body.retries))
        except ClientGone:
            return Response(status_code=CLIENT_GONE)
        return JSONResponse(shape(found, model.name, caller.language))

    return routes


def shape(answer: Answer, model: str, language: str) -> dict[str, Any]:
    """`seed` is the one that was used, null where nothing was written."""
    return {
        "status": answer.status,
        "answer": answer.text,
        "reason": answer.reason.say(language) if answer.reason else "",
        "looks_refused": answer.looks_refused,
        "attempts": answer.attempts,
        "model": model,
        "seed": answer.effective.get("seed"),
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "milliseconds": answer.milliseconds,
        "engine_failed": answer.engine_failed,
        "effective": answer.effective,
        "ignored": list(answer.ignored),
    }
