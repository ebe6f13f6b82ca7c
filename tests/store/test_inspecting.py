"""What a file or a folder is, told by its headers, and where its name says something else."""

from __future__ import annotations

import json
import math
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from models_stand_ins import tiny_gguf

from fabula.models.formats.inspecting import inspect
from fabula.models.formats.safetensors import BITS

LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "vocab_size": 100}


def tensors(**shapes: tuple[str, list[int]]) -> bytes:
    """A file of safetensors with these tensors, all zeros; "__" in a name is a dot."""
    rows, at = {}, 0
    for name, (kind, shape) in shapes.items():
        size = math.prod(shape) * BITS[kind] // 8
        rows[name.replace("__", ".")] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    head = json.dumps(rows).encode()
    return struct.pack("<Q", len(head)) + head + bytes(at)


def folder_of(path: Path, config: dict[str, Any], data: bytes, name: str = "model.safetensors") -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps(LLAMA | config), encoding="utf-8")
    (path / "tokenizer.json").write_text("{}", encoding="utf-8")
    (path / name).write_bytes(data)
    return path


# ── GGUF ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_gguf_tells_types_bases_and_bits(tmp_path: Path) -> None:
    file = tmp_path / "Tiny-F32.gguf"
    base = {"general__base_model__count": 1, "general__base_model__0__repo_url": "https://huggingface.co/a/b"}
    file.write_bytes(tiny_gguf(**base))
    found = inspect(file)
    assert (found.kind, found.method, found.bits, found.base_models) == ("model", "GGUF", 32, ("a/b",))
    assert [(row.name, row.tensors, row.parameters) for row in found.types] == [("F32", 1, 1024)]
    assert found.notes == ()


def test_a_name_that_says_something_else_is_told(tmp_path: Path) -> None:
    file = tmp_path / "Tiny-7B-Q4_K_M.gguf"
    file.write_bytes(tiny_gguf())
    assert [note.key for note in inspect(file).notes] == [
        "models.hint.quantization",
        "models.hint.parameters",
    ]


@pytest.mark.parametrize("name", ["Llama-3.1-8B", "Mixtral-8x7B", "v0.2-Mistral", "Qwen3-30B-A3B"])
def test_what_names_say_of_size_is_read_with_care(name: str) -> None:
    from fabula.models.formats.inspecting import _size_said

    said = {"Llama-3.1-8B": 8e9, "Qwen3-30B-A3B": 30e9}
    assert _size_said(name) == said.get(name, 0)


def test_parts_that_do_not_agree_with_the_header_are_told(tmp_path: Path) -> None:
    for part in (1, 2):
        (tmp_path / f"Big-F32-0000{part}-of-00002.gguf").write_bytes(tiny_gguf(split__count=3))
    found = inspect(tmp_path / "Big-F32-00001-of-00002.gguf")
    assert [note.key for note in found.notes] == ["models.hint.parts"]
    assert len(found.files) == 2


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "Big-F32-00001-of-00002.gguf").write_bytes(tiny_gguf())
    found = inspect(tmp_path / "Big-F32-00001-of-00002.gguf")
    assert (found.missing, found.model.problem) == (
        ("Big-F32-00002-of-00002.gguf",),
        "models.problem.parts_missing",
    )


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("adapter", "adapter"),
        ("mmproj", "projector"),
        ("controlvector", "control vector"),
        ("imatrix", "statistics"),
    ],
)
def test_helpers_of_models_are_known_as_such(tmp_path: Path, said: str, kind: str) -> None:
    file = tmp_path / "helper.gguf"
    file.write_bytes(tiny_gguf(general__type=said))
    assert inspect(file).kind == kind


@pytest.mark.parametrize("magic", [b"tjgg", b"lmgg", b"fmgg", b"ggjt"])
def test_files_from_before_gguf_are_told_with_the_way_out(tmp_path: Path, magic: bytes) -> None:
    file = tmp_path / "llama-7b.ggmlv3.q4_0.bin"
    file.write_bytes(magic + bytes(100))
    assert inspect(file).model.problem == "models.problem.old_format"


# ── safetensors ─────────────────────────────────────────────────────────────────────────────────────


