"""What a quantization cost: perplexity, and how far its probabilities are from the source's, text by text;
and the probes that came out otherwise.

Both models read the same texts in windows, the source first. Where both fit into memory they take turns; else
the source's probabilities lie on the disk until the other has read them. Knows no types.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabula.core.errors import BadParameter, EngineFailure, NoRoom, VocabulariesDiffer
from fabula.core.model import LocalModel
from fabula.core.scoring import Divergence
from fabula.core.texts import phrase
from fabula.engine.direct.desk_worker import DeskWorker
from fabula.evals.probes.bank import Probe
from fabula.evals.probes.job import compared_or_why
from fabula.lab.quantize.exact import Copies, until_cancelled, windows
from fabula.lab.quantize.texts import FEWEST_MEASURED
from fabula.store.files import require_space
from fabula.store.job_child import Report

WINDOW = 512  # tokens that are read at a time, each time from nothing
FEW_WINDOWS = 2  # of each of Fabula's own texts: enough to compare types, and soon read
PIECE = 64  # tokens between two turns
SPARE = 64 << 20  # bytes of the disk that stay free
MEASURING = "lab.quantize.measuring"
NEUTRAL = Path(__file__).with_name("neutral")
LANGUAGES = ("en", "zh-Hant", "zh-Hans")

Window = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """`name` is its language, or its file's name."""

    name: str
    text: str
    windows: int | None = None  # of it that are read; None = all


def neutral() -> list[Text]:
    """Stories, recipes and talk in three languages, written for Fabula."""
    return [Text(language, _joined(language), FEW_WINDOWS) for language in LANGUAGES]


def _joined(language: str) -> str:
    """Lines of a paragraph belong together; Chinese has no blanks between them."""
    whole = (NEUTRAL / f"{language}.md").read_text(encoding="utf-8")
    between = " " if language == "en" else ""
    return "\n\n".join(between.join(part.splitlines()) for part in whole.strip().split("\n\n"))


@dataclass(frozen=True, slots=True)
class Pair:
    """The source and what was made of it."""

    source: LocalModel
    made: LocalModel


async def measure(
    pair: Pair, texts: Sequence[Text], engine: Copies, folder: Path, report: Report
) -> dict[str, Any]:
    """Over all texts and for each; KL is nats per token. Raises BadParameter for texts that are too short,
    DoesNotFit, NoDiskSpace, VocabulariesDiffer, or another EngineFailure."""
    if pair.source.vocabulary != pair.made.vocabulary:
        raise VocabulariesDiffer(pair.source.name, pair.made.name)
    found: dict[str, list[Divergence]] = {text.name: [] for text in texts}
    with tempfile.TemporaryDirectory(dir=folder, prefix=f"{pair.made.name}.compare-") as rows:
        async for name, compared in _compared(pair, texts, engine, Path(rows), report):
            found[name] += compared
    whole = [row for rows_of_text in found.values() for row in rows_of_text]
    parts = [{"text": name} | described(rows) for name, rows in found.items() if rows]
    return described(whole) | {"texts": parts}


async def _compared(
    pair: Pair, texts: Sequence[Text], engine: Copies, folder: Path, report: Report
) -> AsyncIterator[tuple[str, list[Divergence]]]:
    async with engine.load(pair.source, WINDOW) as source:
        cut = [(text.name, ids) for text in texts for ids in await _cut(source, text)]
        if not cut:
            expected = phrase("expected.longer_text", tokens=FEWEST_MEASURED)
            raise BadParameter("text", ", ".join(text.name for text in texts), expected)
        meter = _Meter(report, sum(len(ids) for _, ids in cut))
        if await engine.fits_beside(pair.made, WINDOW, source):
            async with engine.load(pair.made, WINDOW) as made:
                for name, ids in cut:
                    yield name, await _in_turn(source, made, ids, folder / "rows")
                    meter.add(len(ids))
            return
        require_space(folder, SPARE + 4 * source.vocabulary * sum(len(ids) for _, ids in cut))
        for number, (_, ids) in enumerate(cut):
            await source.keep_rows(ids, 0, len(ids), folder / f"{number}")
            meter.add(len(ids) / 2)
    async with engine.load(pair.made, WINDOW) as made:
        for number, (name, ids) in enumerate(cut):
            yield name, await made.compare_rows(ids, 0, len(ids), folder / f"{number}")
            (folder / f"{number}").unlink()
            meter.add(len(ids) / 2)


async def _cut(source: DeskWorker, text: Text) -> list[Window]:
    length = min(WINDOW, source.plan.context)  # small models have less
    return (await windows(source, text.text, length, FEWEST_MEASURED))[: text.windows]


async def _in_turn(source: DeskWorker, made: DeskWorker, ids: Window, file: Path) -> list[Divergence]:
    rows: list[Divergence] = []
    for start in range(0, len(ids), PIECE):
        end = min(start + PIECE, len(ids))
        await source.keep_rows(ids, start, end, file)
        rows += await made.compare_rows(ids, start, end, file)
    return rows


class _Meter:
    def __init__(self, report: Report, total: int) -> None:
        self._report, self._total, self._done = report, total, 0.0
        self.add(0)

    def add(self, tokens: float) -> None:
        self._done += tokens
        self._report.progress(self._done, self._total, "tokens", MEASURING)


def described(rows: Sequence[Divergence]) -> dict[str, Any]:
    return {
        "tokens": len(rows),
        "perplexity": perplexity([row.second for row in rows]),
        "source_perplexity": perplexity([row.first for row in rows]),
        "kl": sum(row.kl for row in rows) / max(len(rows), 1),
        "largest_kl": max((row.kl for row in rows), default=0.0),
        "same_top": sum(row.same_top for row in rows) / max(len(rows), 1),
    }


def perplexity(logprobs: Sequence[float | None]) -> float:
    """e^(mean surprise) over the tokens that something stands before."""
    known = [value for value in logprobs if value is not None]
    return math.exp(-sum(known) / max(len(known), 1))


def run(
    pair: Pair,
    texts: Sequence[Text],
    engine: Copies,
    folder: Path,
    report: Report,
    probes: Sequence[Probe] = (),
) -> dict[str, Any]:
    """As `measure`, with the `probes` of both where any are to be asked; where an engine cannot, or the text
    is too short, the result says why: the new model is there all the same."""
    try:
        work = _measured(pair, texts, engine, folder, report, probes)
        return asyncio.run(until_cancelled(work, report))
    except (EngineFailure, NoRoom) as error:
        return {"error": error.kept()}


async def _measured(
    pair: Pair,
    texts: Sequence[Text],
    engine: Copies,
    folder: Path,
    report: Report,
    probes: Sequence[Probe],
) -> dict[str, Any]:
    try:
        told = await measure(pair, texts, engine, folder, report)
    except BadParameter as error:  # which is no reason to leave out the probes
        told = {"error": error.kept()}
    return told | await probed(pair, engine, report, probes)


async def probed(pair: Pair, engine: Copies, report: Report, probes: Sequence[Probe]) -> dict[str, Any]:
    """{probes: …} as `evals.probes.result.compared` tells it, or why not; {} where none are to be asked."""
    if not probes:
        return {}
    return {"probes": await compared_or_why(pair.source, pair.made, engine, probes, report)}
