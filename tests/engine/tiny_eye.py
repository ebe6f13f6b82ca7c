"""A tiny projector with random weights, through which a model sees noise. Knows no engine."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from bench.tiny_models import ARRAY, FEED_FORWARD, FLOAT32, WIDTH, Tensors, file_of, value_bytes

SIDE, PATCH = 28, 14  # pixels
PATCHES = (SIDE // PATCH) ** 2


def write(path: Path, width: int) -> Path:
    """`width` is that of the embedding of the model that shall see."""
    tensors = _tensors(width)
    facts = {name: _fact(value) for name, value in _facts(width).items()}
    path.write_bytes(file_of(facts, tensors))
    return path


def _facts(width: int) -> dict[str, Any]:
    shape = {
        "image_size": SIDE,
        "patch_size": PATCH,
        "embedding_length": WIDTH,
        "feed_forward_length": FEED_FORWARD,
        "block_count": 2,
        "projection_dim": width,
        "attention.head_count": 2,
        "attention.layer_norm_epsilon": 1e-5,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    return {
        "general.architecture": "clip",
        "general.type": "mmproj",
        "general.name": "Tiny eye",
        "general.file_type": 0,
        "clip.has_vision_encoder": True,
        "clip.projector_type": "mlp",
        "clip.use_gelu": True,
        **{f"clip.vision.{name}": value for name, value in shape.items()},
    }


def _fact(value: Any) -> bytes:
    if isinstance(value, list):
        return struct.pack("<IIQ", ARRAY, FLOAT32, len(value)) + struct.pack(f"<{len(value)}f", *value)
    return value_bytes(value)


def _tensors(width: int) -> Tensors:
    tensors: Tensors = {
        "v.class_embd": (WIDTH,),
        "v.patch_embd.weight": (PATCH, PATCH, 3, WIDTH),
        "v.position_embd.weight": (WIDTH, PATCHES + 1),
        **_layer("v.pre_ln", WIDTH),
        **_layer("mm.0", WIDTH, width),
        **_layer("mm.2", width, width),
    }
    for index in range(2):
        block = f"v.blk.{index}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            tensors |= _layer(block + name, WIDTH, WIDTH)
        tensors |= _layer(block + "ln1", WIDTH) | _layer(block + "ln2", WIDTH)
        tensors |= _layer(block + "ffn_up", WIDTH, FEED_FORWARD)
        tensors |= _layer(block + "ffn_down", FEED_FORWARD, WIDTH)
    return tensors


def _layer(name: str, *shape: int) -> Tensors:
    return {f"{name}.weight": shape, f"{name}.bias": shape[-1:]}
