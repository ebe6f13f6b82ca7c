"""Tokens, likely next tokens and chat prompts under /v1/internal. Knows no engine."""

from __future__ import annotations

import dataclasses
import math
from contextlib import aclosing
from typing import Any, Literal

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from fabula.app import Studio
from fabula.core.errors import BadParameter
from fabula.core.messages import Message
from fabula.core.request import Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished, Token
from fabula.core.texts import phrase
from fabula.server.answering import CLIENT_GONE, ClientGone, until_gone
from fabula.server.asking import SAMPLING_FIELDS, named
from fabula.server.bodies import body_of, get, ids_in, ignored_header, joined, plain, unknown
from fabula.server.caller import caller_of
from fabula.server.current import current, named_or_current
from fabula.server.routing import Routes
from fabula.server.wire_names import translated
from fabula.turn.request import TurnRequest

Json = dict[str, Any]
TOP, MOST_TOP = 50, 100  # likely tokens
Spoken = Literal["system", "user", "assistant", "tool"]
SPEAKERS: dict[str, Spoken] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
HANDLED = frozenset({"prompt", "top_logits", "use_samplers", "model"})


def router(studio: Studio) -> Routes:
    routes = Routes()

    @routes.post("/encode")
    async def encode(request: Request) -> Json:
        """The tokens of `text`, with the model's own first one."""
        ids = await _ids(studio, request)
        return {"tokens": ids, "length": len(ids)}

    @routes.post("/token-count")
    async def token_count(request: Request) -> Json:
        return {"length": len(await _ids(studio, request))}

    @routes.post("/decode")
    async def decode(request: Request) -> Json:
        ids = ids_in(await body_of(request), "tokens")
        return {"text": await studio.measures.detokenize(current(studio, request), ids)}

    @routes.post("/logits", response_model=None)
    async def logits(request: Request) -> Response:
        """How likely the model finds each next token, before any sampler."""
        try:
            return await until_gone(request, _logits(studio, request))
        except ClientGone:
            return Response(status_code=CLIENT_GONE)

    @routes.post("/chat-prompt")
    async def chat_prompt(request: Request) -> Json:
        """The text that a chat is to the model."""
        body = await body_of(request)
        model = named_or_current(studio, request, get(body, "model", str, ""))
        messages = _messages(body)
        looked = await studio.turns.look(
            TurnRequest(
                model=model.name,
                messages=messages,
                continues=messages[-1].role == "assistant",
                context=Context(caller_of(request)),
            )
        )
        return {"prompt": looked.text}

    return routes


async def _ids(studio: Studio, request: Request) -> list[int]:
    text = get(await body_of(request), "text", str, "")
    return await studio.measures.tokenize(current(studio, request), text, add_special=True)


async def _logits(studio: Studio, request: Request) -> Response:
    body, unheeded = translated(await body_of(request))
    model = named_or_current(studio, request, get(body, "model", str, ""))
    top = min(max(get(body, "top_logits", int, TOP), 1), MOST_TOP)
    asked = Sampling.of(named(body, {}))  # a wrong value is refused, also where it changes nothing
    sampling = dataclasses.replace(
        Sampling(), temperature=0.0, max_tokens=1, logprobs=top, ignore_eos=False, logit_bias=asked.logit_bias
    )
    wanted = [*unheeded, *unknown(body, HANDLED | SAMPLING_FIELDS)]
    wanted += ["use_samplers"] if get(body, "use_samplers", bool, False) else []
    turn = studio.turns.stream(
        TurnRequest(
            model=model.name,
            prompt=(plain(get(body, "prompt", str, ""), "prompt"),),
            sampling=sampling,
            context=Context(caller_of(request)),
            reasoning_format="none",
        )
    )
    found: dict[str, float] = {}
    ignored: tuple[str, ...] = ()
    async with aclosing(turn) as deltas:
        async for delta in deltas:
            if isinstance(delta, Token) and not found:
                rows = ((choice.text, math.exp(choice.logprob)) for choice in delta.likeliest)
                for text, likelihood in rows:  # several tokens may have one text: the likeliest counts
                    found.setdefault(text, likelihood)
            elif isinstance(delta, Finished):
                ignored = delta.ignored
    told = tuple(dict.fromkeys((*wanted, *ignored)))
    return JSONResponse({"logits": found, "ignored": list(told)}, headers=ignored_header(told))


# ── messages ────────────────────────────────────────────────────────────────────────────────────────────


def _messages(body: Json) -> tuple[Message, ...]:
    rows = get(body, "messages", list, [])
    if not rows:
        raise BadParameter("messages", f"{rows}", phrase("expected.messages"))
    return tuple(_message(row, f"messages[{index}]") for index, row in enumerate(rows))


def _message(row: Any, where: str) -> Message:
    if not isinstance(row, dict):
        raise BadParameter(where, f"{row!r}"[:80], phrase("expected.message"))
    role = SPEAKERS.get(f"{row.get('role')}")
    if role is None:
        names = phrase("expected.one_of", names=", ".join(SPEAKERS))
        raise BadParameter(f"{where}.role", f"{row.get('role')}"[:80], names)
    return Message(
        role=role, text=_text(row.get("content"), f"{where}.content"), name=get(row, "name", str, "")
    )


def _text(content: Any, where: str) -> str:
    """Text, or a list of texts; what is no text has no place in a prompt that is only shown."""
    if content is None or isinstance(content, str):
        return plain(content or "", where)
    if not isinstance(content, list):
        raise BadParameter(where, f"{content!r}"[:80], phrase("expected.content"))
    parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
    if len(parts) != len(content) or not all(isinstance(part, str) for part in parts):
        raise BadParameter(where, f"{content!r}"[:80], phrase("expected.text"))
    return joined([plain(part, where) for part in parts if isinstance(part, str)], where)[0]
