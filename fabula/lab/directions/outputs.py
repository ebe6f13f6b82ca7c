"""A direction as an adapter for a folder of safetensors: of what a block writes, not of its matrices.

With a = r and b = −s r, y ← y + scale · b (a · y) is what the block writes when every one of its writers, its
biases and all of its experts have lost scale · s of r. So nothing is left that it could not say.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fabula.core.model import LocalModel
from fabula.engine.transformers_child.parts import EMBEDDINGS, name_of
from fabula.lab.directions import lora
from fabula.lab.directions.ablate import Cut
from fabula.lab.directions.saved import Direction
from fabula.lab.directions.use import Use
from fabula.lab.directions.weights import open_weights
from fabula.lab.directions.writers import Writer
from fabula.models.adapters.adapter import HALVES, OUTPUTS
from fabula.models.formats.gguf_writing import Draft
from fabula.store.job_child import Report


def adapter(model: LocalModel, direction: Direction, use: Use, file: Path, report: Report) -> dict[str, Any]:
    """The adapter, whole or not there."""
    report.progress(0, 0, "tensors", lora.EXPORTING)
    with open_weights(model) as weights:
        touched = use.touched(weights.writers, direction)
        cuts = {part_of(one): use.cut(one, direction, weights.norm(one)) for one in touched}
    drafts = [draft for part, cut in cuts.items() for draft in _drafts(part, cut)]
    lora.put(file, model, direction, drafts, OUTPUTS)
    return {"path": str(file), "tensors": len(cuts), "left": [], "size": file.stat().st_size}


def part_of(writer: Writer) -> str:
    """The block whose output it makes; one that has several writers has the same cut in all."""
    return EMBEDDINGS if writer.layer is None else name_of(writer.layer, writer.component)


def _drafts(part: str, cut: Cut) -> Iterator[Draft]:
    """In GGUF's order of sizes."""
    width = len(cut.direction)
    halves = (cut.direction, (width, 1)), (-cut.strength * cut.direction, (1, width))
    for ending, (values, shape) in zip(HALVES, halves, strict=True):
        data = np.ascontiguousarray(values, "<f4").tobytes()
        yield Draft(part + ending, shape, lora.F32, len(data), partial(bytes, data))
