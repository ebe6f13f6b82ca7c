"""A model's anatomy without its tensors: from its few known numbers, or from its parameter count. Rough.

Layers are taken as equal, and the embeddings as quantized like the rest.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from fabula.core.model import LocalModel
from fabula.models.fit.anatomy import LAYERS_LIMIT, Anatomy, Layer, Widths, patterns

UNKNOWN_KV = 1 / 40_000  # of the weights, in bytes per token, where nothing tells the layers
EXPERTS_SHARE = 0.9  # of the layers' weights of a model that has experts
FEED_FORWARD = 4  # embeddings; of most models between 2.7 and 5.3

SMALLER = ("deepseek2", "mamba", "mamba2", "lfm2", "jamba", "rwkv6", "rwkv7", "granitehybrid", "qwen3next")
"""Architectures whose cache is smaller than full attention's; those with windows are known elsewhere."""

_COUNT = re.compile(r"^(?P<count>\d+(?:\.\d+)?)(?P<unit>[bm])(?::(?P<kind>[\w-]+))?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Typical:
    """A well-known model of that size with grouped queries. `parameters` is in thousand millions."""

    parameters: float
    layers: int
    embedding: int
    vocabulary: int


SIZES = (
    Typical(0.14, 30, 576, 49_152),  # SmolLM2
    Typical(0.5, 24, 896, 151_936),  # Qwen2.5
    Typical(1.2, 16, 2048, 128_256),  # Llama 3.2
    Typical(3.2, 28, 3072, 128_256),
    Typical(8.0, 32, 4096, 128_256),  # Llama 3.1
    Typical(14.8, 48, 5120, 152_064),  # Qwen2.5
    Typical(23.6, 40, 5120, 131_072),  # Mistral Small
    Typical(32.8, 64, 5120, 152_064),
    Typical(70.6, 80, 8192, 128_256),
    Typical(405.9, 126, 16_384, 128_256),
)
GROUPED = 1024  # numbers of keys, and of values, per token: eight heads of 128

BITS = {
    "F16": 16.0,
    "BF16": 16.0,
    "Q8_0": 8.5,
    "Q6_K": 6.56,
    "Q5_K_M": 5.69,
    "Q4_K_M": 4.88,
    "Q4_K_S": 4.59,
    "Q4_0": 4.57,
    "IQ4_XS": 4.32,
    "Q3_K_M": 3.89,
    "IQ3_M": 3.67,
    "IQ3_XXS": 3.14,
    "Q2_K": 3.01,
    "IQ2_M": 2.76,
    "IQ2_XXS": 2.21,
}
"""Bits per weight of whole files: the median of eight models of 7B to 70B (tests/fixtures/fit)."""

DEFAULT_TYPE = "Q4_K_M"


def counted(text: str) -> LocalModel | None:
    """ "8B", "1.5b:Q6_K" as a model of that size; None for anything else."""
    match = _COUNT.match(text.strip())
    if match is None:
        return None
    kind = (match["kind"] or DEFAULT_TYPE).upper()
    if kind not in BITS:
        return None
    parameters = float(match["count"]) * (1e9 if match["unit"].lower() == "b" else 1e6)
    return typical(int(parameters), kind, text.strip())


def typical(parameters: int, kind: str = DEFAULT_TYPE, name: str = "") -> LocalModel:
    """What a model with so many parameters is likely to look like. `kind` is a key of `BITS`."""
    near = min(SIZES, key=lambda size: abs(math.log(size.parameters * 1e9 / max(parameters, 1))))
    scale = (parameters / (near.parameters * 1e9)) ** (1 / 3)
    layers = max(round(near.layers * scale), 1)
    head = 64 if near.parameters < 1 else 128
    return LocalModel(
        name=name or f"{parameters / 1e9:.3g}B {kind}",
        path=Path(name or "model"),
        size=int(parameters * BITS[kind] / 8),
        parameters=parameters,
        quantization=kind,
        trained_context=131_072,
        layers=layers,
        embedding=round(near.embedding * scale / 64) * 64,
        kv_heads=GROUPED // 128 if near.parameters >= 1 else 3,
        key_length=head,
        value_length=head,
        vocabulary=near.vocabulary,
    )


def guess(model: LocalModel) -> Anatomy:
    """From what is told of a model without its tensors."""
    layers = min(max(model.layers, 1), LAYERS_LIMIT)
    table = _table_bytes(model)
    of_layers = max(model.size - 2 * table, 0)
    experts = EXPERTS_SHARE if model.experts else 0.0
    each, last = of_layers // layers, of_layers - of_layers // layers * (layers - 1)
    keys, values = _cache(model)
    layer = [
        Layer(
            weights=size,
            on_device=size,
            experts=int(size * experts),
            largest=size // 4,
            keys=keys,
            values=values,
            heads=model.kv_heads,
        )
        for size in (*[each] * (layers - 1), last)
    ]
    return Anatomy(
        architecture=model.architecture,
        layers=tuple(layer),
        inputs=min(table, model.size // 2),
        embeddings=table,
        output=min(table, model.size - model.size // 2),
        shared_tables=0,
        tied=False,
        widths=Widths(
            embedding=model.embedding,
            vocabulary=model.vocabulary,
            heads=model.heads,
            key_length=model.key_length,
            value_length=model.value_length,
            kv_heads=model.kv_heads,
            feed_forward=FEED_FORWARD * model.embedding,
        ),
        trained_context=model.trained_context,
        notes=_notes(model),
    )


def _notes(model: LocalModel) -> tuple[str, ...]:
    if model.problem:
        return ()
    known = shape_known(model)
    smaller = model.architecture in SMALLER or model.architecture in patterns()
    return (
        *(["models.fit.upper_bound"] if smaller else []),
        *([] if known else ["models.fit.unknown_shape"]),
    )


def shape_known(model: LocalModel) -> bool:
    return bool(model.layers and model.kv_heads and model.key_length)


def _table_bytes(model: LocalModel) -> int:
    """Of the token embeddings, and of the output."""
    numbers = model.vocabulary * model.embedding
    if not numbers:
        return 0
    bits = model.size * 8 / model.parameters if model.parameters else BITS[DEFAULT_TYPE]
    return min(int(numbers * bits / 8), model.size // 4)


def _cache(model: LocalModel) -> tuple[int, int]:
    """Numbers of keys and of values per token and layer."""
    if shape_known(model):
        return model.kv_heads * model.key_length, model.kv_heads * model.value_length
    width = math.ceil(model.size * UNKNOWN_KV / max(model.layers, 1) / 4)  # two bytes each, of both
    return width, width
