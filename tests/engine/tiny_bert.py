"""Tiny BERTs with random weights: one that embeds, one that judges. Knows no engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.tiny_models import FEED_FORWARD, WIDTH, Tensors, file_of, value_bytes

CONTEXT = 64
WORDS = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *(f"▁{word}" for word in ("the", "a", "cat", "dog", "king", "queen", "sat", "ate", "on", "mat")),
]
SPECIAL = {"unknown": 1, "seperator": 3, "padding": 0, "cls": 2, "bos": 2, "eos": 3, "mask": 4}
MEAN, RANK = 1, 4


def write(path: Path, pooling: int = MEAN) -> Path:
    tensors = _tensors(judges=pooling == RANK)
    facts = {name: value_bytes(value) for name, value in _facts(pooling).items()}
    path.write_bytes(file_of(facts, tensors))
    return path


def _facts(pooling: int) -> dict[str, Any]:
    shape = {
        "block_count": 2,
        "context_length": CONTEXT,
        "embedding_length": WIDTH,
        "feed_forward_length": FEED_FORWARD,
        "attention.head_count": 2,
        "attention.layer_norm_epsilon": 1e-5,
        "attention.causal": False,
        "pooling_type": pooling,
    }
    return {
        "general.architecture": "bert",
        "general.name": "Tiny BERT",
        **{f"bert.{name}": value for name, value in shape.items()},
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.tokens": WORDS,
        "tokenizer.ggml.token_type_count": 2,
        **{f"tokenizer.ggml.{name}_token_id": id for name, id in SPECIAL.items()},
    }


def _tensors(judges: bool) -> Tensors:
    tensors: Tensors = {
        "token_embd.weight": (WIDTH, len(WORDS)),
        "token_types.weight": (WIDTH, 2),
        "position_embd.weight": (WIDTH, CONTEXT),
        **_layer("token_embd_norm", WIDTH),
    }
    for index in range(2):
        block = f"blk.{index}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensors |= _layer(block + name, WIDTH, WIDTH)
        tensors |= _layer(block + "attn_output_norm", WIDTH) | _layer(block + "layer_output_norm", WIDTH)
        tensors |= _layer(block + "ffn_up", WIDTH, FEED_FORWARD)
        tensors |= _layer(block + "ffn_down", FEED_FORWARD, WIDTH)
    return tensors | (_layer("cls", WIDTH, WIDTH) | _layer("cls.output", WIDTH, 1) if judges else {})


def _layer(name: str, *shape: int) -> Tensors:
    return {f"{name}.weight": shape, f"{name}.bias": shape[-1:]}
