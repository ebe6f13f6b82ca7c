"""How likely a chat's model finds the tokens of a reply. Knows no engine."""

from __future__ import annotations

import math
from typing import Any

from fastapi import Query, Request

from fabula.app import Studio
from fabula.core.errors import BadParameter
from fabula.core.stream import Choice
from fabula.core.texts import phrase
from fabula.server.caller import caller_of
from fabula.server.routing import Routes

IMPOSSIBLE = -1000.0  # nats: JSON has no infinity


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/chats/{chat_id}/messages/{message_id}", tags=["Chats"])

    @routes.get("/tokens")
    async def tokens(
        chat_id: str, message_id: str, request: Request, likeliest: int = Query(8, ge=1, le=50)
    ) -> dict[str, Any]:
        """Each token of a reply with its probability and the likeliest others, behind the prompt as it would
        be made now. An exact copy of the model scores them."""
        caller = caller_of(request)
        reply = (await studio.chats.path(caller.owner_id, chat_id, upto=message_id, most=1))[-1]
        if reply.role != "assistant" or not reply.text:
            raise BadParameter("message_id", message_id, phrase("expected.reply"))
        name, looked = await studio.replies.look(caller, chat_id, message_id)
        model = studio.find_model(name)
        ids = reply.token_ids if reply.tokenizer == model.tokenizer else ()
        read = len((await studio.scoring.score(model, (looked.text,))).ids)
        scored = await studio.scoring.score(model, (looked.text, ids or reply.text), likeliest)
        rows = list(
            zip(scored.ids, scored.texts, (0.0, *scored.logprobs), ((), *scored.likeliest), strict=True)
        )
        told = [
            {"id": id, "text": text, "logprob": _finite(logprob), "likeliest": [_row(one) for one in best]}
            for id, text, logprob, best in rows[read:]
        ]
        return {"model": model.name, "sampled": bool(ids), "tokens": told}

    return routes


def _row(choice: Choice) -> dict[str, Any]:
    return {"id": choice.id, "text": choice.text, "logprob": _finite(choice.logprob)}


def _finite(value: float) -> float:
    return value if math.isfinite(value) else IMPOSSIBLE
