"""Which file lets which model see: `mmproj-NAME….gguf` beside `NAME-….gguf`. Knows no header.

Publishers name a projector after its model, before or behind the word mmproj, with another quantization; some
give it no name at all, and one folder to each model.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from fabula.core.model import LocalModel

PROJECTOR = "models.problem.mmproj"
_WORD = re.compile(r"[-_.]?mmproj[-_.]?(model[-_.]?)?", re.IGNORECASE)
_KIND = re.compile(r"[-_.]?(bf16|f16|f32|fp16|fp32|i?q\d\w*|ud|imatrix|i1)(?=$|[-_.])", re.IGNORECASE)


def with_projectors(models: Sequence[LocalModel]) -> list[LocalModel]:
    """The models, each with the projector that belongs to it."""
    projectors = [model for model in models if model.problem == PROJECTOR]
    seeing = []
    for model in models:
        found = None if model.problem or model.pooling else _projector(model, models, projectors)
        seeing.append(dataclasses.replace(model, projector=str(found.path)) if found else model)
    return seeing


def _projector(
    model: LocalModel, models: Sequence[LocalModel], projectors: Sequence[LocalModel]
) -> LocalModel | None:
    """By its name, the longest that fits; else the nameless one of a folder with this model only."""
    near = [each for each in projectors if each.path.parent == model.path.parent]
    base = base_name(model)
    named = [each for each in near if (name := base_name(each)) and (base + "-").startswith(name + "-")]
    if named:
        return max(named, key=lambda each: (len(base_name(each)), each.path.name))
    nameless = [each for each in near if not base_name(each)]
    bases = {base_name(each) for each in models if each.path.parent == model.path.parent and not each.problem}
    return nameless[0] if nameless and bases == {base} else None


def size_of(projector: str) -> int:
    """Bytes that it takes in memory; 0 without one, or when it has gone."""
    file = Path(projector)
    return file.stat().st_size if projector and file.is_file() else 0


def base_name(model: LocalModel) -> str:
    """The model's name without the word mmproj and without quantizations."""
    name = _WORD.sub("-", model.path.stem)
    name = re.sub(r"-\d{5}-of-\d{5}$", "", name)
    while (shorter := _KIND.sub("", name)) != name:
        name = shorter
    return re.sub(r"[-_.]+", "-", name).strip("-").lower()
