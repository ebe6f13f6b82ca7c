"""OpenAI's batches: many requests as one file, worked off beside everything else. Knows no engine.

Source: OpenAI's API reference (batches). Each line goes through the very route that its `url` names, so it
gets the answer that it would get alone.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from fastapi import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope

from fabula.app import Studio
from fabula.batches.book import Batch
from fabula.batches.desk import Told, Way
from fabula.core.errors import BadParameter, KeyUnknown, Unexpected
from fabula.core.texts import Phrase, phrase
from fabula.server.bodies import body_of, get, unknown
from fabula.server.caller import caller_of
from fabula.server.openai import errors
from fabula.server.openai.files import listed, page_of
from fabula.server.routing import Routes
from fabula.server.visit import LOCAL, VISIT, Visit

ENDPOINTS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses")
WINDOW = "24h"
MOST_LISTED = 100
MOST_NOTES, LONGEST_NAME, LONGEST_NOTE = 16, 64, 512
KNOWN = ("input_file_id", "endpoint", "completion_window", "metadata")
TIMES = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/v1/batches", tags=["OpenAI"])
    batches = studio.batches

    @routes.post("")
    async def create(request: Request) -> dict[str, Any]:
        """Begins to work off a file of requests. It yields to people, and goes on after any restart."""
        body = await body_of(request)
        endpoint = _one_of(body, "endpoint", served(request.app))
        _one_of(body, "completion_window", (WINDOW,))
        caller = caller_of(request)
        batch = await batches.create(caller, endpoint, get(body, "input_file_id", str, ""), _notes(body))
        return shape(batch, caller.language) | {"ignored": list(unknown(body, KNOWN))}

    @routes.get("")
    async def list_batches(request: Request, limit: int = 20, after: str = "") -> dict[str, Any]:
        """Newest first."""
        caller = caller_of(request)
        found, more = await batches.list(caller.owner_id, page_of(limit, after, "desc", MOST_LISTED))
        return listed([shape(batch, caller.language) for batch in found], more)

    @routes.get("/{batch_id}")
    async def retrieve(batch_id: str, request: Request) -> dict[str, Any]:
        caller = caller_of(request)
        return shape(await batches.get(caller.owner_id, batch_id), caller.language)

    @routes.post("/{batch_id}/cancel")
    async def cancel(batch_id: str, request: Request) -> dict[str, Any]:
        """What is answered by now is kept, in the output file."""
        caller = caller_of(request)
        return shape(await batches.cancel(caller.owner_id, batch_id), caller.language)

    return routes


# ── what was asked ──────────────────────────────────────────────────────────────────────────────────


def served(app: Any) -> tuple[str, ...]:
    """The endpoints that are there."""
    asked: Scope = {"type": "http", "method": "POST", "root_path": "", "headers": []}
    return tuple(
        endpoint
        for endpoint in ENDPOINTS
        if any(route.matches({**asked, "path": endpoint})[0] is Match.FULL for route in app.router.routes)
    )


def _one_of(body: dict[str, Any], name: str, choices: tuple[str, ...]) -> str:
    value = get(body, name, str, "")
    if value not in choices:
        raise BadParameter(name, value[:80], phrase("expected.one_of", names=", ".join(choices)))
    return str(value)


def _notes(body: dict[str, Any]) -> dict[str, str]:
    notes: dict[str, Any] = get(body, "metadata", dict, {})
    fits = all(
        len(name) <= LONGEST_NAME and isinstance(note, str) and len(note) <= LONGEST_NOTE
        for name, note in notes.items()
    )
    if not fits or len(notes) > MOST_NOTES:
        raise BadParameter("metadata", f"{notes}"[:80], phrase("expected.metadata"))
    return notes


# ── what is answered ────────────────────────────────────────────────────────────────────────────────


def shape(batch: Batch, language: str) -> dict[str, Any]:
    problems = [_problem(row, language) for row in batch.problems]
    times = {f"{state}_at": int(at) if (at := batch.times.get(state)) else None for state in TIMES}
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": {"object": "list", "data": problems} if problems else None,
        "input_file_id": batch.input_id,
        "completion_window": WINDOW,
        "status": batch.state,
        "output_file_id": batch.output_id or None,
        "error_file_id": batch.error_id or None,
        "created_at": int(batch.created_at),
        "expires_at": int(batch.expires_at),
        **times,
        "request_counts": batch.counts,
        "metadata": batch.notes or None,
    }


def _problem(row: Told, language: str) -> dict[str, Any]:
    told = row["error"]
    fields = told["fields"] | {name: Phrase.of(part) for name, part in told.get("phrases", {}).items()}
    message = phrase(f"errors.{told['code']}", **fields).say(language)
    param = fields.get("name") if told["code"] == "bad_parameter" else None
    return {"code": told["code"], "message": message, "param": param, "line": row["line"] or None}


# ── how a line is asked ─────────────────────────────────────────────────────────────────────────────


def way_through(app: ASGIApp, studio: Studio) -> Way:
    """Asks a body of whatever answers behind the door, for the one who made the batch. A key that was taken
    away since then lets no further line in."""

    async def ask(batch: Batch, body: dict[str, Any]) -> tuple[int, Any]:
        heard = _Heard()
        key = next((key for key in studio.keys.list() if key.id == batch.key_id), None)
        if batch.key_id and (key is None or 0 < key.expires_at < time.time()):
            return KeyUnknown.status, errors.body(KeyUnknown(), batch.language)
        visit = Visit(who=key.name if key else LOCAL, key=key, keys=studio.keys)
        try:
            await app(_scope(batch, visit), _said(body), heard)
        except Exception as failure:  # noqa: BLE001  # told by the answer, where there is one
            if not heard.status:
                return 500, errors.body(Unexpected(f"{type(failure).__name__}: {failure}"), batch.language)
        return heard.status, heard.answer(batch.language)

    return ask


class _Heard:
    """An ASGI `send` that keeps the answer."""

    def __init__(self) -> None:
        self.status = 0
        self._content: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self._content.append(message.get("body", b""))

    def answer(self, language: str) -> Any:
        content = b"".join(self._content)
        try:
            return json.loads(content)
        except ValueError as wrong:
            self.status = max(self.status, 500)
            return errors.body(Unexpected(phrase("batch.unread", reason=f"{wrong}")), language)


def _said(body: dict[str, Any]) -> Receive:
    """A request whose sender stays to hear the answer."""
    parts: list[Message] = [
        {"type": "http.request", "body": json.dumps(body, ensure_ascii=False).encode(), "more_body": False}
    ]

    async def receive() -> Message:
        if parts:
            return parts.pop()
        await asyncio.Event().wait()  # nobody ever sets it
        return {"type": "http.disconnect"}

    return receive


def _scope(batch: Batch, visit: Visit) -> Scope:
    headers = {"content-type": "application/json", "accept-language": batch.language, "host": "localhost"}
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": batch.endpoint,
        "raw_path": batch.endpoint.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
        "state": {},
        VISIT: visit,
    }
