"""The common suite with a raw llama.cpp server, as somebody else runs it."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from remote_loading import loaded
from worker_suite import Suited, WorkerSuite

from fabula.core.worker import Counts, KeepsSlots, TakesAdapters
from fabula.engine.child_process import ENVIRONMENT

pytestmark = pytest.mark.asyncio(loop_scope="module")
RAW = Path(__file__).with_name("raw_server.py")
KEY = secrets.token_urlsafe()


@pytest.fixture(scope="module")
def raw_server(starter_model: Path) -> Iterator[str]:
    environment = os.environ | ENVIRONMENT | {"RAW_KEY": KEY}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    child = subprocess.Popen(
        [sys.executable, str(RAW), str(starter_model)], env=environment, text=True, **pipes
    )  # type: ignore[call-overload]
    assert child.stdout
    yield child.stdout.readline().strip()
    child.kill()
    child.communicate()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suited(raw_server: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Suited]:
    worker = await loaded(tmp_path_factory.mktemp("home"), raw_server, key=KEY)
    yield Suited(worker)
    await worker.close()


class TestRawLlamaCppServer(WorkerSuite):
    """Less nothing: all that the engine can do it can do from afar."""

    async def test_it_is_told_what_it_is(self, suited: Suited) -> None:
        worker = suited.worker
        assert worker.engine.startswith("llama.cpp (127.0.0.1:")
        assert (worker.plan.context, worker.model.vocabulary) == (2048, 49152)
        assert "<|im_start|>" in worker.model.chat_template
        assert isinstance(worker, Counts)
        assert not isinstance(worker, KeepsSlots | TakesAdapters)
