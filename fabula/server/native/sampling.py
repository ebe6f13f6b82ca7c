"""The controls of the sampling, and what settings do to the next word of a chat. Knows no engine."""

from __future__ import annotations

import math
from typing import Any

from fastapi import Request
from pydantic import Field

from fabula.app import Studio
from fabula.chats.foresight import COUNT, At, Foreseen
from fabula.chats.replies import IN_CHATS
from fabula.core.sampling import SAMPLERS
from fabula.core.texts import say
from fabula.engine.sampling.knobs import FAMILIES, KNOBS, Knob
from fabula.server.caller import caller_of
from fabula.server.native.bodies import Body, Values
from fabula.server.routing import Routes

Json = dict[str, Any]
MOST_BARS = 100


class Distribution(Body):
    """`sampling` stands in the place of the chat's own; None is the chat's."""

    sampling: Values | None = None
    at: At = "start"
    fresh: bool = False
    count: int = Field(COUNT, ge=1, le=MOST_BARS)


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["Sampling"])

    @routes.get("/sampling")
    async def knobs(request: Request, model: str | None = None) -> Json:
        """Every control, by family; with a model, whether its engine heeds each."""
        language = caller_of(request).language
        heeds = {} if model is None else await studio.heeds(studio.find_model(model))
        return {
            "families": [
                {"name": name, "title": say(f"sampling.families.{name}", language)} for name in FAMILIES
            ],
            "knobs": [_shape(knob, language) | {"heeded": heeds.get(knob.name, "yes")} for knob in KNOBS],
            "steps": list(SAMPLERS),
        }

    @routes.post("/chats/{chat_id}/distribution")
    async def distribution(chat_id: str, body: Distribution, request: Request) -> Json:
        """What may come next in a chat, before the samplers and after; the model is loaded for it."""
        caller = caller_of(request)
        found = await studio.foresight.look(
            caller, chat_id, body.sampling, at=body.at, fresh=body.fresh, count=body.count
        )
        return _foreseen(found)

    return routes


def _shape(knob: Knob, language: str) -> Json:
    low, high = knob.limits or (None, None)
    return {
        "name": knob.name,
        "title": say(f"sampling.{knob.name}.title", language),
        "about": say(f"sampling.{knob.name}.about", language),
        "family": knob.family,
        "kind": knob.kind,
        "everyday": knob.everyday,
        "default": knob.default,
        "usual": IN_CHATS.get(knob.name, knob.default),
        "neutral": knob.neutral,
        "needs": list(knob.needs),
        "least": low,
        "most": high,
        "slider": None if knob.high is None else {"low": knob.low, "high": knob.high, "step": knob.step},
    }


def _foreseen(found: Foreseen) -> Json:
    """Texts of tokens that are a part of a character have the sign for one that cannot be shown."""
    drawn = found.picture
    return {
        "model": found.model,
        "prompt_tokens": found.prompt_tokens,
        "told": round(found.told, 5),
        "tokens": [
            {"id": bar.token, "text": bar.piece.decode("utf-8", "replace")}
            | {"before": _rounded(bar.before), "after": _rounded(bar.after)}
            for bar in drawn.bars
        ],
        "rest": {"before": _rounded(drawn.rest[0]), "after": _rounded(drawn.rest[1])},
        "choices": {"before": round(drawn.choices[0], 2), "after": round(drawn.choices[1], 2)},
        "left": drawn.tokens,
        "steps": [
            {"name": step.name, "left": step.tokens, "choices": round(step.choices, 2)}
            for step in drawn.steps
        ],
    }


def _rounded(chance: float) -> float:
    return 0.0 if math.isclose(chance, 0, abs_tol=5e-8) else round(chance, 7)
