"""Files that clients send by their checksum: /api/blobs. Knows no model.

They are written to the disk as they come, never more than fits, and seen only when the checksum is right.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from pathlib import Path

from fastapi import Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from fabula.app import Studio
from fabula.core.errors import BadParameter, BlobNotFound, DigestDiffers, NoDiskSpace
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.models.verifying import files_of, known_hash
from fabula.server.answering import CLIENT_GONE
from fabula.server.routing import Routes
from fabula.store.files import free_space, writing
from fabula.store.home import Home
from fabula.store.ids import new_id

SPARE = 256 << 20  # bytes that stay free
BLOCK = 8 << 20  # bytes that are written at a time
NO_LIMIT = 1 << 60
"""The bytes of one request: the disk decides, not the limit of other requests."""
PREFIX = "/api/blobs/"
_DIGEST = re.compile(r"^sha256[:-](?P<hex>[0-9a-fA-F]{64})$")


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/api", tags=["Ollama"])

    @routes.head("/blobs/{digest}", response_model=None)
    async def has(digest: str) -> Response:
        """Whether the file is here, as sent or as a model's."""
        hex = hex_of(digest)
        found = await asyncio.to_thread(_has, studio, hex)
        return Response(status_code=200 if found else 404)

    @routes.post("/blobs/{digest}", response_model=None, max_body_size=NO_LIMIT)
    async def send(digest: str, request: Request) -> Response:
        """A file, which has to have the checksum of its address."""
        try:
            await _received(studio.home, hex_of(digest), request)
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        return Response(status_code=201)

    return routes


def hex_of(digest: str) -> str:
    """Raises BadParameter."""
    found = _DIGEST.match(digest)
    if not found:
        raise BadParameter("digest", digest[:80], phrase("expected.digest"))
    return found["hex"].lower()


def blob(home: Home, hex: str) -> Path:
    return home.blobs / f"sha256-{hex}"


def owner(studio: Studio, hex: str) -> LocalModel | None:
    """A model of one file with this checksum, as far as it was recorded."""
    for model in studio.shelf.catalog.list():
        files = files_of(model)
        if len(files) == 1 and files[0].exists() and known_hash(files[0], studio.home.models) == hex:
            return model
    return None


def _has(studio: Studio, hex: str) -> bool:
    return blob(studio.home, hex).is_file() or owner(studio, hex) is not None


def require(home: Home, hex: str) -> Path:
    """Raises BlobNotFound."""
    if not (file := blob(home, hex)).is_file():
        raise BlobNotFound(f"sha256:{hex}")
    return file


# ── receiving ───────────────────────────────────────────────────────────────────────────────────────


async def _received(home: Home, hex: str, request: Request) -> None:
    """Raises NoDiskSpace, DigestDiffers or StoreUnwritable; nothing is left then."""
    with writing(home.blobs):
        home.blobs.mkdir(parents=True, exist_ok=True)
    length = request.headers.get("content-length", "")
    _require_room(home, int(length) if length.isdecimal() else 0)
    part = home.blobs / f".{new_id()}.part"
    try:
        actual = await _written(home, part, request)
        if actual != hex:
            raise DigestDiffers(hex, actual)
        with writing(home.blobs):
            os.replace(part, blob(home, hex))
    finally:
        part.unlink(missing_ok=True)


async def _written(home: Home, part: Path, request: Request) -> str:
    """The checksum of what came."""
    digest, size = hashlib.sha256(), 0
    held: list[bytes] = []

    def flush() -> None:
        _require_room(home, size)
        with writing(part), part.open("ab") as file:
            for piece in held:
                digest.update(piece)
                file.write(piece)
        held.clear()

    async for piece in request.stream():
        held.append(piece)
        size += len(piece)
        if size >= BLOCK:
            await asyncio.to_thread(flush)
            size = 0
    await asyncio.to_thread(flush)
    return digest.hexdigest()


def _require_room(home: Home, needed: int) -> None:
    free = free_space(home.blobs)
    if needed + SPARE > free:
        raise NoDiskSpace(needed + SPARE, free, str(home.blobs))
