"""Errors in the native API's shape. Knows no route."""

from __future__ import annotations

import contextlib
from typing import Any

from fabula.core import errors
from fabula.core.errors import FabulaError


def body(failure: FabulaError, language: str) -> dict[str, Any]:
    return {"error": plain(failure, language)}


def plain(failure: FabulaError, language: str) -> dict[str, Any]:
    return {"code": failure.code, "message": failure.sentence(language), "fields": failure.fields}


def retold(kept: dict[str, Any], language: str) -> dict[str, Any]:
    """An error that was stored or journaled, with its sentence in the reader's language."""
    name = "".join(part.capitalize() for part in str(kept["code"]).split("_"))
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, FabulaError):
        with contextlib.suppress(TypeError):  # kept by another version, with other fields
            return kept | {"message": kind(**kept["fields"]).sentence(language)}
    return kept
