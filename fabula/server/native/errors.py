"""Errors in the native API's shape. Knows no route."""

from __future__ import annotations

import contextlib
from typing import Any

from fabula.core import errors
from fabula.core.errors import FabulaError
from fabula.core.texts import Phrase


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
            said = {name: Phrase.of(told) for name, told in kept.get("phrases", {}).items()}
            shown = {name: value for name, value in kept.items() if name != "phrases"}
            return shown | {"message": kind(**kept["fields"] | said).sentence(language)}
    return kept
