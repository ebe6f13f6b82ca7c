"""Which modules of a model write into the residual stream, layer by layer, and what is theirs by name.

The names are what families call the blocks of a layer, in transformers and in the files that it saves. Runs
in the child process only, but for the names. Knows no weights.
"""

from __future__ import annotations

import re
from typing import Any

ATTENTION = (
    *("self_attn", "attention", "attn", "linear_attn", "conv", "mamba", "temporal_block", "short_conv"),
)
MLP = ("mlp", "feed_forward", "block_sparse_moe", "moe", "mixer_mlp", "ffn", "shared_mlp")
EMBEDDINGS = "embeddings"
_NAME = re.compile(r"blk\.(\d+)\.(attention|mlp)")


def name_of(layer: int, component: str) -> str:
    """How a part is called in files: `blk.7.mlp`."""
    return f"blk.{layer}.{component}"


def layers_of(model: Any) -> list[Any]:
    """The layers that write text; [] where the model has them in a way of its own."""
    try:
        decoder = model.get_decoder()
    except (AttributeError, NotImplementedError):
        return []
    return list(getattr(decoder, "layers", ()))


def modules_of(model: Any, part: str) -> list[Any]:
    """Those that together are a part, whose outputs are added to the stream; [] for one that is not there."""
    if part == EMBEDDINGS:
        return [model.get_input_embeddings()]
    match, layers = _NAME.fullmatch(part), layers_of(model)
    if match is None or int(match[1]) >= len(layers):
        return []
    names = ATTENTION if match[2] == "attention" else MLP
    return [module for name, module in layers[int(match[1])].named_children() if name in names]


def reads_what_embeds(model: Any) -> Any:
    """The output layer, where it has the embeddings' weights; else None."""
    output = model.get_output_embeddings()
    tied = output is not None and output.weight is model.get_input_embeddings().weight
    return output if tied else None
