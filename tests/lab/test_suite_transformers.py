"""The common suite with the starter model as a folder of safetensors: the same text as from its GGUF."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import from_gguf
import pytest
import pytest_asyncio
from asking import collect, plan_for, text_of
from lab_loading import loaded
from worker_suite import COUNTING, Suited, WorkerSuite

from fabula.core.model import LocalModel
from fabula.core.scoring import Compares, Scores
from fabula.core.worker import KeepsSlots, Prompt, TakesAdapters
from fabula.engine.direct.worker import DirectWorker
from fabula.models.formats.folders import identify_folder

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def starter_folder(lab: None, starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    return identify_folder(from_gguf.folder(starter_model, tmp_path_factory.mktemp("models") / "starter"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suited(
    starter_folder: LocalModel, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Suited]:
    worker = await loaded(starter_folder, tmp_path_factory.mktemp("logs"), context=2048)
    yield Suited(worker)
    await worker.close()


class TestTransformers(WorkerSuite):
    """Less nothing."""

    async def test_it_scores_and_compares_and_takes_adapters_and_saves_no_slots(self, suited: Suited) -> None:
        assert isinstance(suited.worker, Scores)
        assert isinstance(suited.worker, Compares)
        assert isinstance(suited.worker, TakesAdapters)
        assert not isinstance(suited.worker, KeepsSlots)
        assert suited.worker.model.quantization == "F32"

    async def test_the_gguf_tokenizes_and_writes_the_same(
        self, suited: Suited, starter_model: Path, tmp_path: Path
    ) -> None:
        """The GGUF's engine reads its weights as they are; here they were made floats first."""
        model = LocalModel(name="starter", path=starter_model, size=starter_model.stat().st_size)
        direct = DirectWorker(tmp_path, tmp_path / "proof.json")
        await direct.load(model, plan_for(model))
        asked = {"temperature": 0, "max_tokens": 20}
        theirs = text_of((await collect(direct, COUNTING, **asked))[0])  # type: ignore[arg-type]
        mine = text_of((await collect(suited.worker, COUNTING, **asked))[0])  # type: ignore[arg-type]
        text = Prompt(("Héllo, 12 wörld! 你好 🌍\n\n  code()",))
        scores = [await worker.score(Prompt((COUNTING,))) for worker in (direct, suited.worker)]  # type: ignore[attr-defined]
        tokens = [await worker.tokenize(text) for worker in (direct, suited.worker)]  # type: ignore[attr-defined]
        await direct.close()
        assert mine == theirs
        assert tokens[0] == tokens[1]
        assert scores[0].logprobs == pytest.approx(scores[1].logprobs, abs=0.2)
