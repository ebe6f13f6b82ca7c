"""A small model whose weights are the same on every machine, for quantizing. Knows no quantizer.

Its shape meets most rules: rows that blocks of 256 do not divide, shared values, experts, no output matrix of
its own where `tied`.
"""

from __future__ import annotations

import hashlib
import math
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fabula.models.formats import gguf_writing
from fabula.models.formats.gguf import read_header
from fabula.models.formats.gguf_writing import Draft, Value
from fabula.models.formats.types import TENSOR_TYPES

LAYERS, WIDTH, HEADS, KV_HEADS, ODD, VOCABULARY, EXPERTS, WITHIN = 2, 256, 8, 2, 288, 96, 4, 32
F32, F16, BF16 = 0, 1, 30

METADATA: dict[str, Value] = {
    "general.architecture": "llama",
    "general.name": "Fabula's trial",
    "general.file_type": 0,
    "llama.block_count": LAYERS,
    "llama.context_length": 128,
    "llama.embedding_length": WIDTH,
    "llama.feed_forward_length": ODD,
    "llama.attention.head_count": HEADS,
    "llama.attention.head_count_kv": KV_HEADS,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "llama.expert_count": EXPERTS,
    "llama.expert_used_count": 2,
    "llama.vocab_size": VOCABULARY,
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": [f"▁{number}" for number in range(VOCABULARY)],
    "tokenizer.ggml.scores": [float(-number) for number in range(VOCABULARY)],
    "tokenizer.ggml.token_type": [1] * VOCABULARY,
}


def shapes() -> dict[str, tuple[int, ...]]:
    """In GGUF's order, the row length first; not in the order in which they are quantized."""
    shared = WIDTH // HEADS * KV_HEADS
    layer = {
        "ffn_down_exps": (WIDTH, WITHIN, EXPERTS),
        "ffn_up_exps": (WIDTH, WITHIN, EXPERTS),
        "ffn_gate_inp": (WIDTH, EXPERTS),
        "ffn_down_shexp": (ODD, WIDTH),
        "attn_q": (WIDTH, WIDTH),
        "attn_k": (WIDTH, shared),
        "attn_v": (WIDTH, shared),
        "attn_output": (WIDTH, WIDTH),
        "attn_norm": (WIDTH,),
    }
    blocks = {f"blk.{n}.{name}.weight": shape for n in range(LAYERS) for name, shape in layer.items()}
    ends = {"output_norm.weight": (WIDTH,), "output.weight": (WIDTH, VOCABULARY)}
    return ends | blocks | {"token_embd.weight": (WIDTH, VOCABULARY)}


def numbers(seed: int, count: int) -> NDArray[np.float32]:
    """Bell-shaped, by integer arithmetic only: the same bits everywhere."""
    state = np.arange(count, dtype=np.uint64) + np.uint64(seed << 32)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    state ^= state >> np.uint64(31)
    parts = [(state >> np.uint64(16 * part)) & np.uint64(0xFFFF) for part in range(4)]
    return (
        sum(part.astype(np.float32) for part in parts) / np.float32(2**18) - np.float32(0.5)
    ) * np.float32(0.25)


def make(path: Path, type_: int = F32, tied: bool = False) -> Path:
    """The model, its matrices as F32, F16 or BF16."""
    drafts = [
        _draft(seed, name, shape, type_)
        for seed, (name, shape) in enumerate(shapes().items(), 1)
        if not (tied and name == "output.weight")
    ]
    with path.open("wb") as file:
        gguf_writing.write(file, METADATA, drafts)
    return path


def make_split(folder: Path) -> Path:
    """The same model in two files, of which the first has the metadata; answers the first."""
    drafts = [_draft(seed, name, shape, F32) for seed, (name, shape) in enumerate(shapes().items(), 1)]
    halves = (drafts[:9], drafts[9:])
    files = [folder / f"trial-F32-{number:05}-of-00002.gguf" for number in (1, 2)]
    for number, (file, half) in enumerate(zip(files, halves, strict=True)):
        told: dict[str, Value] = {"split.no": number, "split.count": 2, "split.tensors.count": len(drafts)}
        with file.open("wb") as out:
            gguf_writing.write(out, (METADATA if not number else {}) | told, half)
    return files[0]


def _draft(seed: int, name: str, shape: tuple[int, ...], type_: int) -> Draft:
    values = numbers(seed, math.prod(shape))
    if len(shape) == 1 or type_ == F32:
        data = values.tobytes()
    elif type_ == F16:
        data = values.astype(np.float16).tobytes()
    else:
        data = (values.view(np.uint32) >> np.uint32(16)).astype(np.uint16).tobytes()
    return Draft(name, shape, F32 if len(shape) == 1 else type_, len(data), lambda: data)


def importance() -> dict[str, NDArray[np.float32]]:
    """Mean squares of the inputs of every matrix but the embedding."""
    wanted = {
        name: shape for name, shape in shapes().items() if len(shape) > 1 and name != "token_embd.weight"
    }
    return {
        name: np.abs(numbers(seed + 100, shape[0] * math.prod(shape[2:]))) + np.float32(0.01)
        for seed, (name, shape) in enumerate(wanted.items())
    }


def write_old(path: Path, calls: int = 4) -> Path:
    """The importance as the older `.dat`."""
    made = importance()
    data = struct.pack("<i", len(made))
    for name, values in made.items():
        data += struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", calls, len(values))
        data += (values * np.float32(calls)).tobytes()
    told = b"trial.txt"
    path.write_bytes(data + struct.pack("<ii", 7, len(told)) + told)
    return path


def write_new(path: Path, count: float = 8.0) -> Path:
    """The importance as GGUF."""
    drafts = []
    for name, values in importance().items():
        matrices = math.prod(shapes()[name][2:])
        sums, counts = (values * np.float32(count)).tobytes(), np.full(matrices, count, np.float32).tobytes()
        width = len(values) // matrices
        drafts.append(Draft(f"{name}.in_sum2", (width, matrices), F32, len(sums), lambda sums=sums: sums))
        drafts.append(Draft(f"{name}.counts", (1, matrices), F32, len(counts), lambda counts=counts: counts))
    told: dict[str, Value] = {"general.type": "imatrix", "imatrix.datasets": ["trial.txt"]}
    told |= {"imatrix.chunk_count": 7, "imatrix.chunk_size": 512}
    with path.open("wb") as file:
        gguf_writing.write(file, told, drafts)
    return path


def digest(path: Path) -> str:
    """SHA-256 over name, type and bytes of all tensors, by name."""
    header, found = read_header(path), hashlib.sha256()
    with path.open("rb") as file:
        for tensor in sorted(header.tensors, key=lambda tensor: tensor.name):
            file.seek(header.data_start + tensor.offset)
            assert tensor.size is not None
            found.update(f"{tensor.name} {TENSOR_TYPES[tensor.type].name}\n".encode())
            found.update(file.read(tensor.size))
    return found.hexdigest()
