"""Whatever happens while a direction is taken out of a model's weights or added to them: the same bytes in
the end, or one sentence and no model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import converting
import dying
import numpy as np
import pytest
import tiny_models
from test_direction_write import direction

from fabula.core.errors import BadParameter, ModelExists, WeightsUnusable
from fabula.lab.convert.convert import convert, folder_of
from fabula.lab.directions import edit, tensors, write
from fabula.lab.directions.looking import foreseen
from fabula.lab.directions.write import Writing
from fabula.models.formats.folders import identify_folder
from fabula.models.formats.gguf import read_header
from fabula.models.formats.safetensors import read_tensors
from fabula.store.home import Home
from fabula.store.job_child import Report

WAYS = ["add", "remove"]
DOWN = "model.layers.1.mlp.down_proj"
TIMES = 10


@pytest.fixture(scope="module")
def original(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """With a tiny model as a folder of shards, as GGUF of the same numbers, and a random direction."""
    home = Home(tmp_path_factory.mktemp("faults") / "home").create()
    folder = converting.folder(home.models / "tiny", "llama", num_hidden_layers=3)
    saved_again(folder)
    file = home.models / "tiny-F32.gguf"
    convert(folder_of(identify_folder(folder)), file, "F32", lambda done, total: None)
    direction(home, 3)
    return home


@pytest.fixture
def home(original: Home, tmp_path: Path) -> Home:
    shutil.copytree(original.path, tmp_path / "home")
    return Home(tmp_path / "home")


def saved_again(folder: Path, type_: str = "float32") -> None:
    """In several shards."""
    import torch

    model = tiny_models.model(folder).to(getattr(torch, type_))
    for shard in folder.glob("*.safetensors"):
        shard.unlink()
    model.save_pretrained(folder, safe_serialization=True, max_shard_size="100KB")


def wishes(way: str = "add", model: str = "tiny") -> dict[str, Any]:
    told = {"direction": "trait", "model": model, "name": "new", "way": way, "measure": False}
    return Writing.of(told).arguments()


def written(home: Home, way: str = "add", report: Report | None = None) -> dict[str, Any]:
    return write.run(home, wishes(way), report or Report())


def told(home: Home, way: str, named: str) -> None:
    """It is one sentence that names the cause, and there is no model."""
    before = dying.shelf(home)
    with pytest.raises(WeightsUnusable, match=named) as error:
        written(home, way)
    assert "\n" not in error.value.sentence()
    assert dying.shelf(home) == before


# ── killed, and full disks ──────────────────────────────────────────────────────────────────────────


def fated(home: Home, arguments: dict[str, Any], fate: str) -> list[tuple[str, dict[str, str]]]:
    command = [sys.executable, dying.__file__, home.path, json.dumps(arguments), fate]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return [(said, shelf) for said, shelf in json.loads(ran.stdout)]


@pytest.mark.parametrize("fate", ["killed", "full"])
@pytest.mark.parametrize("model", ["tiny", "tiny-F32"], ids=["a folder", "a GGUF"])
@pytest.mark.parametrize("way", WAYS)
def test_whatever_the_moments_of_ten_faults_the_model_is_that_of_one_run(
    way: str, model: str, fate: str, home: Home
) -> None:
    *faults, last = fated(home, wishes(way, model), fate)
    end = ".gguf" if model == "tiny-F32" else ""
    expected = {"killed"} if fate == "killed" else {"no_disk_space", "store_unwritable"}
    assert {said for said, _ in faults} <= expected
    assert len(faults) >= TIMES
    for _, shelf in [*faults, last]:
        assert shelf.get(f"new{end}", shelf[f"whole{end}"]) == shelf[f"whole{end}"]
    assert last[0] == "over"
    assert last[1].keys() == {"tiny", "tiny-F32.gguf", f"new{end}", f"whole{end}"}
    assert not list((home.models / write.WORKSHOP).iterdir())


@pytest.mark.parametrize("model", ["tiny", "tiny-F32"], ids=["a folder", "a GGUF"])
@pytest.mark.parametrize("way", WAYS)
def test_killed_at_any_moment_of_its_end_the_next_one_knows_its_own_model(
    way: str, model: str, home: Home
) -> None:
    """From before it is put in its place until after the last note is removed, and nobody was told."""
    told = fated(home, wishes(way, model), "late")
    end = ".gguf" if model == "tiny-F32" else ""
    assert len(told) > 5
    assert {said for said, _ in told} == {"over"}
    made = {name: data for name, data in told[-1][1].items() if name.startswith("late")}
    assert set(made.values()) == {told[-1][1][f"whole{end}"]}
    assert len(made) == len(told)
    assert not list((home.models / write.WORKSHOP).iterdir())


def test_the_same_order_again_finds_what_it_made_as_long_as_it_is_that(home: Home) -> None:
    first = written(home)
    before = dying.shelf(home)
    assert written(home) == first | {"again": True}
    assert dying.shelf(home) == before
    with pytest.raises(ModelExists):
        written(home, "remove")
    with pytest.raises(ModelExists):
        foreseen(home, Writing.of(wishes()))
    (home.models / "new" / "config.json").write_text("{}")
    with pytest.raises(ModelExists):
        written(home)
    shutil.rmtree(home.models / "new")
    again = written(home)
    assert "again" not in again
    assert dying.shelf(home) == before


def test_two_orders_of_one_name_do_not_meet(home: Home) -> None:
    class Meets(Report):
        told = ""

        def progress(self, *told: Any, **more: Any) -> None:
            if not self.told:
                with pytest.raises(BadParameter) as error:
                    written(home, "remove")
                self.told = error.value.sentence()

    meets = Meets()
    written(home, report=meets)
    assert "new" in meets.told
    assert "no other job" in meets.told


@pytest.mark.parametrize("way", WAYS)
def test_a_model_that_took_the_name_meanwhile_stays_as_it_is(way: str, home: Home) -> None:
    place = home.models / "new"

    class Meets(Report):
        def progress(self, *told: Any, **more: Any) -> None:
            if not place.exists():
                shutil.copytree(home.models / "tiny", place)

    with pytest.raises(ModelExists):
        written(home, way, Meets())
    shelf = dying.shelf(home)
    assert shelf["new"] == shelf["tiny"]
    shutil.rmtree(place)
    written(home, way)
    assert dying.shelf(home)["new"] != shelf["tiny"]


def test_a_folder_may_be_called_as_a_file(home: Home) -> None:
    made = write.run(home, wishes() | {"name": "new.gguf"}, Report())
    assert (made["name"], (home.models / "new" / "config.json").exists()) == ("new", True)


# ── shards ──────────────────────────────────────────────────────────────────────────────────────────


def shards(home: Home) -> list[Path]:
    found = sorted((home.models / "tiny").glob("*.safetensors"))
    assert len(found) > 2
    return found


def cut_off(shard: Path) -> None:
    os.truncate(shard, 100)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("listed", [True, False], ids=["listed", "not listed"])
def test_a_missing_shard_is_named(way: str, listed: bool, home: Home) -> None:
    lost = shards(home)[1]
    lost.unlink()
    if not listed:
        (home.models / "tiny" / tensors.INDEX).unlink()
    told(home, way, f"{lost.name} is missing")


@pytest.mark.parametrize("way", WAYS)
def test_a_shard_that_was_cut_off_is_named(way: str, home: Home) -> None:
    lost = shards(home)[1]
    os.truncate(lost, lost.stat().st_size - 4)
    told(home, way, lost.name)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("harm", [Path.unlink, cut_off], ids=["gone", "shorter"])
def test_a_shard_that_is_lost_while_it_is_copied_is_named(way: str, harm: Any, home: Home) -> None:
    lost = shards(home)[-1]

    class Loses(Report):
        def progress(self, *told: Any, **more: Any) -> None:
            if lost.exists() and lost.stat().st_size > 100:
                harm(lost)

    with pytest.raises(WeightsUnusable, match=lost.name):
        written(home, way, Loses())
    assert not (home.models / "new").exists()


# ── no numbers ──────────────────────────────────────────────────────────────────────────────────────


def spoil(folder: Path, tensor: str, value: float, type_: str = "F32") -> None:
    """Its last number."""
    for shard in folder.glob("*.safetensors"):
        if found := read_tensors(shard).get(tensor):
            data = tensors.packed(np.full(1, value, np.float32), type_).tobytes()
            with shard.open("r+b") as opened:
                opened.seek(found.end - len(data))
                opened.write(data)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("type_", "told_as"), [("float32", "F32"), ("float16", "F16"), ("bfloat16", "BF16")])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_matrix_with_what_is_no_number_is_named(
    way: str, type_: str, told_as: str, value: float, home: Home
) -> None:
    saved_again(home.models / "tiny", type_)
    spoil(home.models / "tiny", f"{DOWN}.weight", value, told_as)
    told(home, way, rf"{DOWN}\.weight contains values that are not numbers")


def test_a_bias_with_what_is_no_number_is_named(home: Home, tmp_path: Path) -> None:
    folder = home.models / "tiny"
    shutil.rmtree(folder)
    converting.folder(folder, "llama", num_hidden_layers=3, mlp_bias=True)
    spoil(folder, f"{DOWN}.bias", np.nan)
    told(home, "add", rf"{DOWN}\.bias contains values that are not numbers")


def test_a_gguf_matrix_with_what_is_no_number_is_named(home: Home) -> None:
    header = read_header(home.models / "tiny-F32.gguf")
    found = next(one for one in header.tensors if one.name == "blk.1.ffn_down.weight")
    with header.path.open("r+b") as opened:
        opened.seek(header.data_start + found.offset)
        opened.write(np.full(1, np.nan, "<f4").tobytes())
    with pytest.raises(WeightsUnusable, match=r"blk\.1\.ffn_down\.weight contains"):
        write.run(home, wishes("add", "tiny-F32"), Report())
    assert not list(home.models.glob("new*"))


@pytest.mark.parametrize("way", WAYS)
def test_what_is_told_while_a_tensor_is_read_leaves_nothing_that_is_taken_for_done(
    way: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mended in its place, the model is written from what is in it then."""
    monkeypatch.setattr(edit, "NOTE", 1)
    whole = home.models / "as-it-was"
    shutil.copytree(home.models / "tiny", whole)
    spoil(home.models / "tiny", f"{DOWN}.weight", np.nan)
    told(home, way, "not numbers")
    shutil.rmtree(home.models / "tiny")
    whole.rename(home.models / "tiny")
    written(home, way)
    made = home.models / "new"
    assert all(
        np.isfinite(tensors.Tensors(made, "new").floats(name)).all() for name in tensors.Tensors(made, "new")
    )
