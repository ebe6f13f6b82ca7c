"""Folders of safetensors are described from their config and headers; nothing of them is run."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from fabula.core.errors import BadParameter, ExtraMissing
from fabula.core.load import NOTHING, LoadOptions
from fabula.engine.choice import choose
from fabula.engine.transformers_child.needs import require
from fabula.engine.transformers_child.plan import plan
from fabula.models.catalog import Catalog
from fabula.models.formats.folders import identify_folder
from fabula.models.hardware import Gpu, Machine

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "vocab_size": 300,
}
HALF = {"w": ("F16", [4, 8])}


def tensors(**rows: tuple[str, list[int]]) -> bytes:
    """A safetensors file of zeros."""
    sizes = {"F16": 2, "BF16": 2, "F32": 4, "I32": 4, "U32": 4}
    header, at = {}, 0
    for name, (kind, shape) in rows.items():
        size = sizes[kind]
        for number in shape:
            size *= number
        header[name.replace("__", ".")] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


def folder(place: Path, weights: bytes | None = None, **config: Any) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    (place / "config.json").write_text(json.dumps(CONFIG | config))
    (place / "tokenizer.json").write_text("{}")
    (place / "model.safetensors").write_bytes(tensors(**HALF) if weights is None else weights)
    return place


def test_a_folder_says_what_it_is(tmp_path: Path) -> None:
    place = folder(tmp_path / "Story-1.5B")
    (place / "tokenizer_config.json").write_text(
        json.dumps({"chat_template": "T", "eos_token": {"content": "</s>"}, "bos_token": "<s>"})
    )
    model = identify_folder(place)
    assert (model.name, model.format, model.architecture, model.problem) == (
        "Story-1.5B",
        "safetensors",
        "llama",
        "",
    )
    assert (model.parameters, model.quantization, model.trained_context) == (32, "F16", 4096)
    assert (model.layers, model.heads, model.kv_heads, model.key_length) == (2, 4, 2, 16)
    assert (model.chat_template, model.eos_token, model.adds_bos) == ("T", "</s>", False)


@pytest.mark.parametrize(
    ("config", "label", "packed"),
    [
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "GPTQ 4-bit", "gptq"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, "AWQ 4-bit", "awq"),
        (
            {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
            "bitsandbytes 8-bit",
            "bitsandbytes",
        ),
        (
            {"quantization_config": {"quant_method": "compressed-tensors"}},
            "compressed-tensors",
            "compressed-tensors",
        ),
    ],
)
def test_packed_weights_are_named(tmp_path: Path, config: dict[str, Any], label: str, packed: str) -> None:
    weights = tensors(m__qweight=("I32", [4, 4]), m__scales=("F16", [2, 4]))
    model = identify_folder(folder(tmp_path / "m", weights, **config))
    assert (model.quantization, model.packed, model.problem) == (label, packed, "")
    assert model.parameters == 128


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"quantization_config": {"quant_method": "exl3"}}, "exl"),
        ({"quantization": {"group_size": 64, "bits": 4}}, "mlx"),
        ({"quantization_config": {"quant_method": "tomorrow"}}, "unknown_packing"),
        ({"architectures": ["BertModel"]}, "no_writer"),
        ({"model_type": ""}, "no_config"),
    ],
)
def test_what_cannot_be_run_has_its_reason(tmp_path: Path, config: dict[str, Any], problem: str) -> None:
    assert identify_folder(folder(tmp_path / "m", **config)).problem == f"models.problem.{problem}"


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\x80\x02"], ids=["zip", "bare"])
@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_pickles_are_known_by_their_content(tmp_path: Path, start: bytes, name: str) -> None:
    place = folder(tmp_path / "m")
    (place / "model.safetensors").unlink()
    (place / name).write_bytes(start + b"x" * 100)
    assert identify_folder(place).problem == "models.problem.pickle"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=some.binary(max_size=300))
def test_no_config_and_no_weights_make_it_fail(tmp_path: Path, data: bytes) -> None:
    place = folder(tmp_path / "m", data)
    (place / "config.json").write_bytes(data)
    (place / "tokenizer.json").write_bytes(data)
    assert identify_folder(place).problem


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    config=some.dictionaries(
        some.sampled_from([*CONFIG, "quantization_config", "text_config", "quantization"]),
        some.none() | some.integers() | some.text(max_size=5) | some.lists(some.integers(), max_size=2),
    )
)
def test_no_json_makes_it_fail(tmp_path: Path, config: dict[str, Any]) -> None:
    place = folder(tmp_path / "m", **config)
    assert identify_folder(place).format == "safetensors"


def test_the_catalog_lists_finds_and_removes_folders(tmp_path: Path) -> None:
    place = folder(tmp_path / "models" / "maker" / "Story-1.5B")
    (place / "notes").mkdir()
    catalog = Catalog(tmp_path / "models")
    assert [model.name for model in catalog.list()] == ["Story-1.5B"]
    assert catalog.find("story").path == place
    (place / "config.json").write_text(json.dumps(CONFIG | {"max_position_embeddings": 99}))
    assert Catalog(tmp_path / "models").find("Story-1.5B").trained_context == 99
    catalog.remove("Story-1.5B")
    assert [path.name for path in place.iterdir()] == ["notes"]


def test_what_changes_in_a_folder_is_noticed_by_its_name(tmp_path: Path) -> None:
    place = folder(tmp_path / "models" / "Story-1.5B")
    catalog = Catalog(tmp_path / "models")
    before = catalog.find("Story-1.5B")
    assert catalog.find("Story-1.5B") is before
    (place / "config.json").write_text(json.dumps(CONFIG | {"max_position_embeddings": 99}))
    assert catalog.find("Story-1.5B").trained_context == 99
    now = catalog.find("Story-1.5B")
    (place / "vocab.json").write_text("{}")
    assert catalog.find("Story-1.5B").tokenizer != now.tokenizer


def test_a_folder_that_is_only_linked_to_stays_where_it_is(tmp_path: Path) -> None:
    place = folder(tmp_path / "elsewhere" / "m")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "m").symlink_to(place)
    Catalog(tmp_path / "models").remove("m")
    assert (place / "model.safetensors").exists()
    assert not (tmp_path / "models" / "m").is_symlink()


def test_transformers_is_chosen_and_says_why(tmp_path: Path) -> None:
    model = identify_folder(folder(tmp_path / "m"))
    choice = choose(model, NOTHING)
    assert (choice.engine, "safetensors" in choice.reason.say()) == ("transformers", True)
    with pytest.raises(BadParameter):
        choose(model, LoadOptions(engine="llama.cpp"))


def test_what_is_not_installed_is_named_with_its_extra(tmp_path: Path) -> None:
    plain = identify_folder(folder(tmp_path / "plain"))
    packed = identify_folder(
        folder(tmp_path / "packed", quantization_config={"quant_method": "gptq", "bits": 4})
    )
    with pytest.raises(ExtraMissing, match=r"fabula\[lab\]"):
        require(plain, found=lambda module: False)
    with pytest.raises(ExtraMissing, match=r"gptqmodel.*fabula\[gptq\]"):
        require(packed, found=lambda module: module != "gptqmodel")
    require(packed, found=lambda module: True)


def test_the_plan_takes_as_much_context_as_fits(tmp_path: Path) -> None:
    model = identify_folder(folder(tmp_path / "m"))
    small = Machine(
        system="",
        processor="",
        cores=4,
        physical_cores=4,
        memory=2 << 30,
        memory_available=(1012 << 20) + (3 << 17),
    )
    planned = plan(model, small, LoadOptions(slots=1))
    assert planned.verdict in ("fits", "tight")
    assert planned.context < 4096
    assert planned.devices[0].weights == 2 * model.size  # F16 is calculated with 32 bits here
    half = plan(model, small, LoadOptions(slots=1, quantize="4bit"))
    assert half.options.quantize == "4bit"
    card = Gpu(name="card", memory=24 << 30, memory_free=20 << 30, kind="cuda")
    fast = plan(model, Machine(**{**small_values(small), "gpus": (card,)}), LoadOptions(slots=1))
    assert (fast.devices[0].name, fast.context, fast.gpu_layers) == ("card", 4096, 3)


def small_values(machine: Machine) -> dict[str, Any]:
    return {name: getattr(machine, name) for name in Machine.__slots__}
