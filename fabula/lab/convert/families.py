"""What each family of models is called in GGUF: its numbers, its tensors and what is done to them. As data.

Sources: the model classes of transformers (what the weights mean) and the engine's loaders (what it expects).
Knows no file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fabula.core.errors import CannotConvert
from fabula.core.texts import phrase
from fabula.models.formats.gguf_writing import Value

Change = Literal["", "pairs", "pairs_kv", "plus_one"]
"""`pairs`: the halves that a rotary position turns together come to lie side by side, for each query head or
each head of keys; `plus_one`: the norm is kept around zero and used around one."""

TOP = {
    "embed_tokens.weight": "token_embd.weight",
    "norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
HEAD_NORMS = {"self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}
AROUND = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
"""Norms before and after each half of a layer."""

PREFIXES = ("model.language_model.", "language_model.model.", "language_model.", "model.")
LEFT_OUT = re.compile(r"rotary_emb|masked_bias|vision_tower|multi_modal_projector|\.attention\.bias$")
"""Tables that are computed anyway, and what sees images: that is not converted."""
ONLY_LLAMA = ("attn_output", "ffn_gate", "ffn_up", "ffn_down")
"""What has a bias in the engine's loader for llama alone, of the families here."""
_LAYER = re.compile(r"layers\.(\d+)\.(.+)\.(weight|bias)$")


@dataclass(frozen=True, slots=True)
class Family:
    """`architecture` is GGUF's name. `rotates` = the engine turns neighbours: weights are reordered."""

    architecture: str
    layer: Mapping[str, str] = field(default_factory=lambda: LAYER)
    rotates: bool = False
    plus_one: bool = False
    slides: bool = False  # some layers look back only so far, in the engine too


YARN = {"attention_factor": None, "mscale": 1.0, "mscale_all_dim": None, "beta_fast": 32.0, "beta_slow": 1.0}
LOCAL = {"rope_local_base_freq": 10_000.0}
LARGEST = (46, 62)  # layers of Gemma 2 27B and Gemma 3 27B
GEMMA = {**LAYER, **AROUND}
FAMILIES = {
    "llama": Family("llama", rotates=True),
    "mistral": Family("llama", rotates=True),
    "qwen2": Family("qwen2"),
    "qwen3": Family("qwen3", {**LAYER, **HEAD_NORMS}),
    "gemma": Family("gemma", plus_one=True),
    "gemma2": Family("gemma2", GEMMA, plus_one=True, slides=True),
    "gemma3_text": Family("gemma3", {**GEMMA, **HEAD_NORMS}, plus_one=True, slides=True),
    "gemma3": Family("gemma3", {**GEMMA, **HEAD_NORMS}, plus_one=True, slides=True),
}


