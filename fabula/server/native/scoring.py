"""How likely models find texts, and how far two are apart, over the native API. Knows no engine."""

from __future__ import annotations

import array
import asyncio
import base64
import math
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import HTTPException, Request

from fabula.app import Studio
from fabula.core.load import Wish, wish_of
from fabula.core.sampling import Sampling
from fabula.core.scoring import Captured, Scored
from fabula.core.stream import Choice
from fabula.core.worker import Pieces
from fabula.server.native import bodies
from fabula.server.routing import Routes

Json = dict[str, Any]
Answer = TypeVar("Answer")
LOOK_S = 0.5
CLIENT_GONE = 499  # told to nobody


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/models", tags=["Scoring"])

    @routes.post("/{name:path}/score")
    async def score(name: str, body: bodies.Score, request: Request) -> Json:
        """The log-probability of every token of a text."""
        model = studio.find_model(name)
        work = studio.scoring.score(model, _pieces(body), body.likeliest, _wish(body), swap=body.swap)
        scored = await _while_wanted(request, work)
        return {"model": model.name, **_scored(scored)}

    @routes.post("/{name:path}/capture")
    async def capture(name: str, body: bodies.Capture, request: Request) -> Json:
        """What goes on inside the model while it reads a text."""
        model, sampling = studio.find_model(name), Sampling.of(body.sampling)
        asked = (_pieces(body), body.tensors, body.keep, sampling, _wish(body))
        found = await _while_wanted(request, studio.scoring.capture(model, *asked, swap=body.swap))
        tokens = next((captured.tokens for captured in found.values()), 0)
        told = {tensor: _captured(captured, body.values) for tensor, captured in found.items()}
        return {"model": model.name, "tokens": tokens, "tensors": told}

    @routes.post("/{name:path}/perplexity")
    async def perplexity(name: str, body: bodies.Perplexity, request: Request) -> Json:
        """How surprised the model is by a text of any length."""
        model = studio.find_model(name)
        asked = (body.text, body.window, _wish(body))
        made = await _while_wanted(request, studio.scoring.perplexity(model, *asked, swap=body.swap))
        told = {"tokens": made.tokens, "counted": made.counted, "windows": made.windows}
        return {"model": model.name, "perplexity": made.value, **told}

    @routes.post("/{name:path}/choices")
    async def choices(name: str, body: bodies.Choices, request: Request) -> Json:
        """Which of several continuations of one text is the likeliest."""
        model = studio.find_model(name)
        asked = [(continuation,) for continuation in body.continuations]
        work = studio.scoring.choices(model, (body.prefix,), asked, _wish(body), swap=body.swap)
        found = await _while_wanted(request, work)
        rows = [
            {"text": text, "logprobs": list(row), "total": sum(row), "mean": sum(row) / max(len(row), 1)}
            for text, row in zip(body.continuations, found, strict=True)
        ]
        best = max(range(len(rows)), key=lambda index: sum(found[index]))
        return {"model": model.name, "choices": rows, "best": best}

    @routes.post("/{name:path}/compare")
    async def compare(name: str, body: bodies.Compare, request: Request) -> Json:
        """How far another model is from this one over a text."""
        model, other = studio.find_model(name), studio.find_model(body.other)
        work = studio.scoring.compare(model, other, body.text, _wish(body), swap=body.swap)
        made = await _while_wanted(request, work)
        first, second = made.perplexities()
        return {
            "model": model.name,
            "other": other.name,
            "tokens": made.tokens,
            "kl": made.kl,
            "largest_kl": max(row.kl for row in made.rows),
            "same_top": made.same_top,
            "perplexity": first,
            "other_perplexity": second,
            "on_disk": made.on_disk,
        }

    return routes


async def _while_wanted(request: Request, work: Coroutine[Any, Any, Answer]) -> Answer:
    """The answer; the work ends when nobody waits for it any more."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=LOOK_S)
            if not task.done() and await request.is_disconnected():
                raise HTTPException(CLIENT_GONE)
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _wish(body: bodies.Exact) -> Wish:
    return wish_of(body.load, body.keep_alive)


def _captured(captured: Captured, values: str) -> Json:
    """Rows as numbers, or all of them as base64 of 32-bit floats, little-endian."""
    width = captured.width
    told = {"rows": captured.rows, "width": width}
    if values == "base64":
        return told | {"base64": base64.b64encode(captured.data).decode()}
    numbers = array.array("f", captured.data)
    if sys.byteorder == "big":
        numbers.byteswap()
    kept = range(0, len(numbers), width)
    return told | {"values": [[_finite(value) for value in numbers[at : at + width]] for at in kept]}


def _pieces(body: bodies.Score | bodies.Capture) -> Pieces:
    return (tuple(body.tokens),) if body.tokens else (body.text,)


def _scored(scored: Scored) -> Json:
    """JSON has no infinity: what is impossible has null."""
    logprobs: list[float | None] = [None, *(_finite(value) for value in scored.logprobs)]
    likeliest = [(), *scored.likeliest] if scored.likeliest else [()] * len(scored.ids)
    rows = zip(scored.ids, scored.texts, logprobs, likeliest, strict=True)
    return {
        "tokens": [
            {"id": id, "text": text, "logprob": logprob, "likeliest": [_choice(row) for row in best]}
            for id, text, logprob, best in rows
        ],
        "total": sum(scored.logprobs),
        "perplexity": scored.perplexity,
    }


def _choice(choice: Choice) -> Json:
    return {"id": choice.id, "text": choice.text, "logprob": _finite(choice.logprob)}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
