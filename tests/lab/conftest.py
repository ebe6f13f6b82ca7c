"""torch and transformers with small models on the processor."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
import tiny_folders
from lab_loading import loaded
from needs import need

from fabula.core.model import LocalModel
from fabula.engine.transformers_child.worker import TransformersWorker
from fabula.models.formats.folders import identify_folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder need the extra."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.fixturenames.insert(0, "lab")  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def lab() -> None:
    for name in ("torch", "transformers", "safetensors"):
        if importlib.util.find_spec(name) is None:
            need("lab", f"{name} is not installed (pip install -e '.[lab]')")


@pytest.fixture(scope="session")
def tiny(lab: None, tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    return identify_folder(tiny_folders.folder(tmp_path_factory.mktemp("models") / "tiny-llama"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(
    tiny: LocalModel, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[TransformersWorker]:
    worker = await loaded(tiny, tmp_path_factory.mktemp("logs"))
    yield worker
    await worker.close()


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_at_the_end() -> Iterator[None]:
    """After every file: no child more than before it, whatever tests of other folders keep running."""
    before = children()
    yield
    assert children() <= before


def children() -> set[int]:
    """Of this process alone: the browser of other tests starts and ends processes of its own at any time."""
    return {child.pid for child in psutil.Process().children()}