@dataclass(frozen=True, slots=True)
class Config:
    """The config of a model's text part. Raises CannotConvert where it lacks what is needed."""

    name: str
    told: Mapping[str, Any]

    def number(self, key: str, default: int | None = None) -> int:
        value = self.told.get(key)
        value = default if value is None else value
        if not isinstance(value, int) or isinstance(value, bool):
            raise CannotConvert(self.name, phrase("lab.convert.config", key=key, value=f"{value}"[:80]))
        return value

    def real(self, key: str, default: float) -> float:
        value = self.told.get(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default

    @property
    def heads(self) -> int:
        return self.number("num_attention_heads")

    @property
    def kv_heads(self) -> int:
        return self.number("num_key_value_heads", self.heads)

    @property
    def head_length(self) -> int:
        return self.number("head_dim", self.number("hidden_size") // self.heads)

    def rope(self, layers: str = "full_attention") -> Mapping[str, Any]:
        """How positions are told, of layers of one kind; older configs have it in two places."""
        told = self.told.get("rope_parameters") or self.told.get("rope_scaling") or {}
        told = told.get(layers, told) if isinstance(told, dict) else {}
        theta = told.get("rope_theta") or self.told.get("rope_theta") or 10_000.0
        kind = told.get("rope_type") or told.get("type") or "default"
        return {**told, "rope_theta": float(theta), "rope_type": kind}


def family_of(name: str, model_type: str) -> Family:
    """Raises CannotConvert for one that is not known."""
    if model_type not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise CannotConvert(name, phrase("lab.convert.family", type=model_type or "?", known=known))
    return FAMILIES[model_type]


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────


def numbers(family: Family, config: Config) -> dict[str, Value]:
    """The metadata that the engine's loader asks for, and what the file is about."""
    told: dict[str, Value] = {
        "block_count": config.number("num_hidden_layers"),
        "context_length": config.number("max_position_embeddings"),
        "embedding_length": config.number("hidden_size"),
        "feed_forward_length": config.number("intermediate_size"),
        "vocab_size": config.number("vocab_size"),
        "attention.head_count": config.heads,
        "attention.head_count_kv": config.kv_heads,
        "attention.key_length": config.head_length,
        "attention.value_length": config.head_length,
        "attention.layer_norm_rms_epsilon": config.real("rms_norm_eps", 1e-6),
        "rope.dimension_count": config.head_length,
        **_rope(config),
    }
    if family.slides:
        told |= _sliding(family, config)
    return {f"{family.architecture}.{key}": value for key, value in told.items()}


def _rope(config: Config) -> dict[str, Value]:
    """Raises CannotConvert for ways of stretching that GGUF cannot say."""
    rope = config.rope()
    told: dict[str, Value] = {"rope.freq_base": rope["rope_theta"]}
    kind = rope["rope_type"]
    if kind in ("default", "llama3"):  # the latter is a tensor: see `frequencies`
        return told
    if kind not in ("linear", "yarn"):
        raise CannotConvert(config.name, phrase("lab.convert.rope", type=f"{kind}"))
    told |= {"rope.scaling.type": kind, "rope.scaling.factor": float(rope["factor"])}
    if kind == "yarn":
        _require_usual(config, rope, YARN)
        original = rope.get("original_max_position_embeddings") or config.number("max_position_embeddings")
        told |= {"rope.scaling.original_context_length": int(original)}
    return told


def _require_usual(config: Config, told: Mapping[str, Any], usual: Mapping[str, float | None]) -> None:
    """Raises CannotConvert for a number that the engine takes for granted and that is another one here."""
    for key, value in usual.items():
        found = told.get(key)
        if found is not None and found != value:
            raise CannotConvert(config.name, phrase("lab.convert.unusual", key=key, value=f"{found}"[:40]))


def _require_usual_attention(config: Config) -> None:
    """The engine divides by the root of the head's length, or in the largest models of the family by that of
    the share of the width."""
    shares = (config.head_length, config.number("hidden_size") // config.heads)
    largest = config.number("num_hidden_layers") in LARGEST
    _require_usual(config, config.told, {"query_pre_attn_scalar": shares[largest]})


def _sliding(family: Family, config: Config) -> dict[str, Value]:
    """Raises CannotConvert where the layers do not alternate as the engine takes for granted."""
    every = 2 if family.architecture == "gemma2" else 6
    usual = [
        "full_attention" if n % every == 0 else "sliding_attention"
        for n in range(1, 1 + config.number("num_hidden_layers"))
    ]
    kinds = config.told.get("layer_types") or usual
    if list(kinds) != usual:
        raise CannotConvert(config.name, phrase("lab.convert.layers"))
    _require_usual_attention(config)
    local = (
        config.rope("sliding_attention")["rope_theta"]
        if "sliding_attention" in _layers_told(config)
        else None
    )
    _require_usual(config, {"rope_local_base_freq": config.told.get("rope_local_base_freq") or local}, LOCAL)
    told: dict[str, Value] = {"attention.sliding_window": config.number("sliding_window", 4096)}
    if family.architecture == "gemma2":
        told |= {"attn_logit_softcapping": config.real("attn_logit_softcapping", 50.0)}
        told |= {"final_logit_softcapping": config.real("final_logit_softcapping", 30.0)}
    return told


def _layers_told(config: Config) -> Mapping[str, Any]:
    """Kinds of layers of which positions are told apart."""
    told = config.told.get("rope_parameters")
    return told if isinstance(told, dict) else {}


def frequencies(config: Config) -> list[float] | None:
    """By what each pair's turning is divided (Llama 3.1's way to long contexts); None for other ways."""
    rope = config.rope()
    if rope["rope_type"] != "llama3":
        return None
    length, factor = config.head_length, float(rope["factor"])
    low, high = float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    original = float(rope["original_max_position_embeddings"])
    found = []
    for place in range(0, length, 2):
        wave = 2 * math.pi * rope["rope_theta"] ** (place / length)  # tokens
        share = min(max((original / wave - low) / (high - low), 0.0), 1.0)
        found.append(1 / ((1 - share) / factor + share))
    return found


# ── tensors ─────────────────────────────────────────────────────────────────────────────────────────


def place_of(name: str, family: Family, owner: str) -> tuple[str, Change] | None:
    """GGUF's name and what is done to the numbers; None for what is left out. Raises CannotConvert."""
    if LEFT_OUT.search(name):
        return None
    short = next((name[len(prefix) :] for prefix in PREFIXES if name.startswith(prefix)), name)
    if short in TOP:
        made = TOP[short]
        return made, "plus_one" if family.plus_one and made == "output_norm.weight" else ""
    match = _LAYER.match(short)
    if match is None or match[2] not in family.layer:
        raise CannotConvert(owner, phrase("lab.convert.tensor", tensor=name[:120]))
    made = family.layer[match[2]]
    if match[3] == "bias" and made in ONLY_LLAMA and family.architecture != "llama":
        raise CannotConvert(owner, phrase("lab.convert.bias", tensor=name[:120]))
    return f"blk.{match[1]}.{made}.{match[3]}", _change(made, family)


def _change(made: str, family: Family) -> Change:
    if family.plus_one and made.endswith("norm"):
        return "plus_one"
    if family.rotates and made in ("attn_q", "attn_k"):
        return "pairs" if made == "attn_q" else "pairs_kv"
    return ""
