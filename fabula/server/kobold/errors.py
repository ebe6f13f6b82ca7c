"""Errors in KoboldAI's shape. Knows no route."""

from __future__ import annotations

from typing import Any

from fabula.core.errors import FabulaError

TYPES = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    429: "service_unavailable",
    501: "not_implemented",
    503: "service_unavailable",
}
"""By status. KoboldCpp's own words are those of 401 and 503, and `bad_input`."""


def body(failure: FabulaError, language: str = "en") -> dict[str, Any]:
    usual = "bad_input" if failure.status < 500 else "server_error"
    kind = TYPES.get(failure.status, usual)
    return {"detail": {"msg": failure.sentence(language), "type": kind, "code": failure.code}}
