"""The job kind `probes`: one model is asked all probes, or two are and are compared. Knows no shelf.

Whoever measures an edit or a quantization compares with the same words.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from fabula.core.errors import EngineFailure, NoRoom, TemplateRefused
from fabula.core.model import LocalModel
from fabula.evals.probes.asking import CONTEXT, Asked, ask
from fabula.evals.probes.bank import Probe, chosen
from fabula.evals.probes.result import Outcomes, compared, scores
from fabula.store.job_child import Report

KIND = "probes"
ASKING = "evals.probes.asking"

Language = Literal["all", "en", "zh-Hant", "zh-Hans"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The arguments of the job. With `against`, `model` is what was before, and `against` what came of it."""

    model: str
    against: str = ""
    language: Language = "all"

    def arguments(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def probes(self) -> tuple[Probe, ...]:
        return chosen("" if self.language == "all" else self.language)


class Loads(Protocol):
    """What loads a copy of a model to be asked. Raises DoesNotFit or another EngineFailure."""

    def load(self, model: LocalModel, context: int) -> AbstractAsyncContextManager[Asked]: ...


async def score(model: LocalModel, engine: Loads, probes: Sequence[Probe], report: Report) -> dict[str, Any]:
    """As `result.scores` tells it. Raises TemplateRefused, NoRoom or an EngineFailure."""
    return scores(await _outcomes(model, engine, probes, report, 0, len(probes)), probes)


async def compare(
    before: LocalModel,
    after: LocalModel,
    engines: tuple[Loads, Loads],
    probes: Sequence[Probe],
    report: Report,
) -> dict[str, Any]:
    """As `result.compared` tells it; an engine for each. Raises as `score` does."""
    whole = 2 * len(probes)
    first = await _outcomes(before, engines[0], probes, report, 0, whole)
    second = await _outcomes(after, engines[1], probes, report, len(probes), whole)
    return compared(first, second, probes)


async def compared_or_why(
    before: LocalModel, after: LocalModel, engine: Loads, probes: Sequence[Probe], report: Report
) -> dict[str, Any]:
    """As `compare`; where an engine or a template cannot, the result says why."""
    try:
        return await compare(before, after, (engine, engine), probes, report)
    except (EngineFailure, NoRoom, TemplateRefused) as error:
        return {"error": error.kept()}


async def _outcomes(
    model: LocalModel, engine: Loads, probes: Sequence[Probe], report: Report, done: int, whole: int
) -> Outcomes:
    def tell(count: int) -> None:
        report.check()
        report.progress(done + count, whole, "probes", ASKING)

    async with engine.load(model, min(CONTEXT, model.trained_context or CONTEXT)) as worker:
        return await ask(worker, probes, tell)
