"""Errors in OpenAI's shape. Knows no route."""

from __future__ import annotations

from typing import Any

from fabula.core.errors import ContextExceeded, FabulaError

CODES: dict[type[FabulaError], str] = {ContextExceeded: "context_length_exceeded"}


def body(failure: FabulaError, language: str = "en") -> dict[str, Any]:
    """`param` names the field when the error is about one."""
    return {
        "error": {
            "message": failure.sentence(language),
            "type": "invalid_request_error" if failure.status < 500 else "server_error",
            "param": failure.fields.get("name") if failure.code == "bad_parameter" else None,
            "code": CODES.get(type(failure), failure.code),
        }
    }
