"""What is no number is found in every tensor of a model that is written, and counted, in whatever type."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import converting
import numpy as np
import pytest
from test_direction_write import direction
from test_direction_write_faults import saved_again, wishes

from fabula.core.errors import WeightsUnusable
from fabula.lab.convert.convert import convert, folder_of
from fabula.lab.directions import edit, finite, growing, offer, write
from fabula.lab.directions.offer import Exporting
from fabula.lab.directions.use import Use
from fabula.lab.directions.weights import open_weights
from fabula.lab.quantize import job as quantizing
from fabula.lab.quantize.kernels import Kernels
from fabula.lab.quantize.ordering import Wishes
from fabula.models.catalog import Catalog
from fabula.models.formats.folders import identify_folder
from fabula.models.formats.gguf import read_header
from fabula.models.formats.safetensors import read_data, read_tensors
from fabula.models.formats.types import TENSOR_TYPES
from fabula.store.home import Home
from fabula.store.job_child import Report

UNTOUCHED = "model.layers.1.self_attn.k_proj.weight"
NONE = {"F32": b"\x00\x00\xc0\x7f", "F16": b"\x00\xfc", "BF16": b"\x80\xff"}  # NaN, -infinite, -infinite
NOT_TOLD = ("F64", "Q8_1", "NVFP4")  # by the engine; the second is never stored, the third has nothing such


@pytest.fixture(scope="module")
def original(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """With a tiny model as a folder, as GGUF of the same numbers and in blocks, and a random direction."""
    home = Home(tmp_path_factory.mktemp("finite") / "home").create()
    folder = converting.folder(home.models / "tiny", "llama", num_hidden_layers=3)
    convert(
        folder_of(identify_folder(folder)), home.models / "tiny-F32.gguf", "F32", lambda done, total: None
    )
    direction(home, 3)
    for type_ in ("Q8_0", "Q4_0"):
        asked = Wishes(model="tiny-F32", type=type_, name=f"tiny-{type_}", measure=False)
        quantizing.run(home, asked.arguments(), Report())
    return home


@pytest.fixture
def home(original: Home, tmp_path: Path) -> Home:
    shutil.copytree(original.path, tmp_path / "home")
    return Home(tmp_path / "home")


@pytest.fixture(params=["small pieces", "large pieces"])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tensor is counted through all of its pieces."""
    if request.param == "small pieces":
        monkeypatch.setattr(edit, "PIECE", 1 << 10)
        monkeypatch.setattr(growing, "PIECE", 3 << 10)


def spoil(file: Path, at: list[int], data: bytes) -> None:
    with file.open("r+b") as opened:
        for each in at:
            opened.seek(each)
            opened.write(data)


def told(home: Home, way: str, model: str, tensor: str, count: int) -> None:
    expected = rf"{model} cannot .* {tensor} contains values that are not numbers .*: {count} of them"
    with pytest.raises(WeightsUnusable, match=expected):
        write.run(home, wishes(way, model), Report())
    assert not list(home.models.glob("new*"))


# ── what is found ───────────────────────────────────────────────────────────────────────────────────


def values() -> list[bytes]:
    """Halves, wide ones and single bytes, that are none, and some that nearly are."""
    halves = [0x7C00, 0xFC00, 0x7E01, 0x7BFF, 0xFBFF, 0x7F80, 0xFF80, 0x7F7F]
    return [
        *(each.to_bytes(2, "little") for each in halves),
        *(np.float32(each).tobytes() for each in (np.nan, np.inf, -np.inf, 3e38)),
        *(bytes([each]) for each in (0xFF, 0x7F, 0xFE)),
        b"\x00\xc0\x00\x70",
        b"\x00\xc0\x00\xf0",
        b"\x00\x40\x00\x70",
    ]


