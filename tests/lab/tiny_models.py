"""A tiny random model of every architecture that is edited here, with what its family has of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tiny_folders

KINDS: dict[str, dict[str, Any]] = {
    "llama": {"num_hidden_layers": 3},
    "mistral": {"head_dim": 32, "num_hidden_layers": 2},
    "qwen2": {"tie_word_embeddings": True},
    "qwen3": {"head_dim": 32, "attention_bias": True},
    "gemma3_text": {
        "head_dim": 32,
        "tie_word_embeddings": True,
        "query_pre_attn_scalar": 32,
        "sliding_window": 8,
        "num_hidden_layers": 6,
        "pad_token_id": 0,
    },
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen3_moe": {
        "head_dim": 32,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 32,
        "decoder_sparse_step": 1,
        "norm_topk_prob": True,
        "mlp_only_layers": [1],
    },
    "gpt_oss": {
        "head_dim": 32,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "sliding_window": 8,
        "pad_token_id": 0,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    },
}
WRITERS = {
    "llama": 6,
    "mistral": 4,
    "qwen2": 4,
    "qwen3": 6,  # o_proj has a bias
    "gemma3_text": 12,
    "mixtral": 10,  # an output of attention and four experts in each layer
    "qwen3_moe": 7,  # experts in the first layer, none in the second
    "gpt_oss": 8,  # both have a bias
}
"""Tensors that write into the residual stream, embeddings apart, as the folder stores them."""


def folder(place: Path, kind: str, **changes: Any) -> Path:
    return tiny_folders.folder(place, kind, **(KINDS[kind] | changes))


def model(folder: Path) -> Any:
    """By transformers, whole, in 32 bits."""
    import torch
    import transformers

    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def hidden(model: Any, ids: list[int]) -> Any:
    """What every layer gives: [layers, tokens, width]."""
    import torch

    found: list[Any] = []
    hooks = [
        layer.register_forward_hook(
            lambda *seen: found.append(seen[2][0] if isinstance(seen[2], tuple) else seen[2])
        )
        for layer in model.get_decoder().layers
    ]
    with torch.inference_mode():
        model(torch.tensor([ids]))
    for hook in hooks:
        hook.remove()
    return torch.cat(found)
