"""The routes under /v1. Knows no engine and stores nothing: a client that goes away stops the engine."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, NoReturn
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from fabula.app import Studio
from fabula.core.errors import BadParameter, FabulaError, Unexpected
from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.request import Context
from fabula.core.stream import Delta, Loading, Prepared
from fabula.core.texts import phrase
from fabula.engine.presets.shelf import KEY
from fabula.server.caller import caller_of
from fabula.server.openai import echo, errors, parse, render
from fabula.server.sse import EventStream
from fabula.turn.request import TurnRequest

CLIENT_GONE = 499  # told to nobody
MAX_HEADER = 4000  # characters
log = logging.getLogger(__name__)


def router(studio: Studio) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["OpenAI"])

    @routes.get("/models")
    async def models() -> dict[str, Any]:
        """All models, in OpenAI's list shape; `owned_by` says where the text goes."""
        return {"object": "list", "data": [_model(model) for model in studio.shelf.all()]}

    @routes.get("/models/{name:path}")
    async def model(name: str) -> dict[str, Any]:
        return _model(studio.find_model(name))

    @routes.post("/chat/completions", response_model=None)
    async def chat_completions(request: Request) -> Response:
        """OpenAI's chat completions. The last message may be an assistant's: the model then lengthens it."""
        return await _complete(studio, request, parse.chat, render.ChatShape())

    @routes.post("/completions", response_model=None)
    async def completions(request: Request) -> Response:
        """OpenAI's text completions, from text or token ids."""
        return await _complete(studio, request, parse.completion, render.TextShape())

    return routes


def _model(model: LocalModel) -> dict[str, Any]:
    if model.elsewhere:
        return {"id": model.name, "object": "model", "created": 0, "owned_by": model.elsewhere.host}
    created = int(model.path.stat().st_mtime) if model.path.exists() else 0
    return {"id": model.name, "object": "model", "created": created, "owned_by": "local"}


async def _complete(
    studio: Studio,
    request: Request,
    read: Callable[[dict[str, Any]], parse.Wish],
    shape: render.ChatShape | render.TextShape,
) -> Response:
    wish = read(await _over_preset(studio, request, await body_of(request)))
    model = studio.find_model(wish.model)
    prompts, language = len(wish.conversations or wish.prompts), caller_of(request).language
    answer = render.Answer(shape, model.name, prompts, language)
    try:
        lead: list[echo.Lead] = []
        if wish.scores_prompt:
            wish, lead = await _until_gone(request, echo.leads(studio, model, wish, language))
        turns = _turns(studio, request, wish, model.name, lead)
        if wish.stream:
            # The first delta decides the status: what fails before it is an HTTP error, not a broken stream.
            first = await _until_gone(request, _first_news(turns[0]))
            chunks = _chunks(wish, answer, _merged(first, turns), caller_of(request).language)
            return EventStream(chunks, headers=ignored_header(wish.ignored))
        written = await _until_gone(request, _gather(turns))
    except ClientGone:
        return Response(status_code=CLIENT_GONE)
    body = answer.whole(written, _echoes(wish), wish.wants_logprobs)
    return JSONResponse(body, headers=ignored_header(body["fabula"]["ignored"]))


def ignored_header(names: Sequence[str]) -> dict[str, str]:
    """A header for people who look at the wire; names are the client's and may hold anything."""
    listed = quote(", ".join(names), safe=" ,[]()")[:MAX_HEADER]
    return {"X-Fabula-Ignored": listed} if names else {}


async def body_of(request: Request) -> dict[str, Any]:
    try:
        raw = await request.body()
        body = json.loads(raw, parse_constant=_refuse)
        if b"\\ud" in raw.lower():  # half a character can neither be tokenized nor sent back
            json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as reason:
        shown = raw[:80].decode(errors="replace")
        raise BadParameter("body", shown, phrase("expected.json_object", reason=f"{reason}")) from reason
    if not isinstance(body, dict):
        raise BadParameter("body", f"{body!r}"[:80], phrase("expected.object"))
    return body


async def _over_preset(studio: Studio, request: Request, body: dict[str, Any]) -> dict[str, Any]:
    """The body, over the preset that its field `preset` names."""
    if KEY not in body:
        return body
    named = await studio.presets.laid(caller_of(request).owner_id, {KEY: body[KEY] or ""})
    asked = {name: value for name, value in body.items() if name != KEY}
    return {name: value for name, value in named.items() if name not in parse.HANDLED} | asked


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _turns(
    studio: Studio, request: Request, wish: parse.Wish, model: str, lead: Sequence[echo.Lead] = ()
) -> list[AsyncGenerator[Delta, None]]:
    """One stream per choice, in the order of their index; each behind the tokens of its prompt, if any."""
    if not wish.writes:
        return [echo.led(tokens, echo.unwritten(len(tokens), wish.ignored)) for tokens in lead]
    common: dict[str, Any] = {
        "model": model,
        "context": Context(caller_of(request), siblings=wish.choices),
        "ignored": wish.ignored,
    }
    asked = [
        TurnRequest(messages=messages, continues=_is_open(messages[-1]), **common, **wish.turn)
        for messages in wish.conversations
    ] + [TurnRequest(prompt=prompt, **common, **wish.turn) for prompt in wish.prompts]
    streams = [
        studio.turns.stream(_nth(turn, wish, choice)) for turn in asked for choice in range(wish.choices)
    ]
    return (
        [echo.led(tokens, stream) for tokens, stream in zip(lead, streams, strict=True)] if lead else streams
    )


