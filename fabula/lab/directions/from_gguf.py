"""Activations of a GGUF, by the engine itself: no torch. Knows how prompts are read, not what is made of
them.

One prompt after the other; what every layer gives at the wanted place is copied while the engine reads. What
the engine calls `l_out-7` is the residual stream behind layer 7, as transformers' layers return it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fabula.core.errors import BadParameter, TooCoarse
from fabula.core.model import LocalModel
from fabula.core.scoring import Kept
from fabula.core.texts import Phrase, phrase
from fabula.core.worker import Prompt
from fabula.engine.cache.steps import cannot_go_back
from fabula.engine.direct.worker import DirectWorker
from fabula.lab.directions.activations import Activations
from fabula.lab.directions.saying import where
from fabula.lab.quantize.exact import Engine, until_cancelled
from fabula.lab.quantize.source import read_source
from fabula.models.formats.types import TENSOR_TYPES
from fabula.store.job_child import Report

LAYER = "l_out-"
LONGEST = 4096  # tokens of a prompt
NOTE_S = 5.0  # between two savings
READING = "lab.directions.reading"
FINE_BITS = 8.0  # per weight; Q8_0 has 8.5
NATIVE = "MXFP4"  # models of that type were trained in it: nothing was lost
LOST = {
    "Q6_K": 0.988,
    "Q5_K": 0.967,
    "Q5_1": 0.961,
    "Q5_0": 0.946,
    "Q4_K": 0.905,
    "Q4_1": 0.856,
    "IQ4_NL": 0.879,
    "Q4_0": 0.836,
    "Q3_K": 0.575,
    "Q2_K": 0.067,
}
"""Mean cosine over the middle layers of a direction learned from such weights with that from the full ones.

Measured on the starter model (SmolLM2 135M, `cheerful-gloomy`) on 2026-11-22 by `python -m bench direction
--parts losses`; other models differ. K types by rounding alone. A type that is not here was not measured."""


def coarse_type(model: LocalModel) -> str:
    """The coarsest type among the layers' matrices, where it has less than Q8_0 has; "" when none has."""
    kinds = {
        TENSOR_TYPES[tensor.type]
        for tensor in read_source(model).tensors
        if tensor.name.startswith("blk.") and len(tensor.shape) > 1
    }
    found = min((kind for kind in kinds if kind.name != NATIVE), key=lambda kind: kind.bits, default=None)
    return found.name if found and found.bits < FINE_BITS else ""


def require_fine(model: LocalModel, *, force: bool) -> None:
    """Raises TooCoarse."""
    type_ = coarse_type(model)
    if type_ and not force:
        raise TooCoarse(model.name, type_, "Q8_0", how_far(type_))


def how_far(type_: str) -> Phrase:
    """What is said of such weights: with a figure where one was measured."""
    if type_ not in LOST:
        return phrase("lab.directions.coarse_unmeasured", type=type_)
    return phrase("lab.directions.coarse", type=type_, cosine=f"{LOST[type_]:.3f}")


def gather(
    model: LocalModel, texts: Sequence[str], position: str, into: Activations, engine: Engine, report: Report
) -> None:
    """Raises DoesNotFit, DirectUnavailable or another EngineFailure, BadParameter for a prompt that is too
    short or too long."""
    report.progress(0, 0, "prompts", "lab.quantize.loading")
    asyncio.run(until_cancelled(_gather(model, texts, position, into, engine, report), report))


async def _gather(
    model: LocalModel, texts: Sequence[str], position: str, into: Activations, engine: Engine, report: Report
) -> None:
    async with engine.load(model, min(LONGEST, model.trained_context or LONGEST)) as worker:
        ids = [await worker.tokenize(Prompt((text,))) for text in texts]
        shared = 0 if position != "last" or cannot_go_back(model) else common(ids)
        noted = time.monotonic()
        for number in range(into.done, len(texts)):
            report.check()
            report.progress(number, len(texts), "prompts", READING)
            rows = await read(worker, ids[number], position, into.shape[0], shared)
            into.put(slice(None), slice(number, number + 1), rows[:, None], model.name)
            if time.monotonic() - noted > NOTE_S or number + 1 == len(texts):
                into.note(number + 1)
                noted = time.monotonic()


def common(ids: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with, but for a prompt's last one."""
    shortest = min(map(len, ids))
    same = (len({each[place] for each in ids}) == 1 for place in range(shortest - 1))
    return next((place for place, agrees in enumerate(same) if not agrees), max(shortest - 1, 0))


async def read(
    worker: DirectWorker, ids: Sequence[int], position: str, layers: int, shared: int = 0
) -> NDArray[np.float32]:
    """What each layer gives: [layers, width]."""
    kind, back = where(position)
    keep: Kept = "mean" if kind == "mean" else "last" if back == 1 else "all"
    asked = Prompt((tuple(ids),), add_special=False)
    found = await worker.capture(asked, [f"{LAYER}*"], keep, shared=shared)
    rows = []
    for layer in range(layers):
        captured = found[f"{LAYER}{layer}"]
        if captured.tokens < back:
            raise BadParameter("position", position, phrase("lab.directions.short", tokens=captured.tokens))
        frame = np.frombuffer(captured.data, "<f4").reshape(captured.rows, captured.width)
        rows.append(frame[0] if kind == "mean" else frame[-back if keep == "all" else -1])
    return np.stack(rows)
