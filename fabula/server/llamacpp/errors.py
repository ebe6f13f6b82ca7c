"""Errors in the shape of llama.cpp's server. Knows no route."""

from __future__ import annotations

from typing import Any

from fabula.core.errors import ContextExceeded, FabulaError

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    501: "not_supported_error",
    503: "unavailable_error",
    507: "unavailable_error",
}

PATHS = (
    *("/completion", "/infill", "/tokenize", "/detokenize", "/apply-template", "/embedding", "/rerank"),
    *("/lora-adapters", "/models", "/props", "/slots", "/health", "/metrics"),
    *("/v1/health", "/v1/reranking"),
)
"""What goes wrong under paths that begin so is told in this shape."""


def body(failure: FabulaError, language: str = "en") -> dict[str, Any]:
    """`code` is the status; `reason` is ours: the stable name of what went wrong."""
    usual = "invalid_request_error" if failure.status < 500 else "server_error"
    told = {
        "code": failure.status,
        "message": failure.sentence(language),
        "type": TYPES.get(failure.status, usual),
        "reason": failure.code,
    }
    if isinstance(failure, ContextExceeded):
        told |= {"type": "exceed_context_size_error"}
        told |= {"n_prompt_tokens": failure.prompt_tokens, "n_ctx": failure.context}
    return {"error": told}
