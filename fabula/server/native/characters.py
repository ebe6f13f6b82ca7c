"""Characters: list, find, take from files, edit, hand out. Knows no file format."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from typing import IO, Any, Literal
from urllib.parse import quote

from fastapi import Query, Request
from fastapi.responses import Response, StreamingResponse

from fabula.app import Studio
from fabula.chats.characters import weighing
from fabula.chats.characters.card import card
from fabula.chats.characters.library import Characters, Format
from fabula.chats.characters.shelf import Character, Filter, Listed, Marks, Sort
from fabula.chats.characters.thumbnails import as_png
from fabula.chats.narrating import SOMEBODY
from fabula.server.caller import caller_of
from fabula.server.native import bodies
from fabula.server.routing import Routes

CHUNK = 1 << 20  # bytes
TYPES = {"png": "image/png", "json": "application/json", "charx": "application/zip"}
PICTURES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"RIFF": "image/webp",
    b"GIF8": "image/gif",
}
SANDBOX = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, max-age=31536000",
}


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/characters", tags=["Characters"])
    library = studio.characters

    @routes.get("")
    async def list_characters(
        request: Request,
        words: str = "",
        tag: list[str] = Query([]),  # noqa: B008  # FastAPI's way
        folder: str | None = None,
        favourite: bool | None = None,
        trashed: bool = False,
        sort: Sort = "name",
        offset: int = Query(0, ge=0),
        limit: int = Query(100, ge=1, le=500),
    ) -> dict[str, Any]:
        """A page of the library. With `words` the best match comes first, in any script."""
        wanted = Filter(
            words=words, tags=tuple(tag), folder=folder, favourite=favourite, trashed=trashed, sort=sort
        )
        page = await library.page(caller_of(request).owner_id, wanted, offset, limit)
        return {"characters": [_listed(one) for one in page.characters], "total": page.total}

    @routes.post("", status_code=201)
    async def create(body: bodies.NewCharacter, request: Request) -> dict[str, Any]:
        """A new character from a card's document, of any version."""
        return _shown(await library.create(caller_of(request).owner_id, body.card))

    @routes.post("/import", status_code=201)
    async def take(request: Request, response: Response, name: str = "card") -> dict[str, Any]:
        """A character from the bytes of a PNG, JSON, CHARX, YAML or BYAF file; `name` is the file's. The same
        card with the same picture is answered as it is here, with 200 and `already`."""
        content = await request.body()
        made, already = await library.take_once(caller_of(request).owner_id, name, content)
        response.status_code = 200 if already else 201
        return _shown(made) | {"already": already}

    @routes.get("/tags")
    async def tags(request: Request) -> dict[str, Any]:
        """Tags and folders in use, with how many characters each has."""
        owner = caller_of(request).owner_id
        return {"tags": await library.tags(owner), "folders": await library.folders(owner)}

    @routes.post("/tokens")
    async def tokens(body: bodies.CharacterTokens) -> dict[str, Any]:
        """What each text of a card costs, and when a prompt holds it; with its macros resolved. A model that
        is loaded counts, else sizes are guessed."""
        parts = weighing.parts(card(body.card), body.user or SOMEBODY)
        counted = await studio.at_hand.count([part.text for part in parts], body.model)
        rows = [asdict(part) | {"tokens": n} for part, n in zip(parts, counted.counts, strict=True)]
        always = sum(row["tokens"] for row in rows if row["when"] == "always")
        named = {"model": counted.model, "estimated": not counted.model, "context": counted.context}
        return named | {"parts": rows, "always": always}

    @routes.post("/export")
    async def export(body: bodies.CharacterExport, request: Request) -> StreamingResponse:
        """A ZIP file with a file for each."""
        file = tempfile.TemporaryFile()  # noqa: SIM115  # the answer closes it
        await library.pack(caller_of(request).owner_id, body.ids, body.format, file)
        file.seek(0)
        return StreamingResponse(
            _chunks(file), media_type="application/zip", headers=_download("characters.zip")
        )

    @routes.post("/mark")
    async def mark(body: bodies.CharacterMarks, request: Request) -> dict[str, int]:
        """Change many at once: folder, favourite, tags, into the trash and out of it."""
        marks = Marks(**body.model_dump(exclude={"ids"}))
        return {"changed": await library.mark(caller_of(request).owner_id, body.ids, marks)}

    @routes.post("/erase")
    async def erase(body: bodies.Ids, request: Request) -> dict[str, int]:
        """For good, from the trash or not."""
        return {"erased": await library.erase(caller_of(request).owner_id, body.ids)}

    _one(routes, library)
    return routes


def _one(routes: Routes, library: Characters) -> None:
    """The routes of a single character."""

    @routes.get("/{id}")
    async def get(id: str, request: Request) -> dict[str, Any]:
        """With its whole card."""
        return _shown(await library.get(caller_of(request).owner_id, id))

    @routes.patch("/{id}")
    async def edit(id: str, body: bodies.CharacterChanges, request: Request) -> dict[str, Any]:
        """Other values of the card's fields; null takes one out. 409 for who saw an older revision."""
        owner = caller_of(request).owner_id
        return _shown(await library.edit(owner, id, body.revision, body.fields))

    @routes.post("/{id}/copy", status_code=201)
    async def copy(id: str, body: bodies.CharacterCopy, request: Request) -> dict[str, Any]:
        """Another one like it, with its picture, files, folder and tags."""
        return _shown(await library.copy(caller_of(request).owner_id, id, body.name))

    @routes.put("/{id}/picture")
    async def draw(id: str, revision: int, request: Request) -> dict[str, Any]:
        """Another picture: PNG, or JPEG, WebP and GIF, which are kept as PNG."""
        content = await asyncio.to_thread(as_png, await request.body(), id)
        return _shown(await library.draw(caller_of(request).owner_id, id, revision, content))

    @routes.get("/{id}/picture")
    async def picture(id: str, request: Request) -> Response:
        """404 where it has none. The bytes at an address change only with the query `v`."""
        content = await library.picture(caller_of(request).owner_id, id)
        if content is None:
            return Response(status_code=404)
        kind = next((kind for start, kind in PICTURES.items() if content.startswith(start)), "")
        return Response(content, media_type=kind or "application/octet-stream", headers=SANDBOX)

    @routes.get("/{id}/file")
    async def file(
        id: str, request: Request, format: Format = "png", version: Literal[1, 2, 3] = 3
    ) -> Response:
        """The character for other programs. `version` is that of a JSON card."""
        owner = caller_of(request).owner_id
        character = await library.get(owner, id)
        content = await library.file(owner, id, format, version)
        return Response(content, media_type=TYPES[format], headers=_download(f"{character.name}.{format}"))


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk


def _listed(listed: Listed) -> dict[str, Any]:
    return {name: value for name, value in asdict(listed).items() if name not in ("card", "files")}


def _shown(character: Character) -> dict[str, Any]:
    card = character.card
    return _listed(character) | {
        "card": card.document,
        "greetings": card.greetings,
        "called": card.called,
        "files": sorted(character.files),
        "newer": card.newer,
    }


def _download(name: str) -> dict[str, str]:
    """RFC 6266; a name from outside never holds a path."""
    plain = re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", name)
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(plain)}"}
