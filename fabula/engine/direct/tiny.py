"""A tiny model with fixed weights, made on the spot: what `proof` asks an engine to compute. Knows no engine.

Two layers of llama's architecture, F32, no tokenizer: ids are all there is.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fabula.models.formats import gguf_writing
from fabula.models.formats.gguf_writing import Draft, Value

LAYERS, WIDTH, HEADS, FEED_FORWARD, VOCABULARY, CONTEXT = 2, 64, 2, 128, 96, 1024
EPSILON, ROPE_BASE = 1e-5, 10_000.0
NORM = "norm"
F32 = 0
STEP, MODULUS = 48_271, 2**31 - 1  # Lehmer's generator: the same numbers everywhere
SPREAD = 0.35  # of the weights

METADATA: dict[str, Value] = {
    "general.architecture": "llama",
    "general.name": "Fabula's proof",
    "general.file_type": F32,
    "llama.block_count": LAYERS,
    "llama.context_length": CONTEXT,
    "llama.embedding_length": WIDTH,
    "llama.feed_forward_length": FEED_FORWARD,
    "llama.attention.head_count": HEADS,
    "llama.attention.head_count_kv": HEADS,
    "llama.attention.layer_norm_rms_epsilon": EPSILON,
    "llama.rope.freq_base": ROPE_BASE,
    "llama.rope.dimension_count": WIDTH // HEADS,
    "llama.vocab_size": VOCABULARY,
    "tokenizer.ggml.model": "no_vocab",
}


def shapes() -> dict[str, tuple[int, ...]]:
    """In GGUF's order, the row length first."""
    layer = {
        "attn_norm": (WIDTH,),
        **{f"attn_{name}": (WIDTH, WIDTH) for name in ("q", "k", "v", "output")},
        "ffn_norm": (WIDTH,),
        "ffn_gate": (WIDTH, FEED_FORWARD),
        "ffn_up": (WIDTH, FEED_FORWARD),
        "ffn_down": (FEED_FORWARD, WIDTH),
    }
    blocks = {f"blk.{n}.{name}.weight": shape for n in range(LAYERS) for name, shape in layer.items()}
    ends = {"token_embd.weight": (WIDTH, VOCABULARY), "output_norm.weight": (WIDTH,)}
    return ends | {"output.weight": (WIDTH, VOCABULARY)} | blocks


def weights() -> dict[str, NDArray[np.float32]]:
    """Each tensor as [rows, row length], or [row length]."""
    return {
        name: _values(number, name, shape[::-1]) for number, (name, shape) in enumerate(shapes().items(), 1)
    }


def _values(number: int, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    count = math.prod(shape)
    state, values = number * 7_919, []
    for _ in range(count):
        state = state * STEP % MODULUS
        values.append(state / MODULUS - 0.5)
    spread = np.array(values) * SPREAD
    return (1 + spread if NORM in name else spread).reshape(shape).astype(np.float32)


def write(path: Path) -> Path:
    made = weights()
    drafts = [
        Draft(name, shape, F32, 4 * math.prod(shape), made[name].tobytes) for name, shape in shapes().items()
    ]
    with path.open("wb") as file:
        gguf_writing.write(file, METADATA, drafts)
    return path
