"""The common suite with the engine's child on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from asking import plan_for
from worker_suite import Suited, WorkerSuite

from fabula.core.model import LocalModel
from fabula.engine.llamacpp.worker import LlamaCppWorker

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suited(model: LocalModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Suited]:
    worker = LlamaCppWorker(tmp_path_factory.mktemp("logs"))
    await worker.load(model, plan_for(model, slots=2))
    yield Suited(worker)
    await worker.close()


class TestLlamaCpp(WorkerSuite):
    """On this machine."""
