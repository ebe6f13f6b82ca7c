"""Activations of a folder as Hugging Face keeps models, one layer of weights in memory at a time.

Each layer is filled, reads all batches, and is emptied: every weight is read once, and memory is a layer in
32 bits, the next one as it is stored (two in 32 bits while experts are stacked), a batch's intermediate
values, and the residual stream, which lies on the disk beyond `residual.IN_MEMORY`. Batches are filled up at
their right end: tokens look back only, so what is behind the end changes nothing, and no mask is needed for
it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fabula.core.errors import BadParameter, CannotStream
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.engine.transformers_child.library import CannotLoad
from fabula.engine.transformers_child.library import tokenizer as load_tokenizer
from fabula.lab.directions.activations import Activations
from fabula.lab.directions.residual import Batch, Noted, Residual, Rows, batches
from fabula.lab.directions.saying import where
from fabula.lab.directions.skeleton import Skeleton
from fabula.store.job_child import Report

LONGEST = 4096  # tokens of a prompt
NOTE_S = 20.0  # between two savings of the residual stream
READING = "lab.directions.streaming"

Ids = list[int]
Tell = Callable[[int, Batch], None]
"""Told before a layer reads a batch; may raise to end the work."""


def tokenizer(model: LocalModel) -> Any:
    """Raises CannotStream."""
    try:
        return load_tokenizer(model.path)
    except CannotLoad as why:
        raise CannotStream(model.name, f"{why}") from why


def tokens(model: LocalModel, texts: Sequence[str], position: str) -> list[Ids]:
    """Raises CannotStream, or BadParameter for a prompt that is too short or too long."""
    read = tokenizer(model)
    found = [[int(id) for id in read(text, add_special_tokens=True)["input_ids"]] for text in texts]
    _, back = where(position)
    shortest, longest = min(map(len, found)), max(map(len, found))
    if shortest < max(back, 1):
        raise BadParameter("position", position, phrase("lab.directions.short", tokens=shortest))
    if longest > LONGEST:
        raise BadParameter(
            "prompts", f"{longest}", phrase("lab.directions.long", tokens=longest, most=LONGEST)
        )
    return found


def gather(
    model: LocalModel, texts: Sequence[str], position: str, into: Activations, threads: int, report: Report
) -> None:
    """Raises CannotStream, WeightsUnusable, ExtraMissing, BadParameter, NoDiskSpace."""
    report.progress(0, 0, "tokens", "lab.quantize.loading")
    with contextlib.closing(Skeleton(model, threads)) as skeleton:
        reading = Reading(skeleton, tokens(model, texts, position), into)

        def tell(layer: int, batch: Batch) -> None:
            report.check()
            done = layer * reading.places + batch.start
            report.progress(done, into.shape[0] * reading.places, "tokens", READING)

        for layer, made in reading.layers(tell):
            kept = np.empty(into.shape[1:], np.float32)
            for batch, rows in made:
                kept[list(batch.prompts)] = picked(rows, batch, position)
            into.put(slice(layer, layer + 1), slice(None), kept[None], skeleton.name)
    reading.stream.remove()


class Reading:
    """Prompts on their way through the layers, from where `into` says that they are."""

    def __init__(self, skeleton: Skeleton, ids: Sequence[Ids], into: Noted) -> None:
        self._skeleton, self._into = skeleton, into
        self.work = batches([len(each) for each in ids])
        filled = {
            batch.start: [_filled(ids[number], batch.length) for number in batch.prompts]
            for batch in self.work
        }
        self._calls, firsts = skeleton.begin(filled)
        rows = [firsts[batch.start].reshape(-1, skeleton.width) for batch in self.work]
        self.stream = Residual.begin(into, np.concatenate(rows))

    @property
    def places(self) -> int:
        """Of all batches, those that only fill up included."""
        return self.stream.shape[0]

    def layers(self, tell: Tell) -> Iterator[tuple[int, Iterator[tuple[Batch, Rows]]]]:
        """By layer what it gives for each batch; all of these are to be taken. What was taken of a layer is
        noted when the next one is asked for."""
        noted = time.monotonic()
        for layer in range(self._into.done, len(self._skeleton.layers)):
            with self._skeleton.filled(layer) as compute:
                yield layer, self._batches(layer, compute, tell)
            self.stream.turn()
            is_last = layer + 1 == len(self._skeleton.layers)
            if self.stream.is_on_disk or time.monotonic() - noted > NOTE_S or is_last:
                self.stream.save(layer + 1)
                noted = time.monotonic()

    def _batches(
        self, layer: int, compute: Callable[[Rows, Any], Rows], tell: Tell
    ) -> Iterator[tuple[Batch, Rows]]:
        for batch in self.work:
            tell(layer, batch)
            made = compute(self.stream.read(batch), self._calls[layer][batch.start])
            self.stream.write(batch, made)
            yield batch, made


def _filled(row: Ids, length: int) -> Ids:
    return row + row[-1:] * (length - len(row))


def picked(rows: Rows, batch: Batch, position: str) -> Rows:
    """Of [prompts, length, width] the wanted place of each prompt: [prompts, width]."""
    kind, back = where(position)
    lengths = np.asarray(batch.lengths)
    if kind == "mean":
        inside = np.arange(batch.length)[None, :, None] < lengths[:, None, None]
        summed = np.where(inside, rows, 0).sum(axis=1, dtype=np.float64)
        return np.asarray(summed / lengths[:, None], np.float32)
    return np.asarray(rows[np.arange(len(lengths)), lengths - back])
