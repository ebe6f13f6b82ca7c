"""A tiny random model of each architecture to whose layers the engine adds a bias; ids are all they know."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fabula.models.formats import gguf_writing
from fabula.models.formats.gguf_writing import Draft, Value

LAYERS, WIDTH, HEADS, KV, WITHIN, EXPERTS, VOCABULARY, CONTEXT = 3, 64, 4, 2, 128, 4, 96, 256
HEAD = WIDTH // HEADS
F32 = 0

Shapes = Mapping[str, tuple[int, ...]]
"""In GGUF's order, the row length first."""
_NORMS = {"attn_norm.weight": (WIDTH,), "ffn_norm.weight": (WIDTH,)}
_OUTPUT = {"attn_output.weight": (WIDTH, WIDTH)}
_ATTENTION = {
    "attn_q.weight": (WIDTH, WIDTH),
    "attn_k.weight": (WIDTH, HEAD * KV),
    "attn_v.weight": (WIDTH, HEAD * KV),
    **_OUTPUT,
}
_ONE = {
    "attn_qkv.weight": (WIDTH, WIDTH + 2 * HEAD * KV),
    "attn_qkv.bias": (WIDTH + 2 * HEAD * KV,),
    **_OUTPUT,
}
_UNGATED = {"ffn_up.weight": (WIDTH, WITHIN), "ffn_down.weight": (WITHIN, WIDTH)}
_GATED = _UNGATED | {"ffn_gate.weight": (WIDTH, WITHIN)}
_NORM_BIASES = {"attn_norm.bias": (WIDTH,), "ffn_norm.bias": (WIDTH,)}
_BIASES = {"attn_output.bias": (WIDTH,), "ffn_down.bias": (WIDTH,), "ffn_up.bias": (WITHIN,)}
_LLAMA = _NORMS | _ATTENTION | _GATED
_TOP = {"token_embd.weight": (WIDTH, VOCABULARY), "output_norm.weight": (WIDTH,)}
_TOP_BIAS = {"output_norm.bias": (WIDTH,)}
_HEAD = {"output.weight": (WIDTH, VOCABULARY)}
_EXPERTS = {
    "ffn_gate_inp.weight": (WIDTH, EXPERTS),
    "ffn_gate_inp.bias": (EXPERTS,),
    "ffn_gate_exps.weight": (WIDTH, 32, EXPERTS),
    "ffn_gate_exps.bias": (32, EXPERTS),
    "ffn_up_exps.weight": (WIDTH, 32, EXPERTS),
    "ffn_up_exps.bias": (32, EXPERTS),
    "ffn_down_exps.weight": (32, WIDTH, EXPERTS),
    "ffn_down_exps.bias": (WIDTH, EXPERTS),
}
MODELS: dict[str, tuple[Shapes, Shapes, Mapping[str, Value]]] = {
    "llama": (_TOP, _LLAMA, {}),
    "mistral3": (_TOP, _LLAMA, {}),
    "deci": (_TOP, _LLAMA, {}),
    "granite": (_TOP, _LLAMA, {"residual_scale": 0.5, "embedding_scale": 2.0, "logit_scale": 2.0}),
    "nemotron": (_TOP | _TOP_BIAS | _HEAD, _NORMS | _NORM_BIASES | _ATTENTION | _UNGATED, {}),
    "starcoder2": (_TOP | _TOP_BIAS, _NORMS | _NORM_BIASES | _ATTENTION | _UNGATED | _BIASES, {}),
    "gpt2": (
        _TOP | _TOP_BIAS | {"position_embd.weight": (WIDTH, CONTEXT)},
        _NORMS | _NORM_BIASES | _ONE | _UNGATED | _BIASES,
        {},
    ),
    "gptneox": (
        _TOP | _TOP_BIAS | _HEAD,
        _NORMS | _NORM_BIASES | _ONE | _UNGATED | _BIASES,
        {"use_parallel_residual": True},
    ),
    "phi2": (
        _TOP | _TOP_BIAS | _HEAD | {"output.bias": (VOCABULARY,)},
        {"attn_norm.weight": (WIDTH,), "attn_norm.bias": (WIDTH,), **_ATTENTION, **_UNGATED, **_BIASES},
        {},
    ),
    "gpt-oss": (
        _TOP | _HEAD,
        {
            "attn_norm.weight": (WIDTH,),
            **_ATTENTION,
            "attn_output.bias": (WIDTH,),
            "attn_sinks.weight": (HEADS,),
            "post_attention_norm.weight": (WIDTH,),
            **_EXPERTS,
        },
        {
            "attention.sliding_window": 8,
            "expert_count": EXPERTS,
            "expert_used_count": 2,
            "expert_feed_forward_length": 32,
        },
    ),
}
"""Tensors beside the layers, of each layer, and further numbers."""


