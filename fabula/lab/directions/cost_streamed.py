"""What an edit cost, for folders that do not fit into memory: both models are read layer by layer. Knows no
weights.

The figures are those of `cost`, over the same texts, from one pass over each model: behind the last layer
both heads are read at once, in pieces. A reply costs one read of all weights per token, so all prompts are
answered together, for as long as `REPLIES_S` allows; where that is not worth it, there are none, and the
result says so. What was read lies in a folder: work that was cut off goes on there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabula.core.errors import CannotStream, EngineFailure, NoRoom, VocabulariesDiffer, WeightsUnusable
from fabula.core.model import LocalModel
from fabula.core.scoring import Divergence
from fabula.core.texts import phrase
from fabula.engine.transformers_child.library import CannotLoad
from fabula.engine.transformers_child.weights import Vocabulary
from fabula.lab.directions import cost, heads, replies
from fabula.lab.directions.heads import NOTHING
from fabula.lab.directions.replies import LARGE, SLOW, WRITTEN, Pace, Spoken, TooSlow
from fabula.lab.directions.residual import IN_MEMORY, Batch, Residual
from fabula.lab.directions.saying import texts
from fabula.lab.directions.skeleton import Ids, Skeleton
from fabula.lab.directions.streaming import READING, Reading
from fabula.lab.quantize import quality
from fabula.lab.quantize.exact import cut
from fabula.lab.quantize.quality import Pair, Text
from fabula.lab.quantize.texts import FEWEST_MEASURED
from fabula.store.files import write_atomic, writing
from fabula.store.job_child import Report

PROMPTS = "prompts"  # the name of the texts where there are no replies


def measured(pair: Pair, folder: Path, report: Report, threads: int = 0) -> dict[str, Any]:
    """As `cost.measured`; `streamed` tells of the replies: `why`, `tokens` of the longest, `seconds` that one
    takes. Where it cannot be measured, it says why. Raises the job's own Cancelled."""
    report.progress(0, 0, "tokens", "lab.quantize.loading")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        told = _Measuring(pair, folder, report, threads).told()
    except (EngineFailure, NoRoom, CannotStream, WeightsUnusable) as error:
        told = {"error": error.kept(), "samples": []}
    shutil.rmtree(folder, ignore_errors=True)
    return told


@dataclass(slots=True)
class Passed:
    """How many layers have read the texts; what `mark` stands for decides."""

    folder: Path
    mark: str
    done: int = 0

    @classmethod
    def begin(cls, folder: Path, mark: str) -> Passed:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        made = cls(folder, mark)
        with contextlib.suppress(OSError, ValueError):
            told = json.loads(made._file.read_text(encoding="utf-8"))
            made.done = told["done"] if told["mark"] == mark else 0
        return made

    def note(self, done: int) -> None:
        self.done = done
        write_atomic(self._file, json.dumps({"mark": self.mark, "done": done}).encode())

    @property
    def _file(self) -> Path:
        return self.folder / "passed.json"


