"""Errors in the native API's shape. Knows no route."""

from __future__ import annotations

from typing import Any

from fabula.core.errors import FabulaError


def body(failure: FabulaError, language: str) -> dict[str, Any]:
    return {
        "error": {
            "code": failure.code,
            "message": failure.sentence(language),
            "fields": failure.fields,
        }
    }