PACKINGS = [
    (
        {"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 64}},
        {"a__qweight": ("I32", [8, 16]), "a__qzeros": ("I32", [1, 2]), "a__scales": ("F16", [1, 16])},
        ("gptq", 4, 64, 1024),
    ),
    (
        {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 32}},
        {"a__qweight": ("I32", [64, 2]), "a__qzeros": ("I32", [2, 2]), "a__scales": ("F16", [2, 16])},
        ("awq", 4, 32, 1024),
    ),
    (
        {
            "quantization_config": {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "group_size": 128}}},
            }
        },
        {"a__weight_packed": ("I32", [16, 8]), "a__weight_scale": ("BF16", [16, 1])},
        ("compressed-tensors", 4, 128, 1024),
    ),
    (
        {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
        {"a__weight": ("U8", [512, 1]), "a__weight__absmax": ("F32", [16]), "n__weight": ("BF16", [64])},
        ("bitsandbytes", 4, 0, 1088),
    ),
    (
        {"quantization": {"group_size": 64, "bits": 4}},
        {"a__weight": ("U32", [16, 8]), "a__scales": ("F16", [16, 1]), "a__biases": ("F16", [16, 1])},
        ("mlx", 4, 64, 1024),
    ),
    (
        {"quantization_config": {"quant_method": "mxfp4"}},
        {"e__gate_blocks": ("U8", [2, 16, 16]), "e__gate_scales": ("U8", [2, 16])},
        ("mxfp4", 0, 0, 1024),
    ),
    (
        {"quantization_config": {"quant_method": "fp8"}},
        {"a__weight": ("F8_E4M3", [32, 32]), "a__weight_scale_inv": ("F32", [1, 1])},
        ("fp8", 0, 0, 1024),
    ),
    (
        {"quantization_config": {"quant_method": "exl3", "bits": 3.5}},
        {"a__trellis": ("I16", [4, 4]), "a__suh": ("F16", [4])},
        ("exl3", 0, 0, 16),
    ),
    ({}, {"a__q_weight": ("I32", [4, 4]), "a__q_scale": ("I32", [4])}, ("exl2", 0, 0, 16)),
    ({}, {"a__weight": ("BF16", [32, 32])}, ("", 0, 0, 1024)),
]


@pytest.mark.parametrize(("config", "shapes", "told"), PACKINGS, ids=lambda value: str(value)[:30])
def test_every_way_of_packing_is_known_and_its_parameters_counted(
    tmp_path: Path, config: dict[str, Any], shapes: dict[str, Any], told: tuple[str, int, int, int]
) -> None:
    found = inspect(folder_of(tmp_path / "m", config, tensors(**shapes)))
    bits = 0 if found.method in ("mxfp4", "fp8", "exl3", "exl2", "") else found.bits
    assert (found.method, bits, found.group_size, found.model.parameters) == told


def test_a_config_of_quantizing_from_before_it_was_part_of_the_models(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", {}, tensors(a__qweight=("I32", [8, 16])))
    (folder / "quantize_config.json").write_text('{"bits": 4, "group_size": 128}', encoding="utf-8")
    assert (inspect(folder).method, inspect(folder).group_size) == ("gptq", 128)


def test_a_missing_shard_of_the_index_is_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", {}, tensors(a=("F32", [4])), "model-00001-of-00002.safetensors")
    weights = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
    found = inspect(folder)
    assert found.missing == ("model-00002-of-00002.safetensors",)
    assert found.model.problem == "models.problem.parts_missing"


def test_experts_that_are_not_used_do_not_count_as_active(tmp_path: Path) -> None:
    shapes = {f"l__experts__{n}__w": ("BF16", [10, 10]) for n in range(4)} | {"out": ("BF16", [10])}
    config = {"num_local_experts": 4, "num_experts_per_tok": 1}
    found = inspect(folder_of(tmp_path / "m", config, tensors(**shapes)))
    assert (found.model.parameters, found.active_parameters) == (410, 110)


def test_a_model_card_tells_licence_and_bases(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", {}, tensors(a=("F32", [4])))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\nbase_model:\n- a/b\n- c/d\n---\n# Model\n")
    found = inspect(folder)
    assert (found.model.licence, found.base_models) == ("apache-2.0", ("a/b", "c/d"))


def test_an_adapter_names_its_model(tmp_path: Path) -> None:
    folder = tmp_path / "lora"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "a/b", "r": 8}')
    (folder / "adapter_model.safetensors").write_bytes(tensors(q__lora_A__weight=("F32", [8, 64])))
    found = inspect(folder)
    assert (found.kind, found.base_models, found.model.parameters) == ("adapter", ("a/b",), 512)
    assert inspect(folder / "adapter_model.safetensors").kind == "adapter"


# ── what is not opened ──────────────────────────────────────────────────────────────────────────────


class Bomb:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (exec, ("raise SystemExit('it ran')",))


def test_pickles_are_unsafe_and_never_opened(tmp_path: Path) -> None:
    bare, packed = tmp_path / "model.safetensors", tmp_path / "pytorch_model.bin"
    bare.write_bytes(pickle.dumps(Bomb()))
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Bomb()))
    for file in (bare, packed):
        found = inspect(file)
        assert (found.safe, found.model.problem) == (False, "models.problem.pickle")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 40])
def test_anything_else_is_told_to_be_no_model(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(content)
    assert inspect(file).model.problem
    assert inspect(tmp_path / "absent").model.problem
