"""Errors in Anthropic's shape. Knows no route.

Source: Anthropic's API reference (errors): the type follows from the status. `code` and `fields` are ours.
"""

from __future__ import annotations

from typing import Any

from fabula.core.errors import FabulaError, QueueFull, RemoteBusy

VERSION = "anthropic-version"
"""The header that every client of this dialect sends."""

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
}


def body(failure: FabulaError, language: str = "en") -> dict[str, Any]:
    error = {
        "type": _type(failure),
        "message": failure.sentence(language),
        "code": failure.code,
        "fields": failure.fields,
    }
    return {"type": "error", "error": error, "request_id": None}


def _type(failure: FabulaError) -> str:
    if isinstance(failure, QueueFull | RemoteBusy):
        return "overloaded_error"
    usual = "invalid_request_error" if failure.status < 500 else "api_error"
    return TYPES.get(failure.status, usual)
