"""What an edit cost: replies before and after, over them how far the two models are apart, and the probes
that came out otherwise. Knows no weights.

Prompts are drawn at random, but always the same ones. Each is answered by both models with the likeliest
words; KL and perplexity are of what the model wrote before, prompt and reply, and of Fabula's neutral texts.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fabula.core.errors import EngineFailure, NoRoom
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.stream import Token
from fabula.core.worker import Prompt
from fabula.engine.direct.desk_worker import DeskWorker
from fabula.evals.probes.bank import Probe, chosen
from fabula.lab.directions import contrasts
from fabula.lab.directions.contrasts import Messages
from fabula.lab.directions.saying import texts
from fabula.lab.quantize import quality
from fabula.lab.quantize.exact import Copies, until_cancelled
from fabula.lab.quantize.quality import Pair, Text
from fabula.store.job_child import Report

PROMPTS, REPLY, CONTEXT, SEED = 4, 60, 1024, 9  # prompts; tokens of a reply and of the context
REPLIES = "replies"
SAMPLING = Sampling(temperature=0, max_tokens=REPLY)
ANSWERING = "lab.directions.answering"


def prompts() -> list[Messages]:
    """Of all sets that ship."""
    known = [prompt for name in contrasts.names() for prompt in contrasts.contrast(name).prompts]
    return random.Random(SEED).sample(known, PROMPTS)


def measured(
    pair: Pair, engine: Copies, folder: Path, report: Report, *, probes: bool = False
) -> dict[str, Any]:
    """`samples` has prompt, before and after; the rest is as `quality.measure` tells it, with the `probes` of
    both where they are to be asked, or says why it could not be measured: the new model is there all the
    same."""
    asked = chosen() if probes else ()
    return asyncio.run(until_cancelled(_measured(pair, engine, folder, report, asked), report))


async def _measured(
    pair: Pair, engine: Copies, folder: Path, report: Report, probes: Sequence[Probe]
) -> dict[str, Any]:
    asked, samples = prompts(), []
    try:
        before = await _answered(pair.source, asked, engine, report)
        after = await _answered(pair.made, asked, engine, report)
        rows = zip(asked, before, after, strict=True)
        samples = [
            {"prompt": prompt[-1]["content"], "before": first, "after": second}
            for prompt, first, second in rows
        ]
        said = texts(pair.source, asked)
        whole = [Text(REPLIES, prompt + reply) for prompt, reply in zip(said, before, strict=True)]
        told = await quality.measure(pair, [*whole, *quality.neutral()], engine, folder, report)
        told |= await quality.probed(pair, engine, report, probes)
    except (EngineFailure, NoRoom) as error:
        told = {"error": error.kept()}
    finally:
        await engine.close()
    return told | {"samples": samples}


async def _answered(
    model: LocalModel, asked: Sequence[Messages], engine: Copies, report: Report
) -> list[str]:
    found = []
    async with engine.load(model, min(CONTEXT, model.trained_context or CONTEXT)) as worker:
        for number, text in enumerate(texts(model, asked)):
            report.progress(number, len(asked), "prompts", ANSWERING)
            found.append(await _answer(worker, text))
    return found


async def _answer(worker: DeskWorker, text: str) -> str:
    parts = [delta async for delta in worker.stream(Prompt((text,)), SAMPLING)]
    return "".join(delta.text for delta in parts if isinstance(delta, Token)).strip()
