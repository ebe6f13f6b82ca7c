"""The kinds of servers there are, and how to tell which one answers at an address. Knows no settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fabula.core.errors import BadParameter, FabulaError, RemoteKeyRefused, RemoteUnknown
from fabula.core.texts import phrase
from fabula.engine.remote.dialects.anthropic import Anthropic
from fabula.engine.remote.dialects.dialect import Dialect
from fabula.engine.remote.dialects.flavours import BY_KIND
from fabula.engine.remote.dialects.gemini import Gemini
from fabula.engine.remote.dialects.kobold import Kobold
from fabula.engine.remote.dialects.llamacpp import LlamaCpp
from fabula.engine.remote.dialects.ollama import Ollama
from fabula.engine.remote.dialects.openai import TOKENS, OpenAi, OpenAiWithTokens
from fabula.engine.remote.server import Server

OWN: dict[str, type[Dialect]] = {kind.kind: kind for kind in (LlamaCpp, Ollama, Kobold, Anthropic, Gemini)}
KINDS = (*OWN, *BY_KIND)
LABELS = {kind: OWN[kind].label if kind in OWN else BY_KIND[kind].label for kind in KINDS}

HOSTS = {
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gemini",
    "api.openai.com": "openai",
    "openrouter.ai": "openrouter",
}
"""What is known without asking."""


def check(kind: str) -> str:
    """Raises BadParameter for one that does not exist."""
    if kind not in KINDS:
        raise BadParameter("kind", kind, phrase("expected.one_of", names=", ".join(KINDS)))
    return kind


def headers(kind: str, key: str) -> dict[str, str]:
    """How the key is carried."""
    return OWN.get(kind, OpenAi).headers(key)


def dialect(kind: str, server: Server) -> Dialect:
    if kind in OWN:
        return OWN[kind](server)
    return (OpenAiWithTokens if kind in TOKENS else OpenAi)(server, BY_KIND[kind])


@dataclass(frozen=True, slots=True)
class _Sign:
    """What is found at a path below the base, and how it looks with this kind."""

    kind: str
    path: str
    is_it: Callable[[Any], bool]


def _has(*names: str) -> Callable[[Any], bool]:
    return lambda found: isinstance(found, dict) and all(name in found for name in names)


def _owned(by: str) -> Callable[[Any], bool]:
    def is_it(found: Any) -> bool:
        rows = found.get("data") if isinstance(found, dict) else None
        return bool(rows) and isinstance(rows, list) and f"{rows[0].get('owned_by', '')}".lower() == by

    return is_it


SIGNS = (
    _Sign("fabula", "/api/fabula/v1/health", _has("ok")),
    # KoboldCpp answers some of Ollama's and llama.cpp's questions too, so it is asked first.
    _Sign(
        "kobold",
        "/api/extra/version",
        lambda found: _has("result")(found) and "obold" in f"{found['result']}",
    ),
    _Sign("ollama", "/api/version", _has("version")),
    _Sign("llamacpp", "/props", _has("default_generation_settings")),
    _Sign("lmstudio", "/api/v0/models", _has("data")),
    _Sign("textgen", "/v1/internal/model/info", _has("model_name")),
    _Sign("vllm", "/v1/models", _owned("vllm")),
    _Sign("tabby", "/v1/models", _owned("tabbyapi")),
    _Sign("compatible", "/v1/models", _has("data")),
)
"""In the order in which they are asked."""


async def recognized(server: Server) -> str:
    """The kind of server at an address. Raises RemoteUnknown, or why it cannot be asked."""
    base, api = server.place.base, server.place.api
    if known := HOSTS.get(server.place.host):
        return known
    seen: dict[str, Any] = {}
    refusal: FabulaError | None = None
    for sign in SIGNS:
        url = f"{api}/models" if sign.path == "/v1/models" else base + sign.path
        if url not in seen:
            try:
                seen[url] = await server.find(url)
            except RemoteKeyRefused as failure:
                seen[url], refusal = None, failure
        if seen[url] is not None and sign.is_it(seen[url]):
            return sign.kind
    raise refusal or RemoteUnknown(base, ", ".join(KINDS))
