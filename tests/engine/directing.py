"""A small model of experts that the engine runs, for directions: ids are all it knows."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from quantizing import numbers

from fabula.models.formats import gguf_writing
from fabula.models.formats.gguf_writing import Draft, Value

LAYERS, WIDTH, HEADS, WITHIN, EXPERTS, VOCABULARY = 2, 256, 4, 64, 4, 96
F32 = 0
METADATA: dict[str, Value] = {
    "general.architecture": "llama",
    "general.name": "Fabula's experts",
    "general.file_type": F32,
    "llama.block_count": LAYERS,
    "llama.context_length": 256,
    "llama.embedding_length": WIDTH,
    "llama.feed_forward_length": WITHIN,
    "llama.attention.head_count": HEADS,
    "llama.attention.head_count_kv": HEADS,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "llama.rope.freq_base": 10_000.0,
    "llama.rope.dimension_count": WIDTH // HEADS,
    "llama.expert_count": EXPERTS,
    "llama.expert_used_count": 2,
    "llama.vocab_size": VOCABULARY,
    "tokenizer.ggml.model": "no_vocab",
}
WRITERS = 2 * LAYERS


def shapes() -> dict[str, tuple[int, ...]]:
    """In GGUF's order, the row length first."""
    layer = {
        "attn_norm": (WIDTH,),
        **{f"attn_{name}": (WIDTH, WIDTH) for name in ("q", "k", "v", "output")},
        "ffn_norm": (WIDTH,),
        "ffn_gate_inp": (WIDTH, EXPERTS),
        "ffn_gate_exps": (WIDTH, WITHIN, EXPERTS),
        "ffn_up_exps": (WIDTH, WITHIN, EXPERTS),
        "ffn_down_exps": (WITHIN, WIDTH, EXPERTS),
    }
    blocks = {f"blk.{n}.{name}.weight": shape for n in range(LAYERS) for name, shape in layer.items()}
    ends = {"token_embd.weight": (WIDTH, VOCABULARY), "output_norm.weight": (WIDTH,)}
    return ends | {"output.weight": (WIDTH, VOCABULARY)} | blocks


def drafts() -> list[Draft]:
    made = []
    for seed, (name, shape) in enumerate(shapes().items(), 1):
        values = numbers(seed, math.prod(shape)) * np.float32(2) + np.float32("norm" in name)
        made.append(Draft(name, shape, F32, values.nbytes, values.tobytes))
    return made


def make(path: Path) -> Path:
    with path.open("wb") as file:
        gguf_writing.write(file, METADATA, drafts())
    return path


def make_split(folder: Path) -> Path:
    """The same model in two files; answers the first."""
    whole = drafts()
    halves = (whole[:9], whole[9:])
    files = [folder / f"split-F32-{number:05}-of-00002.gguf" for number in (1, 2)]
    for number, (file, half) in enumerate(zip(files, halves, strict=True)):
        told: dict[str, Value] = {"split.no": number, "split.count": 2, "split.tensors.count": len(whole)}
        with file.open("wb") as out:
            gguf_writing.write(out, (METADATA if not number else {}) | told, half)
    return files[0]
