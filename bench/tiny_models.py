"""Tiny models with random weights and the starter's vocabulary, one per kind of memory that cannot go back.

They write nonsense; how much of a prompt they read again is what real ones of their kind do. The tensors and
their shapes are those that llama.cpp's loader asks for.
"""

from __future__ import annotations

import random
import struct
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabula.models.formats.gguf import ARRAY, STRING, Header, Span, read_header

WIDTH = 64  # of the embedding, of the only head, and of most else
FEED_FORWARD = 128
LORA = 16
WINDOW = 256  # tokens
CONTEXT = 8192
F32, U32, I32, FLOAT32, BOOL = 0, 4, 5, 6, 7
ALIGNMENT = 32
NOISE = 65_537  # random values that are used round and round; prime, so that no two rows are alike

Shape = tuple[int, ...]
Tensors = dict[str, Shape]


@dataclass(frozen=True, slots=True)
class Kind:
    """One architecture: its memory in words, its facts and the tensors of one layer."""

    memory: str
    layers: int
    facts: dict[str, Any]
    ends: Tensors  # beside the embedding
    layer: Callable[[int], Tensors]


def rwkv7_layer(index: int) -> Tensors:
    values = LORA if index else 2 * LORA  # the first layer's are there and not used
    ranks = {"w": LORA, "a": 2 * LORA, "v": values, "g": LORA}
    low = {f"time_mix_{name}1": (WIDTH, rank) for name, rank in ranks.items()}
    high = {f"time_mix_{name}2": (rank, WIDTH) for name, rank in ranks.items()}
    names = ("w0", "a0", "v0", "k_k", "k_a", "r_k")
    vectors = {f"time_mix_{name}": (WIDTH,) for name in names}
    square = {f"time_mix_{name}": (WIDTH, WIDTH) for name in ("key", "value", "receptance", "output")}
    return {
        **_norms("attn_norm", "attn_norm_2", "time_mix_ln"),
        **_weights({**low, **high, **vectors, **square}),
        "time_mix_lerp_fused.weight": (WIDTH, 1, 1, 6),
        "channel_mix_lerp_k.weight": (WIDTH, 1, 1),
        "channel_mix_key.weight": (WIDTH, FEED_FORWARD),
        "channel_mix_value.weight": (FEED_FORWARD, WIDTH),
    }


