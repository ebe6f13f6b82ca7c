"""Layers are filled one at a time, and give what the whole model gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_models

from fabula.core.errors import BadParameter, CannotStream, FabulaError, WeightsUnusable
from fabula.lab.directions import residual, streaming
from fabula.lab.directions.activations import Activations
from fabula.models.formats.folders import identify_folder
from fabula.models.formats.safetensors import read_tensors
from fabula.store.job_child import Cancelled, Report

TEXTS = [
    "the quick brown fox",
    "1, 2, 3, 4, 5",
    "The old lighthouse keeper climbed the stairs every evening.",
    "fox",
]


def gathered(folder: Path, place: Path, position: str = "last", report: Report | None = None) -> Activations:
    model = identify_folder(folder)
    into = Activations.begin(place, (model.layers, len(TEXTS), model.embedding), "test")
    streaming.gather(model, TEXTS, position, into, 2, report or Report())
    return into


@pytest.mark.parametrize("kind", tiny_models.KINDS)
def test_every_layer_of_every_architecture_gives_what_the_whole_model_gives(
    kind: str, tmp_path: Path
) -> None:
    folder = tiny_models.folder(tmp_path / kind, kind)
    found = gathered(folder, tmp_path / "work").rows()
    whole = tiny_models.model(folder)
    for number, ids in enumerate(streaming.tokens(identify_folder(folder), TEXTS, "last")):
        expected = np.asarray(tiny_models.hidden(whole, ids)[:, -1])
        assert np.abs(found[:, number] - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("made", ["bfloat16", "half"])
def test_weights_of_16_bits_are_computed_with_in_32(made: str, tmp_path: Path) -> None:
    folder = tiny_models.folder(tmp_path / "llama", "llama")
    getattr(tiny_models.model(folder), made)().save_pretrained(folder)
    found = gathered(folder, tmp_path / "work").rows()
    whole = tiny_models.model(folder)
    for number, ids in enumerate(streaming.tokens(identify_folder(folder), TEXTS, "last")):
        expected = np.asarray(tiny_models.hidden(whole, ids)[:, -1])
        assert np.abs(found[:, number] - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max())


def test_the_mean_of_a_prompt_and_places_from_its_end(tmp_path: Path) -> None:
    folder = tiny_models.folder(tmp_path / "llama", "llama")
    mean = gathered(folder, tmp_path / "mean", "mean").rows()
    second = gathered(folder, tmp_path / "second", "-2")
    whole = tiny_models.model(folder)
    ids = streaming.tokens(identify_folder(folder), TEXTS, "last")[2]
    hidden = np.asarray(tiny_models.hidden(whole, ids))
    assert mean[:, 2] == pytest.approx(hidden.mean(axis=1), abs=1e-4)
    assert second.rows()[:, 2] == pytest.approx(hidden[:, -2], abs=1e-4)
    with pytest.raises(BadParameter, match="the shortest has"):
        gathered(folder, tmp_path / "far", "-50")


def test_the_residual_stream_may_lie_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_models.folder(tmp_path / "llama", "llama")
    expected = np.array(gathered(folder, tmp_path / "memory").rows())
    monkeypatch.setattr(residual, "IN_MEMORY", 0)
    assert np.array_equal(gathered(folder, tmp_path / "disk").rows(), expected)


class StopsIn(Report):
    """Cancelled when a layer begins."""

    def __init__(self, layer: int) -> None:
        super().__init__()
        self._left = layer + 1

    def check(self) -> None:
        self._left -= 1
        if not self._left:
            raise Cancelled


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_run_that_was_cut_off_goes_on_behind_its_last_layer(
    on_disk: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "NOTE_S", 0.0)
    monkeypatch.setattr(residual, "IN_MEMORY", 0 if on_disk else 1 << 30)
    folder = tiny_models.folder(tmp_path / "llama", "llama")
    expected = np.array(gathered(folder, tmp_path / "whole").rows())
    with pytest.raises(Cancelled):
        gathered(folder, tmp_path / "cut", report=StopsIn(2))
    model = identify_folder(folder)
    begun = Activations.begin(tmp_path / "cut", (model.layers, len(TEXTS), model.embedding), "test")
    assert begun.done == 2
    assert np.array_equal(gathered(folder, tmp_path / "cut").rows(), expected)


def test_batches_take_each_prompt_once_and_are_bounded() -> None:
    made = residual.batches([3, 9, 5, 1], most=10)
    assert sorted(number for batch in made for number in batch.prompts) == [0, 1, 2, 3]
    assert [(batch.length, batch.start) for batch in made] == [(9, 0), (5, 9), (1, 19)]


# ── what cannot be read ─────────────────────────────────────────────────────────────────────────────


def test_numbers_that_are_none_are_told_with_their_tensor(tmp_path: Path) -> None:
    folder = tiny_models.folder(tmp_path / "llama", "llama")
    file = folder / "model.safetensors"
    place = read_tensors(file)["model.layers.1.mlp.up_proj.weight"]
    with file.open("r+b") as opened:
        opened.seek(place.start)
        opened.write(b"\x00\x00\xc0\x7f")  # NaN
    with pytest.raises(
        WeightsUnusable, match=r"layers\.1\.mlp\.up_proj\.weight contains values that are not"
    ):
        gathered(folder, tmp_path / "work")


def test_a_missing_shard_is_told_by_its_name(tmp_path: Path) -> None:
    folder = tiny_models.folder(tmp_path / "llama", "llama")
    (folder / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "model-00002-of-00002.safetensors"}}'
    )
    with pytest.raises(WeightsUnusable, match=r"model-00002-of-00002\.safetensors is missing"):
        gathered(folder, tmp_path / "work")


def test_a_folder_that_needs_foreign_code_is_refused(tmp_path: Path) -> None:
    folder = tiny_models.folder(tmp_path / "llama", "llama")
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"llama"', '"no-such-model"'))
    with pytest.raises(CannotStream) as told:
        gathered(folder, tmp_path / "work")
    assert isinstance(told.value, FabulaError)
