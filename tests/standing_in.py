"""Small servers that stand in for others: canned answers over real HTTP, faults included. Know no dialect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass
class Heard:
    """A request that a stand-in got; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Json:
        return dict(json.loads(self.raw))


@dataclass
class Says:
    """An answer. `pieces` are sent one after the other; with `breaks` the connection then ends in the middle,
    with `hangs` nothing more comes."""

    pieces: Sequence[bytes] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"
    breaks: bool = False
    hangs: bool = False


def says(body: Any, status: int = 200, **headers: str) -> Says:
    return Says((json.dumps(body).encode(),), status, headers)


def sent(*events: Any, done: bool = False, **more: Any) -> Says:
    """Server-sent events; texts are sent as they are."""
    rows = [event if isinstance(event, str) else f"data: {json.dumps(event)}\n\n" for event in events]
    rows += ["data: [DONE]\n\n"] if done else []
    return Says([row.encode() for row in rows], kind="text/event-stream", **more)


def lined(*rows: Any, **more: Any) -> Says:
    """One object per line."""
    return Says([f"{json.dumps(row)}\n".encode() for row in rows], kind="application/x-ndjson", **more)


Script = dict[str, Says | list[Says] | Callable[[Heard], Says]]
"""What is said at "METHOD /path" (without its query): always the same, one by one, or as it decides."""


@dataclass
class StandIn:
    script: Script
    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    closed: int = 0  # connections that the other side ended before their answer was whole

    def last(self, path: str) -> Heard:
        return [heard for heard in self.heard if heard.path.partition("?")[0] == path][-1]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.closed += 1
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = await _heard(reader)
        self.heard.append(heard)
        said = self._said(heard)
        lines = [f"HTTP/1.1 {said.status} X", f"content-type: {said.kind}", "connection: close"]
        lines += ["transfer-encoding: chunked", *(f"{name}: {value}" for name, value in said.headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        for piece in said.pieces:
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0)
        if said.hangs:
            await reader.read()
            self.closed += 1
        elif not said.breaks:
            writer.write(b"0\r\n\r\n")
            await writer.drain()

    def _said(self, heard: Heard) -> Says:
        key = f"{heard.method} {heard.path.partition('?')[0]}"
        found = self.script.get(key, says({"error": {"message": f"no route {key}"}}, 404))
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found(heard) if callable(found) else found


async def _heard(reader: asyncio.StreamReader) -> Heard:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Heard(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


@asynccontextmanager
async def standing_in(script: Script, **options: Any) -> AsyncIterator[StandIn]:
    stand_in = StandIn(script)
    server = await asyncio.start_server(stand_in.answer, "127.0.0.1", 0, **options)
    port = server.sockets[0].getsockname()[1]
    stand_in.url = f"{'https' if options.get('ssl') else 'http'}://127.0.0.1:{port}"
    try:
        yield stand_in
    finally:
        server.close()