def gemma3_layer(index: int) -> Tensors:
    norms = ("attn_norm", "attn_q_norm", "attn_k_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
    return _weights({**dict.fromkeys(norms, (WIDTH,)), **_attention(), **_feed_forward()})


def lfm2_layer(index: int) -> Tensors:
    square = (WIDTH, WIDTH)
    shared = {"attn_norm": (WIDTH,), "ffn_norm": (WIDTH,), **_feed_forward()}
    if index % 2:
        return _weights({**shared, "attn_q_norm": (WIDTH,), "attn_k_norm": (WIDTH,), **_attention()})
    conv = {"conv": (3, WIDTH), "in_proj": (WIDTH, 3 * WIDTH), "out_proj": square}
    return _weights({**shared, **{f"shortconv.{name}": shape for name, shape in conv.items()}})


def _attention() -> Tensors:
    return {f"attn_{name}": (WIDTH, WIDTH) for name in ("q", "k", "v", "output")}


def _feed_forward() -> Tensors:
    wide, narrow = (WIDTH, FEED_FORWARD), (FEED_FORWARD, WIDTH)
    return {"ffn_gate": wide, "ffn_up": wide, "ffn_down": narrow}


def _weights(shapes: Tensors) -> Tensors:
    return {f"{name}.weight": shape for name, shape in shapes.items()}


def _norms(*names: str) -> Tensors:
    return {f"{name}.{part}": (WIDTH,) for name in names for part in ("weight", "bias")}


_HEADS = {"attention.head_count": 1, "attention.key_length": WIDTH, "attention.value_length": WIDTH}
_RMS = {"attention.layer_norm_rms_epsilon": 1e-6, "rope.freq_base": 1e6}
_RANKS = {"decay": LORA, "iclr": 2 * LORA, "value_residual_mix": LORA, "gate": LORA}

KINDS = {
    "rwkv7": Kind(
        "recurrent",
        3,
        {
            "attention.head_count": 0,
            "attention.layer_norm_epsilon": 1e-5,
            "wkv.head_size": WIDTH,
            "token_shift_count": 2,
            **{f"attention.{name}_lora_rank": rank for name, rank in _RANKS.items()},
        },
        {**_norms("token_embd_norm", "output_norm"), "output.weight": (WIDTH, 0)},
        rwkv7_layer,
    ),
    "gemma3": Kind(
        "sliding window",
        6,  # the sixth has full attention
        {"attention.head_count_kv": 1, "attention.sliding_window": WINDOW, **_HEADS, **_RMS},
        {"output_norm.weight": (WIDTH,)},
        gemma3_layer,
    ),
    "lfm2": Kind(
        "hybrid",
        4,
        {"attention.head_count_kv": [0, 1, 0, 1], "shortconv.l_cache": 3, **_HEADS, **_RMS},
        {"token_embd_norm.weight": (WIDTH,)},
        lfm2_layer,
    ),
}


def write(kind: str, path: Path, starter: Path) -> Path:
    """A GGUF of this architecture at `path`, with the vocabulary and the template of `starter`."""
    header = read_header(starter)
    made, vocabulary = KINDS[kind], header.length("tokenizer.ggml.tokens")
    tensors = {"token_embd.weight": (WIDTH, vocabulary)}
    tensors |= {name: tuple(size or vocabulary for size in shape) for name, shape in made.ends.items()}
    for index in range(made.layers):
        tensors |= {f"blk.{index}.{name}": shape for name, shape in made.layer(index).items()}
    pairs = _facts(kind, made) | _vocabulary(header)
    path.write_bytes(file_of(pairs, tensors))
    return path


def file_of(pairs: dict[str, bytes], tensors: Tensors) -> bytes:
    """A whole GGUF of these tensors in F32."""
    entries = [(name, shape, F32, 4 * _count(shape)) for name, shape in tensors.items()]
    return head_of(pairs, entries) + b"".join(_data(name, shape) for name, shape in tensors.items())


def _facts(kind: str, made: Kind) -> dict[str, bytes]:
    general = {"general.architecture": kind, "general.name": f"Tiny {kind}", "general.file_type": 0}
    shape = {
        "block_count": made.layers,
        "context_length": CONTEXT,
        "embedding_length": WIDTH,
        "feed_forward_length": FEED_FORWARD,
        **made.facts,
    }
    return {
        name: value_bytes(value)
        for name, value in (general | {f"{kind}.{n}": v for n, v in shape.items()}).items()
    }


def _vocabulary(header: Header) -> dict[str, bytes]:
    """All that the starter says of its tokenizer; long arrays as the bytes that they are."""
    content = header.path.read_bytes()[: header.data_start]
    return {
        name: span_bytes(value, content) if isinstance(value, Span) else value_bytes(value)
        for name, value in header.metadata.items()
        if name.startswith("tokenizer.")
    }


def head_of(pairs: dict[str, bytes], tensors: Sequence[tuple[str, Shape, int, int]]) -> bytes:
    """All before the data. A tensor is its name, shape, type and bytes."""
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(pairs))
    head += b"".join(_string(name) + value for name, value in pairs.items())
    offset = 0
    for name, shape, kind, size in tensors:
        head += _string(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        head += struct.pack("<IQ", kind, offset)
        offset += size + -size % ALIGNMENT
    return padded(head)


_random = random.Random(7)
_NOISE = array("f", (_random.gauss(0, 0.1) for _ in range(NOISE))).tobytes()


def _data(name: str, shape: Shape) -> bytes:
    """Norms are ones, the rest is noise."""
    count = _count(shape)
    if "norm" in name and name.endswith("weight"):
        return padded(struct.pack("<f", 1.0) * count)
    return padded((_NOISE * (count // NOISE + 1))[: 4 * count])


def _count(shape: Shape) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGNMENT)


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def span_bytes(span: Span, content: bytes) -> bytes:
    return struct.pack("<IIQ", ARRAY, span.kind, span.count) + content[span.start : span.end]


def value_bytes(value: Any) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", U32, value)
    if isinstance(value, float):
        return struct.pack("<If", FLOAT32, value)
    if isinstance(value, str):
        return struct.pack("<I", STRING) + _string(value)
    if value and isinstance(value[0], str):
        return struct.pack("<IIQ", ARRAY, STRING, len(value)) + b"".join(map(_string, value))
    return struct.pack("<IIQ", ARRAY, I32, len(value)) + struct.pack(f"<{len(value)}i", *value)
