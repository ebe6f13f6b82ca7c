"""Errors in Ollama's shape: a text, and nothing else. Knows no route."""

from __future__ import annotations

from typing import Any

from fabula.core.errors import FabulaError


def body(failure: FabulaError, language: str = "en") -> dict[str, Any]:
    """Clients print the text as it is; an object in its place breaks the Python client."""
    return {"error": failure.sentence(language)}
