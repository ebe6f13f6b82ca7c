"""A model of zeros in one type of weights: what it costs is known after seconds, and its file takes no room.

What a type costs does not depend on the numbers, to first order; a real 135M was 15 % faster than its twin of
zeros (measured under load). Knows no engine.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from fabula.models.formats.gguf_writing import Draft, Value, data_size, header
from fabula.models.formats.types import TENSOR_TYPES

F32 = 0
BYTES = 256  # of the vocabulary, one for each byte
SPECIAL = ("<unk>", "<s>", "</s>")
UNKNOWN_TOKEN, CONTROL_TOKEN, BYTE_TOKEN = 2, 3, 6


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a llama with as many key heads as query heads."""

    layers: int
    width: int
    feed_forward: int
    head: int = 64


LARGE = Shape(4, 2048, 8192)
"""268 million numbers: too many for a processor's caches in any type."""
SMALL = Shape(1, 256, 256)
"""So small that only what every token costs is left."""


def type_number(kind: str) -> int:
    """Raises KeyError for a type that is not known."""
    return {known.name: number for number, known in TENSOR_TYPES.items()}[kind]


def write_zeros(folder: Path, kind: str, shape: Shape = LARGE) -> Path:
    """The model's file; its weights are a hole. Raises KeyError for an unknown type."""
    number = type_number(kind)
    tensors = _tensors(shape, number)
    head = header(_metadata(shape), tensors)
    file = folder / f"zeros-{kind}-{shape.width}.gguf"
    file.write_bytes(head)
    os.truncate(file, len(head) + data_size(tensors))
    return file


def numbers(shape: Shape = LARGE) -> int:
    """That each token goes through."""
    per_layer = 4 * shape.width**2 + 3 * shape.width * shape.feed_forward
    return shape.layers * per_layer + shape.width * _vocabulary()


def _vocabulary() -> int:
    return len(SPECIAL) + BYTES


def _tensors(shape: Shape, kind: int) -> list[Draft]:
    width, inner = shape.width, shape.feed_forward
    drafts = [_draft("token_embd.weight", kind, width, _vocabulary())]
    for layer in range(shape.layers):
        at = f"blk.{layer}."
        drafts += [_draft(f"{at}{name}.weight", F32, width) for name in ("attn_norm", "ffn_norm")]
        drafts += [
            _draft(f"{at}{name}.weight", kind, width, width)
            for name in ("attn_q", "attn_k", "attn_v", "attn_output")
        ]
        drafts += [_draft(f"{at}{name}.weight", kind, width, inner) for name in ("ffn_gate", "ffn_up")]
        drafts.append(_draft(f"{at}ffn_down.weight", kind, inner, width))
    return [
        *drafts,
        _draft("output_norm.weight", F32, width),
        _draft("output.weight", kind, width, _vocabulary()),
    ]


def _draft(name: str, kind: int, *shape: int) -> Draft:
    known = TENSOR_TYPES[kind]
    return Draft(name, shape, kind, math.prod(shape) // known.block * known.size, bytes)


def _metadata(shape: Shape) -> dict[str, Value]:
    heads = shape.width // shape.head
    tokens = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(BYTES))]
    return {
        "general.architecture": "llama",
        "general.name": "zeros",
        "llama.block_count": shape.layers,
        "llama.context_length": 4096,
        "llama.embedding_length": shape.width,
        "llama.feed_forward_length": shape.feed_forward,
        "llama.attention.head_count": heads,
        "llama.attention.head_count_kv": heads,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": shape.head,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * len(tokens),
        "tokenizer.ggml.token_type": [UNKNOWN_TOKEN, CONTROL_TOKEN, CONTROL_TOKEN, *[BYTE_TOKEN] * BYTES],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }
