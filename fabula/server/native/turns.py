"""Turns: start, follow, stop; and generation outside any chat. Knows no engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from fabula.app import Studio
from fabula.chats.replies import Ask
from fabula.core import texts
from fabula.core.errors import BadParameter, FabulaError, Unexpected
from fabula.core.load import wish_of
from fabula.core.messages import Message, ToolCall
from fabula.core.request import Context
from fabula.core.seams import Event
from fabula.core.stream import Delta, Finished, Token, ToolCallPart
from fabula.server.caller import caller_of
from fabula.server.native import bodies, errors, shapes
from fabula.server.routing import Routes
from fabula.server.sse import EventStream, event, resume_point
from fabula.turn.live import as_event
from fabula.turn.request import TurnRequest


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["Turns"])

    @routes.post("/chats/{chat_id}/turns", status_code=202, response_model=None)
    async def start(chat_id: str, body: bodies.NewTurn, request: Request) -> Response:
        """Begin a reply, a swipe or a continuation; with `Accept: text/event-stream`, as its event stream."""
        caller = caller_of(request)
        started = await studio.replies.start(caller, Ask(chat_id=chat_id, **body.model_dump()))
        if "text/event-stream" in request.headers.get("accept", ""):
            return EventStream(told_events(studio.live.follow(started.turn_id), caller.language), status=202)
        answer = {
            "turn_id": started.turn_id,
            "message_id": started.message_id,
            "message_ids": list(started.message_ids),
            "then": list(started.then),
            "change": shapes.change(studio, started.change, caller.language),
        }
        return JSONResponse(answer, status_code=202)

    @routes.get("/turns/{turn_id}/events", response_model=None)
    async def follow(turn_id: str, request: Request, after: int = 0) -> Response:
        """All events of a turn, from any number on, to its end."""
        studio.live.require(turn_id)
        events = studio.live.follow(turn_id, resume_point(request.headers, after))
        return EventStream(told_events(events, caller_of(request).language))

    @routes.post("/turns/{turn_id}/stop", status_code=202)
    async def stop(turn_id: str) -> dict[str, Any]:
        """Stop a turn; its text so far is kept."""
        studio.live.stop(turn_id)
        return {"turn_id": turn_id}

    @routes.post("/turns/{turn_id}/answer_now", status_code=202)
    async def answer_now(turn_id: str) -> dict[str, Any]:
        """End a turn's reasoning: the model answers with what it has thought so far."""
        studio.live.answer_now(turn_id)
        return {"turn_id": turn_id}

    @routes.post("/generate", response_model=None)
    async def generate(body: bodies.Generate, request: Request) -> Response:
        """A turn outside any chat: nothing is stored, and going away stops it."""
        if bool(body.messages) == bool(body.prompt):
            raise BadParameter("messages", "", texts.phrase("expected.messages_or_prompt"))
        model = studio.find_model(body.model)
        asked = TurnRequest(
            model=model.name,
            sampling=await studio.presets.sampling(caller_of(request).owner_id, body.sampling),
            context=Context(caller_of(request)),
            messages=tuple(_message(row) for row in body.messages),
            prompt=(body.prompt,) if body.prompt else (),
            suffix=body.suffix,
            continues=body.continues,
            wish=wish_of(body.load, body.keep_alive),
            reasoning_format=body.reasoning_format,
            tools=tuple({"type": "function", "function": tool.model_dump()} for tool in body.tools),
            tool_choice="required" if body.tool else body.tool_choice,
            only_tool=body.tool,
        )
        return EventStream(told_deltas(studio.turns.stream(asked), model.name, caller_of(request).language))

    return routes


def _message(row: bodies.GenerateMessage) -> Message:
    calls = tuple(ToolCall(**call.model_dump()) for call in row.tool_calls)
    return Message(**row.model_dump(exclude={"tool_calls"}), tool_calls=calls)


async def told_events(events: AsyncIterator[Event], language: str) -> AsyncGenerator[bytes, None]:
    """Events as the reader's language has them: an error's sentence is told anew from its fields."""
    async for item in events:
        data = item.data
        if item.kind in ("text", "reasoning"):
            data = _piece(data)
        elif item.kind == "error":
            data = shapes.told(errors.retold(data, language), language)
        elif item.kind == "done":
            data = shapes.told(data, language)
        elif item.kind == "written":
            error = errors.retold(data["error"], language) if data["error"] else None
            data = shapes.told(data | {"error": error}, language)
        elif item.kind == "loading":
            data = _why(data, language)
        yield event(item.id, item.kind, data)


def _piece(data: dict[str, Any]) -> dict[str, Any]:
    """Without the token ids, which are the journal's."""
    piece = {"text": data["text"]} | ({"token": data["token"]} if "token" in data else {})
    return piece | {"index": data["index"]} if "index" in data else piece


def _nothing(end: Finished) -> dict[str, Any]:
    del end
    return {}


async def told_deltas(
    deltas: AsyncGenerator[Delta, None],
    model: str,
    language: str,
    more: Callable[[Finished], dict[str, Any]] = _nothing,
) -> AsyncGenerator[bytes, None]:
    """The events of a turn outside any chat; leaving them early stops the engine. The last has `more`."""
    number = 0
    async with aclosing(_kinds(deltas, model, language, more)) as kinds:
        async for kind, data in kinds:
            number += 1
            yield event(number, kind, data)


async def _kinds(
    deltas: AsyncGenerator[Delta, None],
    model: str,
    language: str,
    more: Callable[[Finished], dict[str, Any]],
) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
    try:
        async for delta in deltas:
            if isinstance(delta, Finished):
                end = {"reason": delta.reason, "facts": delta.facts(model), "change": None}
                yield "done", shapes.told(end | more(delta), language)
            elif isinstance(delta, Token):
                yield "text", {"text": delta.text}
            elif isinstance(delta, ToolCallPart):
                part = {"id": delta.id, "name": delta.name, "arguments": delta.arguments}
                yield "tool_call", {"call": delta.index, **part}
            elif shown := as_event(delta):
                kind, data = shown
                yield kind, _why(data, language) if kind == "loading" else data
    except FabulaError as failure:
        yield "error", _failure(failure, language)
    except Exception as failure:  # noqa: BLE001  # a stream that just ends would look like a short answer
        yield "error", _failure(Unexpected(f"{type(failure).__name__}: {failure}"), language)
    finally:
        await deltas.aclose()


def _why(data: dict[str, Any], language: str) -> dict[str, Any]:
    """The reason of a reload as a sentence; "" for a first load."""
    why = data.get("why")
    return data | {"why": texts.say(why["key"], language, **why["fields"]) if why else ""}


def _failure(failure: FabulaError, language: str) -> dict[str, Any]:
    return errors.plain(failure, language) | {"change": None}
