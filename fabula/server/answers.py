"""What went wrong, as an answer in the shape of the dialect that was spoken. Knows no route."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from fabula.core.errors import FabulaError, QueueFull
from fabula.server.caller import caller_of
from fabula.server.native import errors as native
from fabula.server.openai import errors as openai


def answer(
    request: Request, failure: FabulaError, status: int = 0, headers: Mapping[str, str] | None = None
) -> Response:
    language = caller_of(request).language
    shape = openai.body if request.url.path.startswith("/v1/") else native.body
    # What was asked is told back, also where it is half a character that UTF-8 cannot hold.
    body = json.dumps(shape(failure, language), ensure_ascii=False).encode(errors="backslashreplace")
    if isinstance(failure, QueueFull):
        headers = {**(headers or {}), "Retry-After": f"{failure.seconds}"}
    return Response(body, status or failure.status, headers, "application/json")