def make(file: Path, architecture: str, more: Sequence[str] = ()) -> Path:
    """`more` are further tensors of each layer, as wide as the stream; an architecture that is not above has
    llama's tensors."""
    with file.open("wb") as out:
        gguf_writing.write(out, _told(architecture), _drafts(architecture, more))
    return file


def make_split(folder: Path, name: str) -> list[Path]:
    """A llama in two files, as llama.cpp splits them."""
    drafts = _drafts("llama")
    files = [folder / f"{name}-{number:05}-of-00002.gguf" for number in (1, 2)]
    for number, (file, half) in enumerate(zip(files, (drafts[:12], drafts[12:]), strict=True)):
        head = gguf_writing.header({} if number else _told("llama"), half)
        pairs = _split(number, len(drafts))
        count = struct.unpack_from("<Q", head, 16)[0] + 4
        data = b"".join(draft.data() + bytes(-draft.size % 32) for draft in half)
        file.write_bytes(head[:16] + struct.pack("<Q", count) + pairs + head[24:] + data)
    return files


def _split(number: int, tensors: int) -> bytes:
    """Numbers of 16 bits, as the engine asks for them; with a note they are as long as four alignments."""
    pairs = _key("split.no") + struct.pack("<IH", 2, number)
    pairs += _key("split.count") + struct.pack("<IH", 2, 2)
    pairs += _key("split.tensors.count") + struct.pack("<Ii", 5, tensors)
    rest = 128 - len(pairs) - len(_key("general.note")) - 12
    return pairs + _key("general.note") + struct.pack("<IQ", 8, rest) + b"." * rest


def _key(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def _told(architecture: str) -> dict[str, Value]:
    numbers = MODELS.get(architecture, MODELS["llama"])[2]
    return {
        "general.architecture": architecture,
        "general.name": "Fabula's trial",
        "tokenizer.ggml.model": "no_vocab",
        **{f"{architecture}.{key}": value for key, value in (_numbers() | dict(numbers)).items()},
    }


def _drafts(architecture: str, more: Sequence[str] = ()) -> list[Draft]:
    top, layer, _ = MODELS.get(architecture, MODELS["llama"])
    layer = {**layer, **dict.fromkeys(more, (WIDTH,))}
    shapes = {**top, **{f"blk.{n}.{name}": shape for n in range(LAYERS) for name, shape in layer.items()}}
    return [_draft(name, shape) for name, shape in shapes.items()]


def _numbers() -> dict[str, Value]:
    return {
        "block_count": LAYERS,
        "context_length": CONTEXT,
        "embedding_length": WIDTH,
        "feed_forward_length": WITHIN,
        "attention.head_count": HEADS,
        "attention.head_count_kv": KV,
        "attention.key_length": HEAD,
        "attention.value_length": HEAD,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "attention.layer_norm_epsilon": 1e-5,
        "rope.freq_base": 10_000.0,
        "rope.dimension_count": HEAD,
        "vocab_size": VOCABULARY,
    }


def _draft(name: str, shape: tuple[int, ...]) -> Draft:
    """Random numbers that the name alone decides; norms around 1."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    values = random.standard_normal(math.prod(shape)).astype(np.float32) * np.float32(0.3)
    values += np.float32(name.endswith("norm.weight"))
    return Draft(name, shape, F32, values.nbytes, values.tobytes)
