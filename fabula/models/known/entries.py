"""Read the list of well-known models (`models.json`). Knows no machine and recommends nothing.

A statement without its source is refused: each entry names, field by field, the page that says so.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

VERSION = 1
Stage = Literal["base", "instruct", "fine-tune", "merge", "distil", "ablated", "adapter"]
Alignment = Literal["external filter", "internal", "removed by data", "removed by ablation", "never had"]
CLAIMED = ("stage", "alignment", "creator", "licence", "base", "template", "tasks", "languages")
"""Statements that need a source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """`size_gb` is 10^9 bytes, as the hub rounds it; `quantization` is "" where it was not told."""

    file: str
    size_gb: float
    quantization: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A repository on the hub and those of its files that were seen."""

    repository: str
    files: tuple[File, ...] = ()
    format: str = ""  # "gguf", "safetensors"; "" = no file was seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A well-known model. "" and () are what no source was seen to tell."""

    name: str
    parameters: int
    sources: tuple[Origin, ...]
    stage: str = ""
    alignment: str = ""
    creator: str = ""
    licence: str = ""
    base: str = ""
    template: str = ""
    tasks: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    claims: Mapping[str, str] = field(default_factory=dict)  # field → the page that says so


@functools.cache
def entries() -> tuple[Entry, ...]:
    """All that is shipped."""
    return read(json.loads(Path(__file__).with_name("models.json").read_text(encoding="utf-8")))


def read(data: Mapping[str, Any]) -> tuple[Entry, ...]:
    """Raises ValueError for another version, an unknown word or a statement without a source."""
    if data.get("version") != VERSION:
        raise ValueError(f"version {data.get('version')!r}, expected {VERSION}")
    return tuple(_entry(row) for row in data["models"])


def _entry(row: Mapping[str, Any]) -> Entry:
    values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in row.items()}
    found = Entry(**values | {"sources": tuple(_origin(source) for source in row["sources"])})
    unsaid = [name for name in CLAIMED if getattr(found, name) and name not in found.claims]
    if unsaid:
        raise ValueError(f"{found.name}: no source for {', '.join(unsaid)}")
    for value, known in ((found.stage, get_args(Stage)), (found.alignment, get_args(Alignment))):
        if value and value not in known:
            raise ValueError(f"{found.name}: {value!r} is none of {', '.join(known)}")
    return found


def _origin(row: Mapping[str, Any]) -> Origin:
    files = tuple(
        File(**{key: value for key, value in file.items() if value}) for file in row.get("files", ())
    )
    return Origin(repository=row["repository"], files=files, format=row.get("format", ""))
