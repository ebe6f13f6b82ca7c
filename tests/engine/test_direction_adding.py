"""A direction is added for good in a GGUF: the engine says with the new file what it says with the old one
and the live control vector, and nothing else of the file changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import directing
import numpy as np
import pytest
import steering_models
from direct_asking import direct
from numpy.typing import NDArray

from fabula.core.errors import CannotAdd, WeightsUnusable
from fabula.core.model import LocalModel
from fabula.core.worker import Prompt
from fabula.engine.direct.worker import DirectWorker
from fabula.engine.vectors import Vectors, rows_of
from fabula.lab.directions import biases, looking, offer, saved, use, write
from fabula.lab.directions.write import Writing
from fabula.models.catalog import Catalog
from fabula.models.formats.gguf import Header, read_header
from fabula.store.home import Home
from fabula.store.job_child import Report

Vectored = Mapping[int, Sequence[float]]

IDS = tuple(range(3, 40))
SCALE = -1.5


def home_of(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


def direction(home: Home, layers: int, width: int) -> saved.Direction:
    random = np.random.default_rng(layers)
    rows = random.standard_normal((3, layers, width))
    rows[0] /= np.linalg.norm(rows[0], axis=1, keepdims=True)
    told = {
        "best": layers // 2,
        "band": [0, layers - 1],
        "layers": [{"distance": 4.0, "accuracy": 1.0, "massive": 1.0}] * layers,
        "recipe": {"project": "no"},
        "recipe_hash": "0" * 64,
    }
    saved.write(home.directions / "trait.safetensors", dict(zip(saved.NAMES, rows, strict=True)), told)
    return saved.Shelf(home.directions).find("trait")


def model(home: Home, name: str) -> LocalModel:
    return Catalog(home.models).find(name)


def added(home: Home, source: str, **wishes: object) -> dict[str, object]:
    told = {"direction": "trait", "model": source, "name": "new", "measure": False, "way": "add"}
    return write.run(home, Writing.of(told | {"strength": SCALE} | wishes).arguments(), Report())


async def said(worker: DirectWorker, file: Path, vectors: Vectored | None = None) -> NDArray[np.float32]:
    """Log-probabilities [tokens, vocabulary], under vectors at the scale of these tests."""
    await worker.steer(vectors or {}, SCALE)
    await worker.keep_rows(IDS, 0, len(IDS), file)
    return np.fromfile(file, np.float32).reshape(len(IDS), -1)


def live(found: saved.Direction, **wishes: int) -> dict[int, list[float]]:
    return {layer: row.tolist() for layer, row in use.steering(found, use.Use(**wishes)).items()}


async def stream(worker: DirectWorker, tensor: str) -> NDArray[np.float32]:
    """[tokens, width]"""
    found = await worker.capture(Prompt((IDS,), add_special=False), [tensor])
    return np.frombuffer(found[tensor].data, "<f4").reshape(len(IDS), -1)


def is_shift(before: NDArray[np.float32], after: NDArray[np.float32], row: Sequence[float]) -> bool:
    """Whether each token got the row, at the scale of these tests."""
    return bool(np.abs(after - before - SCALE * np.asarray(row)).max() <= 1e-3)


def bytes_of(header: Header) -> dict[str, bytes]:
    whole = header.path.read_bytes()
    return {
        tensor.name: whole[header.data_start + tensor.offset :][: tensor.size or 0]
        for tensor in header.tensors
    }


@pytest.mark.parametrize("architecture", steering_models.MODELS)
async def test_the_new_file_says_what_the_live_vector_makes_the_old_one_say(
    architecture: str, tmp_path: Path
) -> None:
    """And behind attention, where that can be, the stream has it before the feed-forward block."""
    home = home_of(tmp_path)
    file = steering_models.make(home.models / "tiny.gguf", architecture)
    found = direction(home, steering_models.LAYERS, steering_models.WIDTH)
    result = added(home, "tiny")
    async with direct(model(home, "tiny"), tmp_path, context=128) as worker:
        plain, steered = [await said(worker, tmp_path / "rows", each) for each in ({}, live(found))]
    async with direct(model(home, "new"), tmp_path, context=128) as worker:
        new = await said(worker, tmp_path / "rows")
        inside = await stream(worker, "ffn_inp-1") if biases.GGUFS[architecture].attention else None
    assert np.abs(new - steered).max() <= 1e-3
    assert np.abs(steered - plain).max() > 0.05  # it does something
    before, after = bytes_of(read_header(file)), bytes_of(read_header(home.models / "new.gguf"))
    changed = {name for name in before if before[name] != after[name]}
    assert changed | (after.keys() - before.keys()) == set(result["tensors"])  # type: ignore[call-overload]
    if inside is not None:
        added(home, "new", name="behind", after="attention", first=1, last=1)
        async with direct(model(home, "behind"), tmp_path, context=128) as worker:
            row = live(found, first=1, last=1)[1]
            assert is_shift(inside, await stream(worker, "ffn_inp-1"), row)


async def test_coarse_weights_stay_as_they_are_and_get_what_the_vector_of_the_shelf_has(
    starter_model: Path, tmp_path: Path
) -> None:
    """Q4_1: what is added stands beside them in 32 bits. What follows is not compared: with such weights the
    engine rounds activations to 8 bits, and one millionth more of a vector moves a log-probability by 0.7."""
    home = home_of(tmp_path)
    (home.models / "starter.gguf").symlink_to(starter_model)
    starter = model(home, "starter")
    found = direction(home, starter.layers, starter.embedding)
    foreseen = looking.foreseen(home, Writing.of({"direction": "trait", "model": "starter", "way": "add"}))
    result = added(home, "starter", first=10, last=20)
    offer.vector(home, found, starter, use.Use(first=10, last=20))
    file = Vectors(home.vectors).find("trait").path
    tensor, place = rows_of(file)[10]
    row = np.fromfile(file, "<f4", tensor.elements, offset=place).tolist()
    streams = []
    for name in ("starter", "new"):
        async with direct(model(home, name), tmp_path, context=128) as worker:
            streams.append(await stream(worker, "l_out-10"))
    assert is_shift(*streams, row)
    assert len(result["tensors"]) == len(rows_of(file)) == 11  # type: ignore[arg-type]
    assert (foreseen["tensors"], foreseen["parts"]) == (starter.layers - 1, {"mlp": starter.layers - 1})
    assert foreseen["size"] > starter_model.stat().st_size


async def test_layers_of_experts_have_no_bias_at_their_end_but_one_behind_attention(tmp_path: Path) -> None:
    home = home_of(tmp_path)
    directing.make(home.models / "experts.gguf")
    found = direction(home, directing.LAYERS, directing.WIDTH)
    with pytest.raises(CannotAdd, match=r"no bias at their end.*--after attention"):
        added(home, "experts")
    added(home, "experts", after="attention")
    streams = []
    for name in ("experts", "new"):
        async with direct(model(home, name), tmp_path, context=128) as worker:
            streams.append(await stream(worker, "ffn_inp-1"))
    assert is_shift(*streams, live(found)[1])


async def test_models_in_several_files_get_it_in_the_last_one(tmp_path: Path) -> None:
    home = home_of(tmp_path)
    (home.models / "split").mkdir()
    steering_models.make_split(home.models / "split", "split")
    found = direction(home, steering_models.LAYERS, steering_models.WIDTH)
    result = added(home, "split")
    headers = [read_header(file) for file in sorted((home.models / "new").iterdir())]
    whole = [len(header.tensors) for header in headers]
    assert [header.metadata["split.tensors.count"] for header in headers] == [sum(whole)] * 2
    assert [tensor.name for tensor in headers[1].tensors[-2:]] == result["tensors"]
    async with direct(model(home, "split"), tmp_path, context=128) as worker:
        steered = await said(worker, tmp_path / "rows", live(found))
    async with direct(model(home, "new"), tmp_path, context=128) as worker:
        assert np.abs(await said(worker, tmp_path / "rows") - steered).max() <= 1e-3


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        ("gemma3", "goes through a norm"),
        ("olmo2", "goes through a norm"),
        ("qwen3", "no bias at that place in models of the architecture qwen3; it does in llama"),
    ],
)
def test_what_cannot_be_the_same_is_refused_with_the_better_way(
    architecture: str, reason: str, tmp_path: Path
) -> None:
    home = home_of(tmp_path)
    norms = () if architecture == "qwen3" else ("post_attention_norm.weight", "post_ffw_norm.weight")
    steering_models.make(home.models / "tiny.gguf", architecture, norms)
    direction(home, steering_models.LAYERS, steering_models.WIDTH)
    with pytest.raises(CannotAdd, match=rf"{reason}.*control vector does it"):
        added(home, "tiny")
    assert [path.name for path in home.models.glob("*.gguf")] == ["tiny.gguf"]


def test_a_file_that_is_cut_off_is_told(tmp_path: Path) -> None:
    home = home_of(tmp_path)
    file = steering_models.make(home.models / "tiny.gguf", "llama")
    direction(home, steering_models.LAYERS, steering_models.WIDTH)
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size - 4096)
    with pytest.raises(WeightsUnusable):
        added(home, "tiny")


def test_every_architecture_of_the_table_is_tried_here() -> None:
    assert {name for name, one in biases.GGUFS.items() if one.layer} == steering_models.MODELS.keys()
