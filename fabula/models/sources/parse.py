"""Read what a person writes as a source. Opens nothing, except to see whether a path exists."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs

from fabula.core.errors import UnknownSource
from fabula.models.sources.addresses import is_allowed
from fabula.models.sources.words import Kind, Source

_WHEEL = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*)$")
_HUB = re.compile(
    r"^(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[\w./-]+))?(:(?P<choice>[^:]+))?$"
)
_OLLAMA = re.compile(r"^[A-Za-z0-9][\w.-]*(/[\w.-]+){0,3}(:[\w.-]+)?$")
HUBS: dict[str, Kind] = {"hf": "hub", "hub": "hub", "ms": "modelscope"}
_SHA256 = re.compile(r"^[0-9a-fA-F]{64}$")


def parse(source: str) -> Source:
    """`hf:owner/repo[@revision][:quantization|branch|file]`, `ms:` the same of ModelScope,
    `ollama:NAME[:TAG]`, `wheel:NAME==VERSION`, `https://…` or a file.

    `#sha256=…` at the end pins the content. Raises UnknownSource.
    """
    text, sha256, size = _fragment(source.strip())
    kind, _, rest = text.partition(":")
    if kind == "wheel" and (match := _WHEEL.match(rest)):
        target, version = match["name"], match["version"]
        return Source(kind="wheel", text=text, target=target, version=version, sha256=sha256, size=size)
    if kind in HUBS and (match := _HUB.match(rest)):
        return Source(
            kind=HUBS[kind],
            text=text,
            target=match["repo"],
            version=match["revision"] or "",
            choice=match["choice"] or "",
            sha256=sha256,
        )
    if kind == "ollama" and _OLLAMA.match(rest):
        return Source(kind="ollama", text=text, target=rest)
    if kind in ("https", "http") and is_allowed(text):
        return Source(kind="url", text=text, target=text, sha256=sha256, size=size)
    if _is_file(text):
        return Source(kind="file", text=text, target=text, sha256=sha256)
    raise UnknownSource(source)


def _fragment(source: str) -> tuple[str, str, int]:
    """(source, SHA-256, size): `#sha256=…&size=…` taken off."""
    text, mark, fragment = source.rpartition("#")
    if not mark or not re.match(r"(sha256|size)=", fragment):
        return source, "", 0
    values = parse_qs(fragment)
    sha256, size = values.get("sha256", [""])[0], values.get("size", ["0"])[0]
    if (sha256 and not _SHA256.match(sha256)) or not size.isdigit():
        raise UnknownSource(source)
    return text, sha256.lower(), int(size)


def _is_file(text: str) -> bool:
    if not text or "\0" in text or re.match(r"^[a-z]{2,}:", text):
        return False
    return text.lower().endswith(".gguf") or Path(text).expanduser().is_file()
