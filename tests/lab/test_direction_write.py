"""A direction is taken out of the weights: of every architecture, of every writer, and of nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models

from fabula.core.errors import ModelExists, NoDiskSpace, UnknownWriter, WeightsUnusable
from fabula.lab.directions import edit, saved, write, writers
from fabula.lab.directions.use import Ramp
from fabula.lab.directions.write import Writing
from fabula.models.formats.folders import identify_folder
from fabula.models.formats.safetensors import read_data, read_tensors
from fabula.store import files
from fabula.store.home import Home
from fabula.store.job_child import Cancelled, Report

IDS = [5, 17, 300, 42, 99, 7, 250, 33, 64, 12, 81, 150]


def direction(
    home: Home, layers: int, width: int = 64, name: str = "trait", seed: int = 0, **recipe: Any
) -> None:
    """Random ones, one for each layer."""
    random = np.random.default_rng(layers + seed)
    rows = random.standard_normal((3, layers, width))
    rows[0] /= np.linalg.norm(rows[0], axis=1, keepdims=True)
    told = {
        "best": layers // 2,
        "band": [0, layers - 1],
        "layers": [{"distance": 1.0, "accuracy": 1.0, "massive": 1.0}] * layers,
        "recipe": {"project": "no", **recipe},
        "recipe_hash": "0" * 64,
    }
    place = home.directions / f"{name}.safetensors"
    saved.write(place, dict(zip(saved.NAMES, rows, strict=True)), told)


def made(tmp_path: Path, kind: str, **changes: Any) -> Home:
    home = Home(tmp_path / "home").create()
    folder = tiny_models.folder(home.models / "tiny", kind, **changes)
    direction(home, identify_folder(folder).layers)
    return home


def written(home: Home, report: Report | None = None, **wishes: Any) -> dict[str, Any]:
    told = {"direction": "trait", "model": "tiny", "name": "new", "measure": False, **wishes}
    return write.run(home, Writing.of(told).arguments(), report or Report())


def stored(folder: Path) -> dict[str, bytes]:
    return {
        name: read_data(file, tensor)
        for file in folder.glob("*.safetensors")
        for name, tensor in read_tensors(file).items()
    }


@pytest.mark.parametrize("kind", tiny_models.KINDS)
def test_with_all_writers_cut_no_layer_has_anything_along_the_direction(kind: str, tmp_path: Path) -> None:
    home = made(tmp_path, kind)
    result = written(home, embeddings=True)
    r = saved.Shelf(home.directions).find("trait")
    hidden = np.asarray(tiny_models.hidden(tiny_models.model(home.models / "new"), IDS), np.float64)
    along = np.abs(hidden @ r.direction[r.best])
    assert along.max() <= 2e-6 * np.linalg.norm(hidden, axis=-1).max()
    assert len(result["tensors"]) == tiny_models.WRITERS[kind] + 1  # and the embedding
    assert result["most_left"] <= 1e-6


@pytest.mark.parametrize("kind", tiny_models.KINDS)
@pytest.mark.parametrize("way", ["plain", "keep_norms", "layers"])
def test_every_writer_is_cut_and_nothing_else_changes(kind: str, way: str, tmp_path: Path) -> None:
    home = made(tmp_path, kind)
    wishes = {"plain": {}, "keep_norms": {"keep_norms": True}, "layers": {"scope": "layers"}}[way]
    result = written(home, **wishes)
    before, after = stored(home.models / "tiny"), stored(home.models / "new")
    changed = {name for name in before if before[name] != after[name]}
    assert before.keys() == after.keys()
    assert changed <= set(result["tensors"])
    assert len(changed) == len(result["tensors"]) or "bias" in str(set(result["tensors"]) - changed)
    assert result["most_left"] <= 1e-6
    assert (home.models / "new" / "tokenizer.json").exists()
    file = home.models / "new" / "model.safetensors"
    assert result["size"] == result["source_size"] == file.stat().st_size


def test_bf16_leaves_what_rounding_leaves(tmp_path: Path) -> None:
    home = made(tmp_path, "llama")
    model = tiny_models.model(home.models / "tiny").bfloat16()
    model.save_pretrained(home.models / "tiny", safe_serialization=True)
    assert 0 < written(home)["most_left"] <= 5e-3


def test_half_a_strength_leaves_half_and_a_ramp_does_by_layer(tmp_path: Path) -> None:
    home = made(tmp_path, "llama")
    half = written(home, name="half", strength=0.5)
    assert list(half["left"].values()) == pytest.approx([0.5] * 6, abs=1e-5)
    ramp = Ramp(peak=1.0, floor=0.0, middle=1.0, reach=2.0)
    ramped = written(home, name="ramped", attention=False, mlp_ramp={**vars_of(ramp)})
    assert ramped["left"]["model.layers.0.mlp.down_proj.weight"] == pytest.approx(0.5, abs=1e-5)
    assert ramped["left"]["model.layers.1.mlp.down_proj.weight"] <= 1e-6
    assert all("down_proj" in name for name in ramped["tensors"])


def vars_of(ramp: Ramp) -> dict[str, float]:
    return {name: getattr(ramp, name) for name in ("peak", "floor", "middle", "reach")}


def test_shards_stay_shards(tmp_path: Path) -> None:
    home = made(tmp_path, "llama")
    model = tiny_models.model(home.models / "tiny")
    (home.models / "tiny" / "model.safetensors").unlink()
    model.save_pretrained(home.models / "tiny", safe_serialization=True, max_shard_size="100KB")
    written(home)
    names = sorted(file.name for file in (home.models / "tiny").iterdir())
    assert len([name for name in names if name.endswith(".safetensors")]) > 1
    assert sorted(file.name for file in (home.models / "new").iterdir()) == names
    tiny_models.model(home.models / "new")


def test_a_writer_that_no_rule_knows_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    home = made(tmp_path, "llama")
    shapes = {
        name: tensor.shape for name, tensor in read_tensors(home.models / "tiny/model.safetensors").items()
    }
    strange = shapes | {"model.layers.1.mixer.new_proj.weight": (64, 32)}
    with pytest.raises(UnknownWriter, match=r"layers\.1\.mixer\.new_proj\.weight \(64 × 32\)"):
        writers.of_folder(strange, 64, "llama")
    inside = shapes | {"model.layers.1.mixer.new_proj.weight": (32, 16)}
    assert len(writers.of_folder(inside, 64, "llama")) == 7  # it cannot write: nothing of it has that width


# ── faults ──────────────────────────────────────────────────────────────────────────────────────────

CHILD = """
import json, os, sys
from fabula.lab.directions import edit, write
from fabula.store.home import Home
from fabula.store.job_child import Report
edit.NOTE, left = 1, int(sys.argv[2])
class Dies(Report):
    def progress(self, *told, **more):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), 9)
