"""The answer to: how many tokens would this request read? Knows no dialect's words."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from fabula.app import Studio
from fabula.server.answering import CLIENT_GONE, ClientGone, until_gone
from fabula.server.asking import Ask, requests_of
from fabula.server.bodies import ignored_header

IMAGES = "images in the count"


async def counted(studio: Studio, request: Request, ask: Ask, **head: Any) -> Response:
    """Of the first conversation, as the model's own tokenizer has it; `head` stands before the number."""
    asked = requests_of(request, ask, studio.find_model(ask.model).name)[0]
    try:
        tokens = await until_gone(request, studio.turns.count(asked))
    except ClientGone:
        return Response(status_code=CLIENT_GONE)
    uncounted = (IMAGES,) if any(message.images for message in asked.messages) else ()
    ignored = sorted((*ask.ignored, *uncounted))
    told = {**head, "input_tokens": tokens, "fabula": {"ignored": ignored}}
    return JSONResponse(told, headers=ignored_header(ignored))
