"""GPTQ and AWQ made of a folder by auto-round, for real, and what that cost, measured of what was written.

auto-round may be in another Python: FABULA_PACKING_PYTHON names it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import packing as packed_by_hand
import pytest
import tiny_folders
from needs import need

from fabula.core.errors import BadParameter, CannotQuantize, ExtraMissing, ModelExists
from fabula.lab.quantize import job, pack_child, packing
from fabula.models.catalog import Catalog
from fabula.models.formats.folders import identify_folder
from fabula.store import settings
from fabula.store.home import Home
from fabula.store.job_child import Cancelled, Report


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("packing") / "home").create()
    tiny_folders.folder(home.models / "tiny", "llama", hidden_size=128)
    return home


@pytest.fixture
def maker(home: Home) -> None:
    python = os.environ.get("FABULA_PACKING_PYTHON", "")
    if not python and importlib.util.find_spec("auto_round") is None:
        need("autoround", "auto-round is not installed (pip install -e '.[autoround]')")
    settings.save(home, {"engine.transformers_python": python or None})


def asked(type_: str, **more: Any) -> dict[str, Any]:
    return job.Wishes(model="tiny", type=type_, threads=2, **more).arguments()


@pytest.mark.parametrize("method", packing.METHODS)
def test_a_folder_is_packed_into_four_bits_and_measured(home: Home, maker: None, method: str) -> None:
    result = job.run(home, asked(method), Report())
    made = Catalog(home.models).find(f"tiny-{method}")
    assert (made.packed, made.quantization, made.problem) == (method.lower(), f"{method} 4-bit", "")
    assert (result["group"], sum(result["types"].values())) == (128, 14)
    measured = result["measured"]
    assert [text["text"] for text in measured["texts"]] == ["en", "zh-Hant", "zh-Hans"]
    assert 0 < measured["kl"] < 4  # random weights: each rounding error grows
    assert off(home.models / "tiny", made.path, method) < 0.2
    assert not list((home.models / ".quantize").glob("*packing-*"))
    assert job.run(home, asked(method), Report()) == result | {"again": True}
    with pytest.raises(ModelExists):
        job.run(home, asked(method, importance_from=__file__), Report())


def off(folder: Path, made: Path, method: str) -> float:
    """How far a matrix that was written is from the source's: root mean square, of its own."""
    from safetensors.torch import load_file

    name = "model.layers.1.mlp.down_proj"
    source, parts = (load_file(place / "model.safetensors") for place in (folder, made))
    found = pack_child.unpacked(*(parts[f"{name}.{part}"] for part in pack_child.PARTS), method.lower()).T
    wanted = source[f"{name}.weight"]
    return float((found - wanted).pow(2).mean().sqrt() / wanted.pow(2).mean().sqrt())


def test_one_that_was_killed_when_it_was_packed_knows_it_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a packer that only copies: from the moment when the folder is in its place."""

    async def copies(order: packing.Packing, folder: Path, report: Report) -> dict[str, Any]:
        shutil.copytree(order.model.path, folder / "made")
        return {"made": str(folder / "made"), "measured": {"kl": 0.5}}

    def dies(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(packing, "_pack", copies)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    wishes = asked("AWQ", name="late")
    with monkeypatch.context() as patch:
        patch.setattr(job, "write_atomic", dies)
        with pytest.raises(Killed):
            job.run(home, wishes, Report())
    monkeypatch.setattr(packing, "_pack", dies)  # it is not packed again
    result = job.run(home, wishes, Report())
    assert (result["name"], result["measured"], "again" in result) == ("late", {"kl": 0.5}, False)
    assert job.run(home, wishes, Report()) == result | {"again": True}
    (home.models / "late" / "config.json").write_text("{}")
    with pytest.raises(ModelExists):
        job.run(home, wishes, Report())
    shutil.rmtree(home.models / "late")


class Killed(BaseException):
    """As the end of the process: nothing catches it."""


def test_a_cancelled_one_leaves_nothing(home: Home, maker: None) -> None:
    report = Report()
    report.cancel()
    with pytest.raises(Cancelled):
        job.run(home, asked("GPTQ", name="never"), report)
    assert not (home.models / "never").exists()
    assert not list((home.models / ".quantize").glob("*packing-*"))


@pytest.mark.parametrize("method", ["gptq", "awq"])
def test_numbers_are_unpacked_as_their_formats_say(home: Home, tmp_path: Path, method: str) -> None:
    from safetensors.numpy import load_file
    from safetensors.torch import load_file as tensors_of

    folder = tiny_folders.folder(tmp_path / "small", "llama")
    made, plain = packed_by_hand.packed(folder, method)
    name = "model.layers.1.mlp.down_proj"
    parts = tensors_of(made / "model.safetensors")
    found = pack_child.unpacked(*(parts[f"{name}.{part}"] for part in pack_child.PARTS), method)
    expected = load_file(plain / "model.safetensors")[f"{name}.weight"]
    assert pytest.approx(expected, abs=1e-6) == np.asarray(found).T


def test_the_group_is_the_largest_that_divides_all_widths(home: Home, tmp_path: Path) -> None:
    assert packing.group_of(identify_folder(home.models / "tiny")) == 128
    odd = tiny_folders.folder(tmp_path / "odd", "llama", hidden_size=96, intermediate_size=192)
    assert packing.group_of(identify_folder(odd)) == 32
    odder = tiny_folders.folder(tmp_path / "odder", "llama", intermediate_size=100)
    with pytest.raises(CannotQuantize, match="100 numbers"):
        packing.group_of(identify_folder(odder))


def test_only_folders_are_packed_and_where_auto_round_is_missing_it_is_told(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.save(home, {"engine.transformers_python": None})
    model = identify_folder(home.models / "tiny")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ExtraMissing, match="autoround"):
        packing.packing(home, model, "AWQ", "new", {}, 0)
    with pytest.raises(BadParameter, match="safetensors"):
        packing.packing(home, replace(model, format="gguf"), "AWQ", "new", {}, 0)