@pytest.mark.parametrize("type_", sorted(TENSOR_TYPES), ids=lambda type_: TENSOR_TYPES[type_].name)
def test_wherever_it_lies_in_a_block_it_is_found_as_the_engine_finds_it(type_: int) -> None:
    kernels, kind = Kernels(), TENSOR_TYPES[type_]
    if kind.name in NOT_TOLD:
        pytest.skip("the engine does not tell")
    for value in values():
        for place in range(kind.size - len(value) + 1):
            data = np.zeros(3 * kind.size * max(256 // kind.block, 1), np.uint8)
            data[kind.size + place : kind.size + place + len(value)] = np.frombuffer(value, np.uint8)
            found = finite.strange(data, kind.name)
            assert (found > 0) == (not kernels.is_valid(type_, data)), (place, value)
            assert found in (0, kind.block)


@pytest.mark.parametrize(("type_", "dtype"), [("F64", "<f8"), ("F32", "<f4"), ("F16", "<f2")])
def test_numbers_are_counted(type_: str, dtype: str) -> None:
    numbers = np.linspace(-3, 3, 1000).astype(dtype)
    assert finite.strange(numbers.view(np.uint8), type_) == 0
    numbers[[1, 500, 999]] = np.nan, np.inf, -np.inf
    assert finite.strange(numbers.view(np.uint8), type_) == 3
    assert finite.strange(numbers.view(np.uint8)[:0], type_) == 0


@pytest.mark.parametrize("type_", ["F8_E4M3", "F8_E5M2"])
def test_eight_bits_are_what_torch_takes_them_for(lab: None, type_: str) -> None:
    import torch

    data = np.arange(256, dtype=np.uint8)
    kind = {"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2}[type_]
    assert finite.strange(data, type_) == int(
        (~torch.isfinite(torch.from_numpy(data).view(kind).float())).sum()
    )


@pytest.mark.parametrize(
    ("type_", "dtype"), [("F64", "<f8"), ("F32", "<f4"), ("F16", "<f2"), ("BF16", "<u2")]
)
def test_a_mask_is_told_from_what_is_damaged(type_: str, dtype: str) -> None:
    none = 0xFF80 if type_ == "BF16" else -np.inf
    mask = np.triu(np.full((5, 5), none), 1).astype(dtype)
    assert finite.is_mask(mask.reshape(-1).view(np.uint8), type_)
    negative = 0x8000 if type_ == "BF16" else -0.0
    assert finite.is_mask(np.full(4, negative).astype(dtype).view(np.uint8), type_)
    others = [0x7F80, 0x7FC0, 0x3F80] if type_ == "BF16" else [np.inf, np.nan, 1.0]
    for other in others:
        mask[3, 3] = other
        assert not finite.is_mask(mask.reshape(-1).view(np.uint8), type_)
    assert not finite.is_mask(np.zeros(4, np.uint8), "Q8_0")


# ── what is written ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", ["add", "remove"])
@pytest.mark.parametrize(
    ("torch_type", "type_"), [("float32", "F32"), ("float16", "F16"), ("bfloat16", "BF16")]
)
def test_a_tensor_of_a_folder_that_is_only_copied_is_named(
    way: str, torch_type: str, type_: str, home: Home, pieces: None
) -> None:
    saved_again(home.models / "tiny", torch_type)
    for shard in (home.models / "tiny").glob("*.safetensors"):
        if found := read_tensors(shard).get(UNTOUCHED):
            size = len(NONE[type_])
            spoil(shard, [found.start, found.start + 9 * size, found.end - size], NONE[type_])
    told(home, way, "tiny", UNTOUCHED, 3)


@pytest.mark.parametrize(
    ("way", "type_"), [("add", "F32"), ("add", "Q4_0"), ("add", "Q8_0"), ("remove", "Q8_0")]
)
def test_a_tensor_of_a_gguf_that_is_only_copied_is_named(
    way: str, type_: str, home: Home, pieces: None
) -> None:
    """A scale that is none spoils all values of its block."""
    header = read_header(home.models / f"tiny-{type_}.gguf")
    tensor = next(one for one in header.tensors if one.name == "blk.2.attn_k.weight")
    kind = TENSOR_TYPES[tensor.type]
    assert kind.name == type_
    start, size = header.data_start + tensor.offset, tensor.size or 0
    spoil(header.path, [start + 5 * kind.size, start + size - kind.size], NONE.get(type_, b"\x00\x7e"))
    told(home, way, f"tiny-{type_}", tensor.name, 2 * kind.block)


@pytest.mark.parametrize("way", ["add", "remove"])
@pytest.mark.parametrize("type_", ["float32", "bfloat16"])
def test_a_mask_that_was_saved_with_the_weights_is_copied_and_told(
    way: str, type_: str, home: Home, pieces: None
) -> None:
    """It was refused as damaged, though nothing is wrong with it."""
    folder = home.models / "tiny"
    saved_again(folder, type_)
    name = "model.layers.1.self_attn.mask"
    masked(folder, name, type_, 40)
    result = write.run(home, wishes(way), Report())
    assert result["masks"] == [name]
    assert write.run(home, wishes(way), Report())["masks"] == [name]
    (shard,) = (file for file in (home.models / "new").glob("*.safetensors") if name in read_tensors(file))
    place = read_tensors(shard)[name]
    before = read_tensors(folder / shard.name)[name]
    assert read_data(shard, place) == read_data(folder / shard.name, before)
    spoil(folder / shard.name, [before.start], NONE["F32"][2:] if type_ == "bfloat16" else NONE["F32"])
    shutil.rmtree(home.models / "new")
    with pytest.raises(WeightsUnusable, match=name):
        write.run(home, wishes(way), Report())


def masked(folder: Path, name: str, type_: str, width: int) -> None:
    """A causal mask, in a shard of its own."""
    import torch
    from safetensors.torch import save_file

    mask = torch.full((1, 1, width, width), -torch.inf).triu(1).to(getattr(torch, type_))
    save_file({name: mask}, folder / "model-mask.safetensors", {"format": "pt"})
    index = folder / "model.safetensors.index.json"
    told = json.loads(index.read_text())
    told["weight_map"][name] = "model-mask.safetensors"
    index.write_text(json.dumps(told))


def test_a_norm_by_which_the_direction_is_turned_is_named_and_not_the_matrix(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(home.models / "tiny")
    converting.folder(home.models / "tiny", "gemma2", num_hidden_layers=3, head_dim=16)
    shard = home.models / "tiny" / "model.safetensors"
    norm = "model.layers.1.post_attention_layernorm.weight"
    spoil(shard, [read_tensors(shard)[norm].start], NONE["F32"])
    told(home, "remove", "tiny", norm, 1)


def test_what_the_type_cannot_hold_any_more_is_told(home: Home) -> None:
    """Four times the direction comes to numbers that are nearly as large as 16 bits hold."""
    saved_again(home.models / "tiny", "float16")
    shard = next(
        each
        for each in (home.models / "tiny").glob("*.safetensors")
        if "model.layers.1.mlp.down_proj.weight" in read_tensors(each)
    )
    place = read_tensors(shard)["model.layers.1.mlp.down_proj.weight"]
    with open_weights(identify_folder(home.models / "tiny")) as weights:
        writer = next(one for one in weights.writers if one.name == place.name)
        found = Use(scope="layers").vector(writer, write.Shelf(home.directions).find("trait"))
    columns = place.shape[1]
    large = np.repeat(np.sign(found)[:, None] * 60000, columns, axis=1).astype("<f2")
    spoil(shard, [place.start], large.tobytes())
    with pytest.raises(
        WeightsUnusable, match=r"layers\.1\.mlp\.down_proj\.weight has numbers that F16 cannot"
    ):
        write.run(home, wishes("remove") | {"strength": -4.0}, Report())
    assert not (home.models / "new").exists()


def test_an_adapter_is_not_made_of_what_is_no_number(home: Home) -> None:
    header = read_header(home.models / "tiny-F32.gguf")
    tensor = next(one for one in header.tensors if one.name == "blk.1.ffn_down.weight")
    spoil(header.path, [header.data_start + tensor.offset], NONE["F32"])
    asked = Exporting(direction="trait", model="tiny-F32", name="worn")
    with pytest.raises(WeightsUnusable, match=r"blk\.1\.ffn_down\.weight contains .*: 1 of them"):
        offer.run(home, asked.arguments(), Report())
    assert not (home.adapters / "worn.gguf").exists()


def test_nothing_of_a_sound_model_is_refused(home: Home, pieces: None) -> None:
    for name in ("tiny", "tiny-F32", "tiny-Q8_0"):
        write.run(home, wishes("remove", name) | {"name": f"less-{name}"}, Report())
    for name in ("tiny", "tiny-F32", "tiny-Q8_0", "tiny-Q4_0"):
        write.run(home, wishes("add", name) | {"name": f"more-{name}"}, Report())
    assert len(Catalog(home.models).list()) == 4 + 3 + 4
