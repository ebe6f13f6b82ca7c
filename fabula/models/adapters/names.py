"""What tensors are called by Hugging Face and in GGUF, for the architectures whose adapters are converted.

Only what is certain is in the table: a module that is not there is refused, never guessed. Data, no logic
beyond looking it up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SPLIT = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
FUSED = {
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
ATTENTION = {module: name for module, name in SPLIT.items() if module.startswith("self_attn.")}
ENDS = {"embed_tokens": "token_embd.weight", "lm_head": "output.weight"}
HEAD = {"lm_head": "output.weight"}


@dataclass(frozen=True, slots=True)
class Family:
    """One architecture: its modules per layer, those outside of layers, and which rows GGUF reorders."""

    layer: dict[str, str]
    ends: dict[str, str]
    reordered: tuple[str, ...] = ()


ROTATED = ("attn_q", "attn_k")
"""GGUF has the rotary halves of each head of these interleaved, Hugging Face one after the other."""

FAMILIES = {
    "llama": Family(SPLIT, ENDS, ROTATED),
    "granite": Family(SPLIT, HEAD, ROTATED),
    "smollm3": Family(SPLIT, ENDS, ROTATED),
    "qwen2": Family(SPLIT, ENDS),
    "qwen3": Family(SPLIT, ENDS),
    "qwen3moe": Family(ATTENTION, ENDS),
    "gemma": Family(SPLIT, {}),
    "gemma2": Family(SPLIT, {}),
    "gemma3": Family(SPLIT, {}),
    "olmo2": Family(SPLIT, ENDS),
    "phi3": Family(FUSED, ENDS),
}

_MODULE = re.compile(
    r"(?:base_model\.)?(?:model\.)*(?:language_model\.)?(?:model\.)*"
    r"(?:layers\.(?P<layer>\d{1,5})\.(?P<part>[\w.]+)|(?P<end>embed_tokens|lm_head))"
)


@dataclass(frozen=True, slots=True)
class Place:
    """The GGUF tensor that a module is, and whether its output rows are reordered there."""

    tensor: str
    reordered: bool = False


def place_of(module: str, family: Family) -> Place | None:
    """None for a module that the table does not know."""
    found = _MODULE.fullmatch(module)
    if found is None:
        return None
    if end := found["end"]:
        tensor = family.ends.get(end)
        return Place(tensor) if tensor else None
    part = family.layer.get(found["part"])
    if part is None:
        return None
    return Place(f"blk.{int(found['layer'])}.{part}.weight", part in family.reordered)
