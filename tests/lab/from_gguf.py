"""The starter model as a folder of safetensors, dequantized by the gguf package. Knows no engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "attn_norm.weight": "input_layernorm.weight",
    "attn_q.weight": "self_attn.q_proj.weight",
    "attn_k.weight": "self_attn.k_proj.weight",
    "attn_v.weight": "self_attn.v_proj.weight",
    "attn_output.weight": "self_attn.o_proj.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "ffn_gate.weight": "mlp.gate_proj.weight",
    "ffn_up.weight": "mlp.up_proj.weight",
    "ffn_down.weight": "mlp.down_proj.weight",
}


def folder(source: Path, place: Path) -> Path:
    import gguf
    from safetensors.numpy import save_file

    place.mkdir(parents=True, exist_ok=True)
    reader = gguf.GGUFReader(source)
    heads = int(_value(reader, "llama.attention.head_count"))
    kv_heads = int(_value(reader, "llama.attention.head_count_kv"))
    tensors = {}
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type).reshape(list(reversed(tensor.shape)))
        if tensor.name.endswith("attn_q.weight"):
            values = _unpaired(values, heads)
        if tensor.name.endswith("attn_k.weight"):
            values = _unpaired(values, kv_heads)
        tensors[_name(tensor.name)] = np.ascontiguousarray(values, np.float32)
    save_file(tensors, place / "model.safetensors", {"format": "pt"})
    (place / "config.json").write_text(json.dumps(_config(reader, heads, kv_heads)))
    _tokenizer(reader, place)
    return place


def _unpaired(values: Any, heads: int) -> Any:
    """GGUF has the two halves of rotary positions side by side."""
    rows = values.shape[0] // heads // 2
    return values.reshape(heads, rows, 2, values.shape[1]).swapaxes(1, 2).reshape(values.shape)


def _name(theirs: str) -> str:
    if theirs in NAMES:
        return NAMES[theirs]
    _, layer, rest = theirs.split(".", 2)
    return f"model.layers.{layer}.{NAMES[rest]}"


def _value(reader: Any, key: str) -> Any:
    return reader.fields[key].contents()


def _config(reader: Any, heads: int, kv_heads: int) -> dict[str, Any]:
    number = {name: _value(reader, f"llama.{name}") for name in ("block_count", "embedding_length")}
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": number["embedding_length"],
        "intermediate_size": _value(reader, "llama.feed_forward_length"),
        "num_hidden_layers": number["block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "max_position_embeddings": _value(reader, "llama.context_length"),
        "rms_norm_eps": float(_value(reader, "llama.attention.layer_norm_rms_epsilon")),
        "rope_theta": float(_value(reader, "llama.rope.freq_base")),
        "vocab_size": len(_value(reader, "tokenizer.ggml.tokens")),
        "tie_word_embeddings": True,
        "hidden_act": "silu",
        "bos_token_id": _value(reader, "tokenizer.ggml.bos_token_id"),
        "eos_token_id": _value(reader, "tokenizer.ggml.eos_token_id"),
        "dtype": "float32",
    }


def _tokenizer(reader: Any, place: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens = list(_value(reader, "tokenizer.ggml.tokens"))
    merges = [tuple(merge.split(" ")) for merge in _value(reader, "tokenizer.ggml.merges")]
    kinds = list(_value(reader, "tokenizer.ggml.token_type"))
    made = Tokenizer(models.BPE({token: id for id, token in enumerate(tokens)}, merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    control = 3  # GGUF's kind of special tokens
    made.add_special_tokens(
        [
            AddedToken(token, special=True)
            for token, kind in zip(tokens, kinds, strict=True)
            if kind == control
        ]
    )
    made.save(str(place / "tokenizer.json"))
    ids = ("bos_token_id", "eos_token_id")
    named = {name[:-3]: tokens[_value(reader, f"tokenizer.ggml.{name}")] for name in ids}
    template = _value(reader, "tokenizer.chat_template")
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": template, **named}
    (place / "tokenizer_config.json").write_text(json.dumps(told))
