"""Adapters made from code: as GGUF, and as PEFT saves them, of the same matrices (lists of rows)."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fabula.models.formats.gguf import read_header
from fabula.models.formats.gguf_writing import Draft, write

Matrix = list[list[float]]
Change = tuple[Matrix, Matrix]
"""A with a row per rank, B with a row per output."""

F32 = 0


def noise(rows: int, columns: int, seed: str, strength: float) -> Matrix:
    draw = random.Random(seed)
    return [[draw.gauss(0, strength) for _ in range(columns)] for _ in range(rows)]


def change(shape: tuple[int, ...], rank: int, seed: str, strength: float = 0.1) -> Change:
    """For a tensor of this shape in GGUF's order: (inputs, outputs)."""
    inputs, outputs = shape
    return noise(rank, inputs, f"{seed} a", strength), noise(outputs, rank, f"{seed} b", strength)


def changes_of(model: Path, names: tuple[str, ...], rank: int = 1, seed: str = "one") -> dict[str, Change]:
    """Random changes of every tensor of a model whose name ends like that."""
    shapes = {tensor.name: tensor.shape for tensor in read_header(model).tensors}
    chosen = [name for name in shapes if name.endswith(tuple(f".{ending}.weight" for ending in names))]
    return {name: change(shapes[name], rank, f"{seed} {name}") for name in chosen}


def packed(matrix: Matrix) -> bytes:
    flat = [number for row in matrix for number in row]
    return struct.pack(f"<{len(flat)}f", *flat)


def write_gguf(path: Path, changes: Mapping[str, Change], *, alpha: float = 1.0, **metadata: Any) -> Path:
    about = {"general.type": "adapter", "general.architecture": "llama", "adapter.type": "lora"}
    about |= {"adapter.lora.alpha": float(alpha), **{k.replace("__", "."): v for k, v in metadata.items()}}
    drafts = [
        draft
        for name, (a, b) in changes.items()
        for draft in (drafted(f"{name}.lora_a", a), drafted(f"{name}.lora_b", b))
    ]
    with path.open("wb") as file:
        write(file, about, drafts)
    return path


def drafted(name: str, matrix: Matrix) -> Draft:
    data = packed(matrix)
    return Draft(name, (len(matrix[0]), len(matrix)), F32, len(data), lambda: data)


def write_model(path: Path, shapes: Mapping[str, tuple[int, ...]], **metadata: Any) -> Path:
    """A model of zeros that no engine loads: only its header counts."""
    about = {
        "general.architecture": "llama",
        "llama.block_count": 2,
        "llama.embedding_length": 8,
        "llama.attention.head_count": 2,
        "llama.attention.head_count_kv": 1,
        **{key.replace("__", "."): value for key, value in metadata.items()},
    }
    sizes = {name: 4 * shape[0] * shape[1] for name, shape in shapes.items()}
    with path.open("wb") as file:
        drafts = [Draft(n, s, F32, sizes[n], lambda n=n: bytes(sizes[n])) for n, s in shapes.items()]
        write(file, about, drafts)
    return path


# ── PEFT ────────────────────────────────────────────────────────────────────────────────────────────


def write_peft(
    folder: Path, changes: Mapping[str, Change], *, type: str = "F32", extra: Any = None, **config: Any
) -> Path:
    """`changes` by the module's Hugging Face name without its prefix, B's rows as Hugging Face has them."""
    folder.mkdir(parents=True, exist_ok=True)
    rank = len(next(iter(changes.values()))[0])
    plain = {"peft_type": "LORA", "r": rank, "lora_alpha": rank, "bias": "none", "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(plain | config))
    tensors = {
        f"base_model.model.{module}.lora_{half}.weight": matrix
        for module, halves in changes.items()
        for half, matrix in zip("AB", halves, strict=True)
    }
    write_safetensors(folder / "adapter_model.safetensors", tensors | (extra or {}), type)
    return folder


def write_safetensors(path: Path, tensors: Mapping[str, Matrix], type: str = "F32") -> None:
    head: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, matrix in tensors.items():
        data = numbers(matrix, type)
        span = [len(body), len(body) + len(data)]
        head[name] = {"dtype": type, "shape": [len(matrix), len(matrix[0])], "data_offsets": span}
        body += data
    text = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def numbers(matrix: Matrix, type: str) -> bytes:
    flat = [number for row in matrix for number in row]
    if type == "BF16":  # cut off, not rounded: what is read back is checked against this
        return b"".join(struct.pack("<f", number)[2:] for number in flat)
    return struct.pack(f"<{len(flat)}{ {'F32': 'f', 'F16': 'e', 'F64': 'd'}[type] }", *flat)