@dataclass(slots=True)
class _Measuring:
    pair: Pair
    folder: Path
    report: Report
    threads: int
    words: Vocabulary = field(init=False)

    def told(self) -> dict[str, Any]:
        """Raises CannotStream, WeightsUnusable, VocabulariesDiffer, ExtraMissing, NoDiskSpace."""
        pair = self.pair
        if pair.source.vocabulary != pair.made.vocabulary:
            raise VocabulariesDiffer(pair.source.name, pair.made.name)
        with self._open(pair.source) as skeleton:
            self.words = _words(pair.source, skeleton)
        asked = cost.prompts()
        said = texts(pair.source, asked)
        spoken = self._spoken(said)
        before, after = ([self._text(reply) for reply in side] for side in (spoken.source, spoken.made))
        rows = zip(asked, before, after, strict=True)
        samples = [
            {"prompt": prompt[-1]["content"], "before": first, "after": second}
            for prompt, first, second in rows
            if spoken.why == WRITTEN
        ]
        name = cost.REPLIES if spoken.why == WRITTEN else PROMPTS
        whole = [Text(name, prompt + reply) for prompt, reply in zip(said, before, strict=True)]
        seconds = spoken.seconds / max(spoken.steps, 1)
        streamed = {"why": spoken.why, "tokens": spoken.tokens, "seconds": round(seconds, 1)}
        return self._figures([*whole, *quality.neutral()]) | {"samples": samples, "streamed": streamed}

    def _open(self, model: LocalModel) -> contextlib.closing[Skeleton]:
        return contextlib.closing(Skeleton(model, self.threads))

    def _text(self, reply: Ids) -> str:
        told = b"".join(self.words.piece(id, False) for id in reply if id not in self.words.ends)
        return told.decode(errors="replace").strip()

    # ── replies ─────────────────────────────────────────────────────────────────────────────────────

    def _spoken(self, said: Sequence[str]) -> Spoken:
        prompts = [self.words.tokenize(text, add_special=True) for text in said]
        file = self.folder / "replies.json"
        spoken = Spoken.open(file, len(prompts))
        places = len(prompts) * (max(map(len, prompts)) + cost.REPLY)
        if replies.memory_bytes(self.pair.source, places) > IN_MEMORY:
            spoken.why = LARGE
        if spoken.why != WRITTEN:
            return spoken
        try:
            if spoken.limit is None:
                self._write(prompts, spoken, file)
            self._write_after(prompts, spoken, file)
        except TooSlow as slow:
            spoken = Spoken([[] for _ in prompts], [[] for _ in prompts], SLOW, seconds=slow.seconds, steps=1)
        spoken.save(file)
        return spoken

    def _write(self, prompts: list[Ids], spoken: Spoken, file: Path) -> None:
        """As many tokens as half of the time allows. Raises TooSlow."""
        with self._open(self.pair.source) as skeleton:
            pace = Pace(spoken, len(skeleton.layers))

            def tell(share: float) -> None:
                self._tell(spoken.tokens + share, cost.REPLY)
                pace.look(share)

            for _ in replies.written(skeleton, prompts, spoken.source, cost.REPLY, self.words.ends, tell):
                goes_on = pace.step()
                spoken.save(file)
                if not goes_on:
                    break
        spoken.limit = spoken.tokens
        spoken.save(file)

    def _write_after(self, prompts: list[Ids], spoken: Spoken, file: Path) -> None:
        limit = spoken.limit or 0
        with self._open(self.pair.made) as skeleton:
            done = max(map(len, spoken.made))
            tell = lambda share: self._tell(done + share, limit)  # noqa: E731
            for _ in replies.written(skeleton, prompts, spoken.made, limit, self.words.ends, tell):
                done += 1
                spoken.save(file)

    def _tell(self, done: float, whole: int) -> None:
        self.report.check()
        self.report.progress(done, whole, "tokens", cost.ANSWERING)

    # ── figures ─────────────────────────────────────────────────────────────────────────────────────

    def _figures(self, said: Sequence[Text]) -> dict[str, Any]:
        named = [(text.name, ids) for text in said for ids in self._cut(text)]
        ids = [list(each) for _, each in named]
        sides = [
            self._read(number, model, ids) for number, model in enumerate((self.pair.source, self.pair.made))
        ]
        rows = self._compared(sides, ids)
        found: dict[str, list[Divergence]] = {}
        for name, each in named:
            found.setdefault(name, []).extend(rows[: len(each)])
            rows = rows[len(each) :]
        every = [row for rows_of_text in found.values() for row in rows_of_text]
        parts = [{"text": name} | quality.described(rows) for name, rows in found.items()]
        return quality.described(every) | {"texts": parts}

    def _cut(self, text: Text) -> list[tuple[int, ...]]:
        length = min(quality.WINDOW, self.pair.source.trained_context or quality.WINDOW)
        first = self.words.tokenize("", add_special=True)[:1]
        ids = self.words.tokenize(text.text, add_special=False)
        return cut(first, ids, length, FEWEST_MEASURED)[: text.windows]

    def _read(self, number: int, model: LocalModel, ids: Sequence[Ids]) -> tuple[Residual, list[Batch]]:
        """What the last layer gives. Raises WeightsUnusable."""
        mark = hashlib.sha256(json.dumps(list(ids)).encode()).hexdigest()
        with self._open(model) as skeleton:
            reading = Reading(skeleton, ids, Passed.begin(self.folder / f"{number}", mark))
            layers = len(skeleton.layers)

            def tell(layer: int, batch: Batch) -> None:
                self._tell_bytes((number * layers + layer + batch.start / reading.places) / (layers + 1))

            for layer, made in reading.layers(tell):
                if not all(np.isfinite(rows).all() for _, rows in made):
                    raise WeightsUnusable(model.name, phrase("lab.directions.not_finite", layer=layer))
        return reading.stream, reading.work

    def _compared(
        self, sides: Sequence[tuple[Residual, list[Batch]]], ids: Sequence[Ids]
    ) -> list[Divergence]:
        with self._open(self.pair.source) as one, self._open(self.pair.made) as other:
            layers = len(one.layers)
            return heads.compared(
                (one, other),
                (sides[0][0].rows, sides[1][0].rows),
                _places(sides[0][1], len(ids)),
                [token for each in ids for token in (*each[1:], NOTHING)],
                lambda share: self._tell_bytes(2 * (layers + share) / (layers + 1)),
            )

    def _tell_bytes(self, models: float) -> None:
        """How much of both models was read; a head counts as a layer."""
        self.report.check()
        size = self.pair.source.size
        self.report.progress(models * size, 2 * size, "bytes", READING)


def _words(model: LocalModel, skeleton: Skeleton) -> Vocabulary:
    try:
        return Vocabulary(model.path, model.vocabulary, skeleton.ends())
    except CannotLoad as why:
        raise CannotStream(model.name, f"{why}") from why


def _places(work: Sequence[Batch], texts: int) -> NDArray[np.int64]:
    """The rows of the residual stream, text by text."""
    found: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * texts
    for batch in work:
        for row, (number, length) in enumerate(zip(batch.prompts, batch.lengths, strict=True)):
            start = batch.start + row * batch.length
            found[number] = np.arange(start, start + length)
    return np.concatenate(found)
