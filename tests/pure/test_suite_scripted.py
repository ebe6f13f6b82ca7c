"""The common suite with the worker that plays a script, so that what tests trust keeps what workers keep."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from asking import plan_for
from worker_suite import Suited, WorkerSuite

from fabula.core.model import LocalModel
from fabula.engine.scripted import ScriptedWorker

pytestmark = pytest.mark.asyncio(loop_scope="module")
CANNOT = frozenset({"logprobs", "seed", "bans", "grammar", "schema", "greedy", "text"})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suited() -> AsyncIterator[Suited]:
    model = LocalModel(name="played", path=Path("played.gguf"), size=1)
    worker = ScriptedWorker(lambda prompt, sampling: " 5, 6, 7, 8,")
    await worker.load(model, plan_for(model))
    yield Suited(worker, CANNOT)
    await worker.close()


class TestScripted(WorkerSuite):
    """Less what it has no probabilities for."""
