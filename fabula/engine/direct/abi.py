"""The engine library's functions and its two structures that are passed by value, as data. Calls nothing.

Nobody promises that they stay: they are those of the pinned engine (the headers llama.h and ggml.h of its
llama.cpp), and `library` and `proof` find out before use whether the library at hand agrees.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from ctypes import c_bool, c_char_p, c_float, c_int32, c_int64, c_size_t, c_uint32, c_void_p
from dataclasses import dataclass
from typing import Any

Field = tuple[str, Any]


def _many(kind: Any, *names: str) -> list[Field]:
    return [(name, kind) for name in names]


MODEL_FIELDS: list[Field] = [
    *_many(c_void_p, "devices", "tensor_buft_overrides"),
    *_many(c_int32, "n_gpu_layers", "split_mode", "load_mode", "lazy_mode", "main_gpu"),
    *_many(c_void_p, "tensor_split", "progress_callback", "progress_user_data", "kv_overrides"),
    *_many(c_bool, "vocab_only", "check_tensors", "use_extra_bufts", "no_host", "no_alloc", "load_mtp"),
]

CONTEXT_FIELDS: list[Field] = [
    *_many(c_uint32, "n_ctx", "n_batch", "n_ubatch", "n_seq_max", "n_rs_seq"),
    *_many(c_uint32, "n_outputs_max", "n_outputs_max_per_seq"),
    *_many(c_int32, "n_threads", "n_threads_batch", "ctx_type", "rope_scaling_type", "pooling_type"),
    *_many(c_int32, "attention_type", "flash_attn_type"),
    *_many(c_float, "rope_freq_base", "rope_freq_scale"),
    *_many(c_float, "yarn_ext_factor", "yarn_attn_factor", "yarn_beta_fast", "yarn_beta_slow"),
    ("yarn_orig_ctx", c_uint32),
    ("defrag_thold", c_float),
    *_many(c_void_p, "cb_eval", "cb_eval_user_data"),
    *_many(c_int32, "type_k", "type_v"),
    *_many(c_void_p, "abort_callback", "abort_callback_data", "extra"),
    *_many(c_bool, "embeddings", "offload_kqv", "no_perf", "op_offload", "swa_full", "kv_unified"),
    ("samplers", c_void_p),
    ("n_samplers", c_size_t),
    ("ctx_other", c_void_p),
]

MODEL_DEFAULTS: dict[str, float] = {
    "n_gpu_layers": -1,
    "split_mode": 1,
    "load_mode": -1,
    "lazy_mode": 1,
    "main_gpu": 0,
    "use_extra_bufts": 1,
    "vocab_only": 0,
    "check_tensors": 0,
    "no_host": 0,
    "no_alloc": 0,
    "load_mtp": 0,
}

CONTEXT_DEFAULTS: dict[str, float] = {
    "n_ctx": 512,
    "n_batch": 2048,
    "n_ubatch": 512,
    "n_seq_max": 1,
    "n_rs_seq": 0,
    "n_outputs_max": 0,
    "n_outputs_max_per_seq": 1,
    "n_threads": 4,
    "n_threads_batch": 4,
    "rope_scaling_type": -1,
    "pooling_type": -1,
    "attention_type": -1,
    "flash_attn_type": -1,
    "yarn_ext_factor": -1,
    "yarn_attn_factor": -1,
    "yarn_beta_fast": -1,
    "yarn_beta_slow": -1,
    "yarn_orig_ctx": 0,
    "defrag_thold": -1,
    "type_k": 1,
    "type_v": 1,
    "offload_kqv": 1,
    "no_perf": 1,
    "op_offload": 1,
    "swa_full": 1,
    "embeddings": 0,
    "kv_unified": 0,
}


def structure(name: str, fields: Sequence[Field]) -> Any:
    return type(name, (ctypes.Structure,), {"_fields_": list(fields)})


class TokenData(ctypes.Structure):
    """A candidate as the engine's own samplers see it."""

    _fields_ = (("id", c_int32), ("logit", c_float), ("p", c_float))


class TokenDataArray(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.POINTER(TokenData)),
        ("size", c_size_t),
        ("selected", c_int64),
        ("sorted", c_bool),
    )


class BufferOverride(ctypes.Structure):
    """Tensors whose names match `pattern` lie in buffers of this type; a list ends with an empty one."""

    _fields_ = (("pattern", c_char_p), ("buffer_type", c_void_p))


TENSOR_FIELDS: list[Field] = [
    ("type", c_int32),
    ("buffer", c_void_p),
    ("ne", c_int64 * 4),
    ("nb", c_size_t * 4),
    ("op", c_int32),
    ("op_params", c_int32 * 16),
    ("flags", c_int32),
    ("src", c_void_p * 10),
    ("view_src", c_void_p),
    ("view_offs", c_size_t),
    ("data", c_void_p),
    ("name", ctypes.c_char * 64),
    ("extra", c_void_p),
    ("padding", ctypes.c_char * 8),
]
Tensor = structure("Tensor", TENSOR_FIELDS)
"""Only read, and only behind pointers that the engine hands out; checked against its getters."""
OBJECT_BYTES = 32  # before each tensor: part of `ggml_tensor_overhead`

EVAL = ctypes.CFUNCTYPE(c_bool, c_void_p, c_bool, c_void_p)
LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, c_char_p, c_void_p)
ABORT = ctypes.CFUNCTYPE(c_bool, c_void_p)