from pathlib import Path
print(json.dumps(write.run(Home(Path(sys.argv[1])), json.loads(sys.argv[3]), Dies())["most_left"]))
"""


def test_killed_ten_times_the_result_is_that_of_one_run(tmp_path: Path) -> None:
    home = made(tmp_path, "llama")
    written(home, name="whole")
    wishes = Writing.of({"direction": "trait", "model": "tiny", "name": "new", "probes": False})
    told = json.dumps(wishes.arguments())
    killed = 0
    for after in [*np.random.default_rng(6).integers(2, 12, 10).tolist(), 10_000]:
        run = subprocess.run(
            [sys.executable, "-c", CHILD, str(home.path), str(after), told], capture_output=True, check=False
        )
        killed += run.returncode == -signal.SIGKILL
        visible = [path.name for path in home.models.iterdir() if not path.name.startswith(".")]
        assert sorted(visible) == ["new", "tiny", "whole"] or sorted(visible) == ["tiny", "whole"]
    assert killed >= 5
    assert stored(home.models / "new") == stored(home.models / "whole")
    assert not list((home.models / write.WORKSHOP).iterdir())


def test_a_full_disk_is_told_and_leaves_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = made(tmp_path, "llama")

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(edit, "_flush", full)
    with pytest.raises(NoDiskSpace):
        written(home)
    assert not (home.models / "new").exists()
    monkeypatch.setattr(files, "free_space", lambda folder: 1000)
    with pytest.raises(NoDiskSpace, match="1000 B"):
        written(home)


def test_weights_that_are_no_numbers_are_told_with_their_tensor(tmp_path: Path) -> None:
    home = made(tmp_path, "llama")
    file = home.models / "tiny" / "model.safetensors"
    place = read_tensors(file)["model.layers.2.mlp.down_proj.weight"]
    with file.open("r+b") as opened:
        opened.seek(place.start)
        opened.write(b"\x00\x00\xc0\x7f")
    with pytest.raises(WeightsUnusable, match=r"layers\.2\.mlp\.down_proj\.weight contains values"):
        written(home)
    assert not (home.models / "new").exists()


def test_a_missing_shard_and_a_taken_name_are_told(tmp_path: Path) -> None:
    home = made(tmp_path, "llama")
    with pytest.raises(ModelExists):
        written(home, name="tiny")
    index = {"weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}}
    (home.models / "tiny" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(WeightsUnusable, match=r"model-00001-of-00002\.safetensors is missing"):
        written(home)


def test_cancelled_it_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edit, "NOTE", 1)
    home = made(tmp_path, "llama")

    class Stops(Report):
        def check(self) -> None:
            if self.current.done > 100_000:
                raise Cancelled

    with pytest.raises(Cancelled):
        written(home, Stops())
    note = next((home.models / write.WORKSHOP).rglob("ledger.json"))
    assert json.loads(note.read_text())["spans"] > 1
    assert written(home)["most_left"] <= 1e-6
