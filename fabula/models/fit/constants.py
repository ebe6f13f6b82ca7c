"""The numbers of the closed form that belong to one build of the engine. Knows no formula."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KNOWN_BUILD = "2026.10.11549"
"""Of xllamacpp; the one that the formula was measured with, and the one that is installed with Fabula."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """See `constants.json`. Embeddings per token are counted in numbers of F32."""

    on_device: int  # embeddings per token that live beside the widest place of a layer
    on_processor: int
    beside_device: int
    streaming: int  # while the cache of a layer on the host goes through the device
    overlap: float  # of what is streamed: how much of it does not share its place with anything
    overlap_at_the_ends: float  # the same where only the output, or all but the cache, is on the device
    input_bytes: int  # per token, of the numbers that a batch is described with
    cache_input_bytes: int  # per token and cache
    rotation: int  # quantized caches are rotated by matrices of at least this width


@functools.cache
def constants(build: str = KNOWN_BUILD) -> Constants:
    """Those of the build; of the nearest known one for a build that was not measured."""
    builds = _table()
    return Constants(**builds[build if build in builds else KNOWN_BUILD])


def is_known(build: str) -> bool:
    return build in _table()


@functools.cache
def _table() -> dict[str, dict[str, Any]]:
    text = Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
    table: dict[str, dict[str, Any]] = json.loads(text)["builds"]
    return table
