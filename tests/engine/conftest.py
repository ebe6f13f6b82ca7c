"""The real engine with the real starter model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from asking import plan_for

from fabula.core.model import LocalModel
from fabula.engine.cache.shelf import Shelf
from fabula.engine.llamacpp.worker import LlamaCppWorker


@pytest.fixture(scope="session")
def model(starter_model: Path) -> LocalModel:
    return LocalModel(name="starter", path=starter_model, size=starter_model.stat().st_size)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(
    model: LocalModel, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LlamaCppWorker]:
    """Loaded once for all tests of a file; one slot, which keeps what earlier tests asked."""
    folder = tmp_path_factory.mktemp("engine")
    worker = LlamaCppWorker(folder / "logs", shelf=Shelf(folder / "kv", 1 << 30))
    await worker.load(model, plan_for(model))
    yield worker
    await worker.close()


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_at_the_end() -> Iterator[None]:
    """After every file: no child more than before it, whatever tests of other folders keep running."""
    before = children()
    yield
    assert children() <= before


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """After every test: no child more, no zombie."""
    before = children()
    yield
    assert children() <= before


def children() -> set[int]:
    """Of this process alone: the browser of other tests starts and ends processes of its own at any time."""
    return {child.pid for child in psutil.Process().children()}
