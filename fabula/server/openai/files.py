"""OpenAI's files: the input of batches, and what came of them. Knows nothing of what is in a file.

Source: OpenAI's API reference (files). Only the purpose "batch" has a use here, so no other is taken.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request
from fastapi.responses import FileResponse, Response
from starlette.datastructures import FormData, UploadFile

from fabula.app import Studio
from fabula.batches.pages import Page
from fabula.batches.uploads import INPUT, Upload
from fabula.core.errors import BadParameter
from fabula.core.texts import phrase
from fabula.server.bodies import ignored_header
from fabula.server.caller import caller_of
from fabula.server.routing import Routes

KNOWN = ("file", "purpose", "expires_after[anchor]", "expires_after[seconds]")
MOST_LISTED = 10_000
ORDERS = ("desc", "asc")


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/v1/files", tags=["OpenAI"])
    uploads = studio.uploads

    @routes.post("", response_model=None)
    async def create(request: Request, answer: Response) -> dict[str, Any]:
        """A file of requests for a batch, as a form with `file` and `purpose`."""
        async with request.form(max_files=1, max_fields=16) as form:
            file, purpose = _file(form), form.get("purpose")
            if purpose != INPUT:
                raise BadParameter("purpose", f"{purpose}"[:80], phrase("expected.one_of", names=INPUT))
            id, size = await asyncio.to_thread(uploads.keep, file.file, file.size or 0)
            name = file.filename or "upload.jsonl"
        answer.headers.update(ignored_header(name for name in form if name not in KNOWN[:2]))
        return shape(await uploads.add(caller_of(request).owner_id, id, name, INPUT, size))

    @routes.get("")
    async def list_files(
        request: Request, purpose: str = "", limit: int = MOST_LISTED, after: str = "", order: str = "desc"
    ) -> dict[str, Any]:
        page = page_of(limit, after, order, MOST_LISTED)
        found, more = await uploads.list(caller_of(request).owner_id, page, purpose)
        return listed([shape(file) for file in found], more)

    @routes.get("/{file_id}")
    async def retrieve(file_id: str, request: Request) -> dict[str, Any]:
        return shape(await uploads.get(caller_of(request).owner_id, file_id))

    @routes.get("/{file_id}/content", response_model=None)
    async def content(file_id: str, request: Request) -> Response:
        found = await uploads.get(caller_of(request).owner_id, file_id)
        return FileResponse(
            uploads.path(found.id), media_type="application/octet-stream", filename=found.name
        )

    @routes.delete("/{file_id}")
    async def remove(file_id: str, request: Request) -> dict[str, Any]:
        await uploads.remove(caller_of(request).owner_id, file_id)
        return {"id": file_id, "object": "file", "deleted": True}

    return routes


def _file(form: FormData) -> UploadFile:
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise BadParameter("file", f"{file}"[:80], phrase("expected.upload"))
    return file


def shape(file: Upload) -> dict[str, Any]:
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.size,
        "created_at": int(file.created_at),
        "expires_at": None,
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


def page_of(limit: int, after: str, order: str, most: int) -> Page:
    """Raises BadParameter."""
    if not 1 <= limit <= most:
        raise BadParameter("limit", f"{limit}", phrase("expected.whole_range", low=1, high=most))
    if order not in ORDERS:
        raise BadParameter("order", order[:80], phrase("expected.one_of", names=", ".join(ORDERS)))
    return Page(limit, after, newest_first=order == "desc")


def listed(rows: list[dict[str, Any]], more: bool) -> dict[str, Any]:
    """A page as clients turn it: they go on behind the last id while there is more."""
    ends = {"first_id": rows[0]["id"], "last_id": rows[-1]["id"]} if rows else {}
    return {"object": "list", "data": rows, "first_id": None, "last_id": None, **ends, "has_more": more}
