"""The presets that come with Fabula, from `built_in.json`. Knows no store."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


@functools.cache
def built_in() -> Mapping[str, dict[str, Any]]:
    """Sampling by name; title and description are the texts `presets.NAME.title` and `presets.NAME.about`."""
    presets: dict[str, dict[str, Any]] = json.loads(
        Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
    )
    return presets