_P, _I, _B = c_void_p, c_int32, c_bool
Signature = tuple[Any, list[Any]]
"""What a function gives, and what it takes."""


@dataclass(frozen=True)
class Layout:
    """What the library is believed to look like."""

    model: Any
    context: Any
    functions: Mapping[str, Signature]
    model_defaults: Mapping[str, float]
    context_defaults: Mapping[str, float]


def layout(
    model_fields: Sequence[Field] = MODEL_FIELDS, context_fields: Sequence[Field] = CONTEXT_FIELDS
) -> Layout:
    model = structure("ModelParams", model_fields)
    context = structure("ContextParams", context_fields)
    functions = _functions(model, context)
    return Layout(model, context, functions, dict(MODEL_DEFAULTS), dict(CONTEXT_DEFAULTS))


def _functions(model: Any, context: Any) -> dict[str, Signature]:
    return {
        "llama_model_default_params": (model, []),
        "llama_context_default_params": (context, []),
        "llama_model_load_from_file": (_P, [c_char_p, model]),
        "llama_init_from_model": (_P, [_P, context]),
        **_LIFE,
        **_VOCABULARY,
        **_BATCH,
        **_ADAPTERS,
        **_SAMPLERS,
        **_TENSORS,
    }


_LIFE: dict[str, Signature] = {
    "llama_backend_init": (None, []),
    "llama_log_set": (None, [_P, _P]),
    "llama_free": (None, [_P]),
    "llama_model_free": (None, [_P]),
    "llama_n_ctx": (c_uint32, [_P]),
    "llama_n_ctx_seq": (c_uint32, [_P]),
    "llama_n_batch": (c_uint32, [_P]),
    "llama_n_ubatch": (c_uint32, [_P]),
    "llama_n_seq_max": (c_uint32, [_P]),
    "llama_n_threads": (_I, [_P]),
    "llama_n_threads_batch": (_I, [_P]),
    "llama_get_memory": (_P, [_P]),
    "llama_memory_clear": (None, [_P, _B]),
    "llama_memory_seq_rm": (_B, [_P, _I, _I, _I]),
    "llama_memory_seq_cp": (None, [_P, _I, _I, _I, _I]),
    "llama_memory_seq_pos_min": (_I, [_P, _I]),
    "llama_state_seq_get_size": (c_size_t, [_P, _I]),
}

_VOCABULARY: dict[str, Signature] = {
    "llama_model_get_vocab": (_P, [_P]),
    "llama_vocab_n_tokens": (_I, [_P]),
    "llama_vocab_type": (_I, [_P]),
    "llama_vocab_is_eog": (_B, [_P, _I]),
    "llama_vocab_is_control": (_B, [_P, _I]),
    "llama_model_n_embd": (_I, [_P]),
    "llama_model_n_layer": (_I, [_P]),
    "llama_model_n_swa": (_I, [_P]),
    "llama_model_is_recurrent": (_B, [_P]),
    "llama_model_is_hybrid": (_B, [_P]),
    "llama_model_has_encoder": (_B, [_P]),
    "llama_tokenize": (_I, [_P, c_char_p, _I, _P, _I, _B, _B]),
    "llama_token_to_piece": (_I, [_P, _I, _P, _I, _I, _B]),
}

_BATCH: dict[str, Signature] = {
    "llama_batch_ext_init": (_P, [_P]),
    "llama_batch_ext_free": (None, [_P]),
    "llama_batch_ext_clear": (None, [_P]),
    "llama_batch_ext_add_token": (_I, [_P, _I, _I]),
    "llama_batch_ext_set_pos": (_B, [_P, _I, ctypes.POINTER(_I)]),
    "llama_batch_ext_set_output_logits": (_B, [_P, _I, _B]),
    "llama_process": (_I, [_P, _I, _P]),
    "llama_get_logits": (_P, [_P]),
    "llama_get_logits_ith": (_P, [_P, _I]),
}

_ADAPTERS: dict[str, Signature] = {
    "llama_set_adapter_cvec": (_I, [_P, _P, c_size_t, _I, _I, _I]),
    "llama_adapter_lora_init": (_P, [_P, c_char_p]),
    "llama_adapter_lora_free": (None, [_P]),
    "llama_set_adapters_lora": (_I, [_P, _P, c_size_t, _P]),
}

_SAMPLERS: dict[str, Signature] = {
    "llama_sampler_init_grammar": (_P, [_P, c_char_p, c_char_p]),
    "llama_sampler_init_grammar_lazy_patterns": (
        _P,
        [_P, c_char_p, c_char_p, ctypes.POINTER(c_char_p), c_size_t, ctypes.POINTER(_I), c_size_t],
    ),
    "llama_sampler_apply": (None, [_P, ctypes.POINTER(TokenDataArray)]),
    "llama_sampler_accept": (None, [_P, _I]),
    "llama_sampler_clone": (_P, [_P]),
    "llama_sampler_free": (None, [_P]),
}

_TENSORS: dict[str, Signature] = {
    "ggml_get_name": (c_char_p, [_P]),
    "ggml_get_data": (_P, [_P]),
    "ggml_nelements": (c_int64, [_P]),
    "ggml_nbytes": (c_size_t, [_P]),
    "ggml_op_desc": (c_char_p, [_P]),
    "ggml_is_contiguous": (_B, [_P]),
    "ggml_tensor_overhead": (c_size_t, []),
    "ggml_backend_tensor_get": (None, [_P, _P, c_size_t, c_size_t]),
    "ggml_backend_cpu_buffer_type": (_P, []),
}
