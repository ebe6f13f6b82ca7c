"""The common suite with the engine's own functions."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from asking import plan_for
from worker_suite import Suited, WorkerSuite

from fabula.core.model import LocalModel
from fabula.engine.direct.worker import DirectWorker

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suited(model: LocalModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Suited]:
    folder = tmp_path_factory.mktemp("direct")
    worker = DirectWorker(folder / "logs", folder / "proof.json")
    await worker.load(model, plan_for(model))
    yield Suited(worker)
    await worker.close()


class TestDirect(WorkerSuite):
    """Less nothing."""