def _is_open(last: Message) -> bool:
    """An assistant's last message is lengthened, unless it waits for the answers of tools."""
    return last.role == "assistant" and not last.tool_calls


def _nth(turn: TurnRequest, wish: parse.Wish, choice: int) -> TurnRequest:
    """Choices of one seed must differ from each other, and the first be what n = 1 gives."""
    sampling = wish.sampling
    if sampling.seed is not None and choice:
        sampling = dataclasses.replace(sampling, seed=(sampling.seed + choice) % (2**32 - 1))
    return dataclasses.replace(turn, sampling=sampling)


def _echoes(wish: parse.Wish) -> list[str]:
    """What is put in front of each choice's text."""
    if not wish.echo:
        return [""] * (len(wish.conversations or wish.prompts) * wish.choices)
    texts = ["".join(piece for piece in prompt if isinstance(piece, str)) for prompt in wish.prompts]
    return [text for text in texts for _ in range(wish.choices)]


async def _first_news(turn: AsyncGenerator[Delta, None]) -> Delta:
    """The first delta of the engine, or its place in the queue; what fails before is raised here."""
    first = await anext(turn)
    while isinstance(first, Loading | Prepared):
        first = await anext(turn)
    return first


async def _gather(turns: list[AsyncGenerator[Delta, None]]) -> list[render.Written]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_whole(turn)) for turn in turns]
    return [task.result() for task in tasks]


async def _whole(turn: AsyncGenerator[Delta, None]) -> render.Written:
    written = render.Written()
    async with aclosing(turn):
        async for delta in turn:
            written.take(delta)
    return written


async def _until_gone(request: Request, work: Any) -> Any:
    """The result of `work`, cancelled as soon as the client hangs up."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    task, watch = asyncio.create_task(work), asyncio.create_task(gone())
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
        return task.result()
    except ExceptionGroup as group:
        raise _first(group) from group
    finally:
        task.cancel()
        watch.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


class ClientGone(Exception):
    """Nobody is there to read the answer."""


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """The error that is told when several choices failed at once."""
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, ExceptionGroup) else inner


async def _chunks(
    wish: parse.Wish,
    answer: render.Answer,
    merged: AsyncGenerator[tuple[int, Delta], None],
    language: str,
) -> AsyncGenerator[bytes, None]:
    """The body of a streamed answer: it always ends with a finish reason or an error, and [DONE]."""
    chunks = render.Chunks(answer, _echoes(wish), wants_logprobs=wish.wants_logprobs)
    try:
        for beginning in chunks.beginnings():
            yield beginning
        async with aclosing(merged):
            async for index, delta in merged:
                if chunk := chunks.of(index, delta):
                    yield chunk
        if wish.with_usage:
            yield chunks.usage()
    except FabulaError as failure:
        yield render.data(errors.body(failure, language))
    except Exception as failure:  # a stream that just ends would look like a short reply
        log.exception("a streamed answer failed")
        yield render.data(errors.body(Unexpected(f"{type(failure).__name__}: {failure}"), language))
    yield render.DONE


async def _merged(
    first: Delta, turns: list[AsyncGenerator[Delta, None]]
) -> AsyncGenerator[tuple[int, Delta], None]:
    """The deltas of several streams as they come, each with its stream's index. `first` was read already."""
    if len(turns) == 1:
        async with aclosing(turns[0]) as only:
            yield 0, first
            async for delta in only:
                yield 0, delta
        return
    queue: asyncio.Queue[tuple[int, Delta | BaseException | None]] = asyncio.Queue()
    queue.put_nowait((0, first))

    async def drain(index: int, turn: AsyncGenerator[Delta, None]) -> None:
        try:
            async with aclosing(turn):
                async for delta in turn:
                    queue.put_nowait((index, delta))
            queue.put_nowait((index, None))
        except Exception as failure:  # noqa: BLE001  # raised again below, in the reader's task
            queue.put_nowait((index, failure))

    tasks = [asyncio.create_task(drain(index, turn)) for index, turn in enumerate(turns)]
    try:
        open_streams = len(turns)
        while open_streams:
            index, item = await queue.get()
            if isinstance(item, BaseException):
                raise item
            if item is None:
                open_streams -= 1
            else:
                yield index, item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
