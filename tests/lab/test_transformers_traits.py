"""Traits of a request in a folder of safetensors: as strong as it says, and as in the engine of GGUF."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from adapting import Folder
from asking import collect, text_of
from direct_asking import direct
from lab_loading import loaded
from numpy.typing import NDArray
from test_direction_write import direction

from fabula.core.errors import BadParameter
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished
from fabula.engine.direct.desk_worker import DeskWorker
from fabula.engine.transformers_child.worker import TransformersWorker
from fabula.engine.vectors import Vectors
from fabula.lab.convert.convert import convert, folder_of
from fabula.lab.directions import offer
from fabula.models.catalog import Catalog
from fabula.models.formats.folders import identify_folder
from fabula.store.home import Home
from fabula.store.job_child import Report

pytestmark = pytest.mark.asyncio(loop_scope="module")

IDS = tuple(range(5, 60))
NAMES = ("trait", "other")
FOX = "the quick brown fox jumps over the lazy dog, "


@pytest.fixture(scope="module")
def home(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """With a tiny model as a folder and as GGUF of the same numbers, and two random directions as traits of
    the folder; `NAME-gguf` are those of the file."""
    import converting

    home = Home(tmp_path_factory.mktemp("traits") / "home").create()
    folder = converting.folder(home.models / "tiny", "llama", num_hidden_layers=3)
    convert(
        folder_of(identify_folder(folder)), home.models / "tiny-F32.gguf", "F32", lambda done, total: None
    )
    for seed, name in enumerate(NAMES):
        direction(home, 3, name=name, seed=seed)
        told = {"direction": name, "model": "tiny"}
        offer.run(home, told | {"form": "adapter"}, Report())
        offer.run(home, told | {"form": "vector", "strength": 3.0}, Report())
        offer.run(home, told | {"model": "tiny-F32", "form": "adapter", "name": f"{name}-gguf"}, Report())
    return home


def attached(home: Home, ending: str = "") -> Folder:
    return Folder(home.adapters, dict.fromkeys((f"{name}{ending}" for name in NAMES), 0.0))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(home: Home) -> AsyncIterator[TransformersWorker]:
    made = await loaded(
        Catalog(home.models).find("tiny"),
        home.logs,
        attached=attached(home),
        vectors=Vectors(home.vectors),
        adapters=tuple((name, 0.0) for name in NAMES),
    )
    yield made
    await made.close()


async def rows(worker: DeskWorker, file: Path, sampling: Sampling) -> NDArray[np.float32]:
    """Log-probabilities [tokens, vocabulary] of a text that is read with the traits of a sampling."""
    asked = {"ids": list(IDS), "start": 0, "end": len(IDS), "file": str(file)}
    await worker.said("keep_rows", sampling, **asked)
    return np.fromfile(file, np.float32).reshape(len(IDS), -1)


async def test_a_trait_is_as_strong_as_in_the_engine_of_gguf(
    worker: TransformersWorker, home: Home, tmp_path: Path
) -> None:
    """Both ways, at several scales, several at once."""
    every = [
        {"adapters": (("trait", 1.0),)},
        {"adapters": (("trait", -0.5), ("other", 1.5))},
        {"control_vectors": (("trait", 1.0, 0, 0), ("other", -2.0, 2, 2))},
        {"adapters": (("other", 0.7),), "control_vectors": (("trait", -1.0, 0, 0),)},
        {"adapters": (("trait", 0.0),), "control_vectors": (("other", 0.0, 0, 0),)},
    ]
    file, names = Catalog(home.models).find("tiny-F32"), tuple((f"{name}-gguf", 0.0) for name in NAMES)
    plain = await rows(worker, tmp_path / "plain", Sampling())
    async with direct(
        file, tmp_path, attached=attached(home, "-gguf"), vectors=Vectors(home.vectors), adapters=names
    ) as engine:
        for wishes in every:
            asked = Sampling(**wishes)  # type: ignore[arg-type]
            found = await rows(worker, tmp_path / "found", asked)
            theirs = tuple((f"{name}-gguf", scale) for name, scale in asked.adapters)
            expected = await rows(engine, tmp_path / "expected", replace(asked, adapters=theirs))
            assert np.abs(found - expected).max() <= 1e-3
            if wishes is every[-1]:
                assert np.array_equal(found, plain)
            else:
                assert np.abs(found - plain).max() > 0.05


async def said(worker: TransformersWorker, **sampling: Any) -> tuple[str, Finished]:
    deltas, end = await collect(worker, FOX * 4, **({"temperature": 0, "max_tokens": 8} | sampling))
    return text_of(deltas), end


async def test_chats_of_other_scales_keep_what_each_has_read(worker: TransformersWorker) -> None:
    plain, _ = await said(worker)
    strong, first = await said(worker, adapters=(("trait", 2.0),))
    again, end = await said(worker)
    once_more, second = await said(worker, adapters=(("trait", 2.0),))
    assert (again, once_more) == (plain, strong)
    assert first.reused_tokens == 0  # what was read without it is not taken for what is read with it
    assert end.processed_tokens < 5
    assert second.processed_tokens < 5


async def test_what_holds_is_told_and_what_is_not_here_is_ignored(worker: TransformersWorker) -> None:
    asked = Sampling(adapters=(("trait", 0.5), ("none", 1.0)), control_vectors=(("gone", 1.0, 0, 0),))
    effective, ignored = worker.honours(asked)
    assert effective["adapters"] == {"trait": 0.5, "other": 0.0}
    assert (effective["control_vectors"], ignored) == ([], ("adapters.none", "control_vectors.gone"))
    assert worker.honours(Sampling(control_vectors=(("other", 1.0, 1, 2),)))[0]["control_vectors"] == [
        ["other", 1.0, 1, 2]
    ]


async def test_a_vector_of_another_width_is_refused(worker: TransformersWorker, home: Home) -> None:
    Vectors(home.vectors).make("narrow", {1: [1.0] * 8})
    with pytest.raises(BadParameter, match="narrow"):
        await said(worker, control_vectors=(("narrow", 1.0, 0, 0),))
