"""A direction as an adapter: what the engine says with it is what edited weights say, and 0 is the model."""

from __future__ import annotations

from pathlib import Path

import directing
import numpy as np
import pytest
from adapting import Folder
from direct_asking import direct
from numpy.typing import NDArray

from fabula.core.errors import BadParameter, TooCoarse
from fabula.core.model import LocalModel
from fabula.core.worker import Prompt
from fabula.engine.direct.worker import DirectWorker
from fabula.lab.directions import from_gguf, offer, saved, write
from fabula.lab.directions.use import Use, steering
from fabula.lab.directions.write import Writing
from fabula.lab.quantize import job
from fabula.lab.quantize.ordering import Wishes
from fabula.models.catalog import Catalog
from fabula.store.home import Home
from fabula.store.job_child import Report

IDS = tuple(range(3, 60))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """With a model of experts, a random direction, its adapter, and the model that it was written into."""
    home = Home(tmp_path_factory.mktemp("lora") / "home").create()
    directing.make(home.models / "trial-F32.gguf")
    random = np.random.default_rng(1)
    rows = random.standard_normal((3, directing.LAYERS, directing.WIDTH))
    rows[0] /= np.linalg.norm(rows[0], axis=1, keepdims=True)
    told = {
        "best": 1,
        "band": [0, directing.LAYERS - 1],
        "layers": [{"distance": 2.0, "accuracy": 1.0, "massive": 1.0}] * directing.LAYERS,
        "recipe": {"project": "no"},
        "recipe_hash": "0" * 64,
    }
    saved.write(home.directions / "trait.safetensors", dict(zip(saved.NAMES, rows, strict=True)), told)
    offer.adapter(home, direction(home), model(home), Use(), Report())
    written(home, "edited")
    return home


def direction(home: Home) -> saved.Direction:
    return saved.Shelf(home.directions).find("trait")


def model(home: Home, name: str = "trial-F32") -> LocalModel:
    return Catalog(home.models).find(name)


def written(home: Home, name: str, source: str = "trial-F32", **wishes: object) -> dict[str, object]:
    told = {"direction": "trait", "model": source, "name": name, "measure": False, **wishes}
    return write.run(home, Writing.of(told).arguments(), Report())


async def rows(worker: DirectWorker, file: Path) -> NDArray[np.float32]:
    """Log-probabilities [tokens, vocabulary], with adapters at their usual scales."""
    await worker.keep_rows(IDS, 0, len(IDS), file)
    return np.fromfile(file, np.float32).reshape(len(IDS), -1)


async def test_an_adapter_says_what_edited_weights_say_at_every_scale(home: Home, tmp_path: Path) -> None:
    written(home, "half", strength=0.5)
    expected = {}
    for name in ("trial-F32", "half", "edited"):
        async with direct(model(home, name), tmp_path, context=128) as worker:
            expected[name] = await rows(worker, tmp_path / name)
    attached, names = Folder(home.adapters), (("trait", 0.0),)
    async with direct(model(home), tmp_path, context=128, attached=attached, adapters=names) as worker:
        for scale, name in ((0.0, "trial-F32"), (0.5, "half"), (1.0, "edited"), (0.0, "trial-F32")):
            attached.scales = {"trait": scale}
            found = await rows(worker, tmp_path / "found")
            assert np.abs(found - expected[name]).max() <= (1e-3 if scale else 0)
    assert np.abs(expected["edited"] - expected["trial-F32"]).max() > 0.1  # it does something


async def test_no_layer_of_the_edited_file_has_anything_along_the_direction(
    home: Home, tmp_path: Path
) -> None:
    written(home, "whole", embeddings=True)
    r = direction(home).direction[1]
    async with direct(model(home, "whole"), tmp_path, context=128) as worker:
        found = await worker.capture(Prompt((IDS,), add_special=False), ["l_out-*"])
    for captured in found.values():
        hidden = np.frombuffer(captured.data, "<f4").reshape(captured.rows, captured.width)
        assert np.abs(hidden @ r).max() <= 1e-5 * np.linalg.norm(hidden, axis=1).max()


async def test_prompts_that_begin_alike_give_the_numbers_of_whole_ones(home: Home, tmp_path: Path) -> None:
    prompts = [(*IDS[:20], *tail) for tail in ((7, 8, 9), (40, 41), (7, 8, 9, 10, 11))]
    async with direct(model(home), tmp_path, context=128) as worker:
        layers, shared = directing.LAYERS, from_gguf.common(prompts)
        assert shared == 20
        whole = [await from_gguf.read(worker, ids, "last", layers) for ids in prompts]
        parts = [await from_gguf.read(worker, ids, "last", layers, shared) for ids in (*prompts, prompts[0])]
    assert np.stack(parts[:3]) == pytest.approx(np.stack(whole), abs=1e-4)
    assert np.array_equal(parts[0], parts[3])  # whatever was read before


@pytest.mark.parametrize(("type_", "left"), [("F32", 1e-6), ("BF16", 5e-3), ("F16", 1e-3), ("Q8_0", 0.02)])
def test_files_keep_their_types_and_lose_the_direction(type_: str, left: float, home: Home) -> None:
    source = "trial-F32"
    if type_ != "F32":
        asked = Wishes(model=source, type=type_, name=f"trial-{type_}", measure=False, threads=1)
        source = job.run(home, asked.arguments(), Report())["name"]
    result = written(home, f"cut-{type_}", source)
    assert result["most_left"] <= left  # type: ignore[operator]
    before, after = model(home, source), model(home, f"cut-{type_}")
    assert (after.size, after.quantization) == (before.size, before.quantization)
    assert len(result["tensors"]) == directing.WRITERS  # type: ignore[arg-type]


def test_a_file_of_few_bits_is_refused_with_better_ways(home: Home) -> None:
    asked = Wishes(model="trial-F32", type="Q4_0", measure=False, threads=1)
    source = job.run(home, asked.arguments(), Report())["name"]
    figure = f"{write.STAYS['Q4_0']:.0%}"
    with pytest.raises(TooCoarse, match=rf"needs Q6_K or finer.* back: {figure} of it.*as an adapter"):
        written(home, "no", source)
    made = offer.adapter(home, direction(home), model(home, source), Use(), Report(), "of-q4")
    assert (made["tensors"], made["left"]) == (directing.WRITERS, [])


def test_models_in_several_files_are_edited_file_by_file(home: Home) -> None:
    parts = home.models / "split"
    parts.mkdir()
    directing.make_split(parts)
    result = written(home, "parts", "split-F32")
    assert sorted(file.name for file in (home.models / "parts").iterdir()) == [
        "parts-00001-of-00002.gguf",
        "parts-00002-of-00002.gguf",
    ]
    assert result["most_left"] <= 1e-6  # type: ignore[operator]


def test_another_ones_adapter_is_not_overwritten(home: Home) -> None:
    (home.adapters / "theirs.gguf").write_bytes(b"GGUF")
    with pytest.raises(BadParameter, match="not taken"):
        offer.adapter(home, direction(home), model(home), Use(), Report(), "theirs")


def test_what_is_added_over_all_layers_is_about_as_long_as_the_sides_lie_apart(home: Home) -> None:
    vectors = steering(direction(home), Use())
    assert list(vectors) == [1]  # the first layer cannot be steered
    assert np.linalg.norm(vectors[1]) == pytest.approx(2.0)
