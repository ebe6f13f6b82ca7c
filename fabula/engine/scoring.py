"""How likely a model finds texts, and how far two models are apart. Knows only the seams of core."""

from __future__ import annotations

import asyncio
import math
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fabula.core.errors import BadParameter, EngineRefused, NoDiskSpace, VocabulariesDiffer
from fabula.core.load import NO_WISH, Wish
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.scoring import Captured, Captures, Compares, Divergence, Kept, Scored, Scores
from fabula.core.texts import phrase
from fabula.core.worker import Counts, Pieces, Prompt, Worker
from fabula.engine.beside import Beside

CHUNK = 64  # tokens that two models read in turn
MOST_LIKELIEST = 100
WINDOW, LONGEST_WINDOW = 512, 1_000_000  # tokens
MOST_CONTINUATIONS = 1024
MOST_TENSORS = 256  # names or patterns of them
MOST_CAPTURED = 256 << 20  # bytes
PLAIN = Sampling()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models over one text; `on_disk` are the bytes that the first one's probabilities took there, 0
    where both were in memory."""

    tokens: int
    rows: tuple[Divergence, ...]
    on_disk: int

    @property
    def kl(self) -> float:
        """Mean KL(first ‖ second), nats."""
        return sum(row.kl for row in self.rows) / max(len(self.rows), 1)

    @property
    def same_top(self) -> float:
        """The share of places at which both find the same token the likeliest."""
        return sum(row.same_top for row in self.rows) / max(len(self.rows), 1)

    def perplexities(self) -> tuple[float, float]:
        first = [row.first for row in self.rows if row.first is not None]
        second = [row.second for row in self.rows if row.second is not None]
        return _perplexity(first), _perplexity(second)


@dataclass(frozen=True, slots=True)
class Perplexity:
    value: float
    tokens: int  # of the text
    counted: int  # of them, those that were scored with enough before them
    windows: int


class Scoring:
    """`folder` is where probabilities lie that one model leaves for another."""

    def __init__(self, beside: Beside, folder: Path) -> None:
        self._beside, self._folder = beside, folder

    async def score(
        self,
        model: LocalModel,
        pieces: Pieces,
        likeliest: int = 0,
        wish: Wish = NO_WISH,
        *,
        swap: bool = False,
    ) -> Scored:
        """Raises DirectUnavailable, NoRoomBeside, ContextExceeded."""
        if not 0 <= likeliest <= MOST_LIKELIEST:
            expected = phrase("expected.whole_range", low=0, high=MOST_LIKELIEST)
            raise BadParameter("likeliest", f"{likeliest}", expected)
        async with self._beside.exact(model.name, wish, swap=swap) as worker:
            return await _able(worker).score(Prompt(pieces), likeliest)

    async def choices(
        self,
        model: LocalModel,
        prefix: Pieces,
        continuations: Sequence[Pieces],
        wish: Wish = NO_WISH,
        *,
        swap: bool = False,
    ) -> list[tuple[float, ...]]:
        """The log-probability of each token of each continuation after the prefix, which is read once."""
        if not 0 < len(continuations) <= MOST_CONTINUATIONS:
            expected = phrase("expected.some_texts", most=MOST_CONTINUATIONS)
            raise BadParameter("continuations", f"{len(continuations)}", expected)
        async with self._beside.exact(model.name, wish, swap=swap) as worker:
            asked = [Prompt(continuation, add_special=False) for continuation in continuations]
            return await _able(worker).choices(Prompt(prefix), asked)

    async def perplexity(
        self, model: LocalModel, text: str, window: int = WINDOW, wish: Wish = NO_WISH, *, swap: bool = False
    ) -> Perplexity:
        """Of a text of any length, by the rule of llama.cpp's tool: windows of so many tokens, of each of
        which the second half counts. A text of less than one window counts whole."""
        if not 2 <= window <= LONGEST_WINDOW:
            expected = phrase("expected.whole_range", low=2, high=LONGEST_WINDOW)
            raise BadParameter("window", f"{window}", expected)
        async with self._beside.exact(model.name, wish, swap=swap) as worker:
            ids = await _ids(worker, text)
            starts = range(0, max(len(ids) - window, 0) + 1, window)
            found: list[float] = []
            for start in starts:
                part = tuple(ids[start : start + window])
                scored = await _able(worker).score(Prompt((part,), add_special=False))
                found += scored.logprobs[window // 2 - 1 if len(ids) >= window else 0 :]
        return Perplexity(_perplexity(found), len(ids), len(found), len(starts))

    async def capture(
        self,
        model: LocalModel,
        pieces: Pieces,
        tensors: Sequence[str],
        keep: Kept = "last",
        sampling: Sampling = PLAIN,
        wish: Wish = NO_WISH,
        *,
        swap: bool = False,
    ) -> Mapping[str, Captured]:
        """Tensors of the model's graph while it reads a text, changed by the adapters and control vectors of
        the sampling. Raises what `score` raises, EngineRefused for a name that no tensor has."""
        if not 0 < len(tensors) <= MOST_TENSORS:
            expected = phrase("expected.some_texts", most=MOST_TENSORS)
            raise BadParameter("tensors", f"{len(tensors)}", expected)
        async with self._beside.exact(model.name, wish, swap=swap) as worker:
            if not isinstance(worker, Captures):
                raise EngineRefused(worker.model.name, f"{worker.engine} does not capture tensors")
            found = await worker.capture(Prompt(pieces), tensors, keep, sampling)
        size = sum(len(captured.data) for captured in found.values())
        if size > MOST_CAPTURED:
            raise BadParameter("keep", keep, phrase("expected.fewer_bytes", size=size, most=MOST_CAPTURED))
        return found

    # ── two models ──────────────────────────────────────────────────────────────────────────────────

    async def compare(
        self, first: LocalModel, second: LocalModel, text: str, wish: Wish = NO_WISH, *, swap: bool = False
    ) -> Comparison:
        """KL(first ‖ second) after each token. Two that fit together read piece by piece, in turn; if they do
        not, the first one's probabilities lie on the disk until the second has read them.

        Raises VocabulariesDiffer, NoDiskSpace, and what `score` raises.
        """
        if first.vocabulary != second.vocabulary or first.tokenizer != second.tokenizer:
            raise VocabulariesDiffer(first.name, second.name)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="compare-") as folder:
            file = Path(folder) / "rows"
            async with self._beside.exact(first.name, wish, swap=swap) as one:
                ids = await _ids(one, text)
                if first.name == second.name:  # one copy of it is enough, and another would wait for itself
                    return Comparison(len(ids), await _in_turn(one, one, ids, file), 0)
                if await self._beside.fits_beside(second.name, wish):
                    async with self._beside.exact(second.name, wish, swap=swap) as other:
                        return Comparison(len(ids), await _in_turn(one, other, ids, file), 0)
                self._require_space(one, len(ids))
                await _compares(one).keep_rows(ids, 0, len(ids), file)
            size = (await asyncio.to_thread(file.stat)).st_size
            async with self._beside.exact(second.name, wish, swap=True) as other:
                rows = await _compares(other).compare_rows(ids, 0, len(ids), file)
            return Comparison(len(ids), tuple(rows), size)

    def _require_space(self, worker: Worker, tokens: int) -> None:
        needed = 4 * tokens * _compares(worker).vocabulary
        free = shutil.disk_usage(self._folder).free
        if needed > free:
            raise NoDiskSpace(needed, free, str(self._folder))


async def _ids(worker: Worker, text: str) -> list[int]:
    assert isinstance(worker, Counts), "whatever scores counts"
    ids = await worker.tokenize(Prompt((text,)))
    if len(ids) < 2:
        raise BadParameter("text", text[:80], phrase("expected.some_text"))
    return ids


async def _in_turn(one: Worker, other: Worker, ids: Sequence[int], file: Path) -> tuple[Divergence, ...]:
    """One piece each, so that neither is asked to remember another's whole text."""
    rows: list[Divergence] = []
    for start in range(0, len(ids), CHUNK):
        end = min(start + CHUNK, len(ids))
        await _compares(one).keep_rows(ids, start, end, file)
        rows += await _compares(other).compare_rows(ids, start, end, file)
    return tuple(rows)


def _able(worker: Worker) -> Scores:
    if not isinstance(worker, Scores):
        raise EngineRefused(worker.model.name, f"{worker.engine} does not score")
    return worker


def _compares(worker: Worker) -> Compares:
    if not isinstance(worker, Compares):
        raise EngineRefused(worker.model.name, f"{worker.engine} does not compare")
    return worker


def _perplexity(logprobs: Sequence[float]) -> float:
    return math.exp(-sum(logprobs) / max(len(logprobs), 1))
