"""Which tensors write into the residual stream: the one list of rules, for folders and for GGUF. Reads no
weights.

A tensor of a layer is a writer, a reader (it takes from the stream, or stays inside), or unknown. An unknown
one that could write, by its shape, is an error that names it: an edit that skipped it would look done and not
be.

In families that put a norm behind attention or feed-forward (Gemma 2 and 3, OLMo 2), what the matrix writes
is multiplied by that norm's weights before it is added. Such a writer is edited along the direction as it
looks from there: its parts times those weights. `norm` names that tensor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from fabula.core.errors import UnknownWriter
from fabula.engine.transformers_child.parts import ATTENTION, MLP

Component = Literal["attention", "mlp", "embeddings"]
COMPONENTS: tuple[Component, ...] = ("attention", "mlp", "embeddings")
USUAL: tuple[Component, ...] = ("attention", "mlp")
"""Embeddings are left out where nobody asks: with shared matrices they are the output as well."""

Shape = tuple[int, ...]
"""Rows first, as numpy and safetensors have it; GGUF's turned round."""


@dataclass(frozen=True, slots=True)
class Writer:
    """A tensor that adds to the residual stream. `axis` is where the stream's width lies in its shape;
    `layer` is None for embeddings. `norm` is the norm behind it, and `plus_one` that its weight counts from
    one."""

    name: str
    layer: int | None
    component: Component
    axis: int
    shape: Shape
    norm: str = ""
    plus_one: bool = False

    @property
    def is_bias(self) -> bool:
        """Nothing is multiplied with it: it is added as it is."""
        return self.name.endswith("bias")

    @property
    def columns(self) -> int:
        """How many numbers are made for each part of the stream."""
        count = 1
        for place, size in enumerate(self.shape):
            count *= 1 if place == self.axis % len(self.shape) else size
        return count


# ── folders ─────────────────────────────────────────────────────────────────────────────────────────

_ATTENTION = f"({'|'.join(ATTENTION)})"
_MLP = f"({'|'.join(name for name in MLP if name != 'shared_mlp')})"
_FOLDER_WRITERS: tuple[tuple[str, Component, int], ...] = (
    (rf"{_ATTENTION}\.(o_proj|out_proj|dense|wo|linear_out)\.(weight|bias)", "attention", 0),
    (rf"{_MLP}\.(down_proj|w2|fc2|dense_4h_to_h|c_proj)\.(weight|bias)", "mlp", 0),
    (rf"{_MLP}\.shared_experts?\.(down_proj|w2)\.(weight|bias)", "mlp", 0),
    (rf"{_MLP}\.experts\.\d+\.(down_proj|w2)\.(weight|bias)", "mlp", 0),
    (r"shared_mlp\.(output_linear|down_proj)\.(weight|bias)", "mlp", 0),
    (rf"{_MLP}\.experts\.down_proj_bias", "mlp", 1),
    (rf"{_MLP}\.(output_linear|experts\.down_proj)(\.weight)?", "mlp", 1),
)
"""Matrices are stored [out, in], experts in one tensor [experts, out, in]."""
_TURNED = frozenset({"gpt_oss", "llama4_text", "llama4"})
"""Families that store experts in one tensor as [experts, in, out]."""
_FOLDER_READERS = re.compile(
    rf"({_ATTENTION}\.(q_proj|k_proj|v_proj|qkv_proj|q_norm|k_norm|in_proj\w*|conv1d|conv|W_pack|g_proj|norm"
    r"|q_a_proj|q_b_proj|kv_a_proj_with_mqa|kv_b_proj|q_a_layernorm|kv_a_layernorm|q_layernorm|k_layernorm)"
    r"\.(weight|bias)"
    rf"|{_ATTENTION}\.(sinks|A_log|D|dt_bias|rotary_emb\.inv_freq)"
    rf"|{_MLP}\.(gate_proj|up_proj|gate_up_proj|w1|w3|fc1|dense_h_to_4h|gate|router|shared_expert_gate|c_fc"
    r"|input_linear|router\.layer)\.(weight|bias|e_score_correction_bias)"
    rf"|{_MLP}\.experts\.(gate_up_proj(_bias)?|gate_proj|up_proj|\d+\.(gate_proj|up_proj|w1|w3)\.(weight|bias))"
    rf"|{_MLP}\.(shared_experts?)\.(gate_proj|up_proj|gate_up_proj|w1|w3)\.(weight|bias)"
    rf"|{_MLP}\.(gate|router)\.e_score_correction_bias|{_MLP}\.(e_score_correction_bias|expert_bias)"
    r"|shared_mlp\.(input_linear|gate_proj|up_proj)\.(weight|bias)"
    r"|\w*(norm|layernorm|ln_1|ln_2)\w*\.(weight|bias))$"
)
_FOLDER_LAYER = re.compile(r"^(?P<before>(.*\.)?)layers\.(?P<layer>\d+)\.(?P<rest>.+)$")
OTHERS = re.compile(r"(vision|visual|audio|multi_modal|mm_projector|img_|image_|mtp\.|speech)")
"""What sees and hears beside the model that writes, and heads that only guess ahead."""
_EMBEDDING = re.compile(r"(^|\.)embed_tokens\.weight$")


def of_folder(shapes: Mapping[str, Shape], width: int, family: str) -> list[Writer]:
    """All writers, in layer order. `family` is the config's `model_type`. Raises UnknownWriter."""
    found = []
    for name, shape in shapes.items():
        if OTHERS.search(name):
            continue
        match = _FOLDER_LAYER.match(name)
        if match is None:
            if _EMBEDDING.search(name):
                found.append(Writer(name, None, "embeddings", 1, shape))
            continue
        writer = _folder_writer(name, match, shape, width, family)
        if writer:
            found.append(_with_folder_norm(writer, match, shapes, family))
    return _sorted(found)


def _folder_writer(name: str, match: re.Match[str], shape: Shape, width: int, family: str) -> Writer | None:
    rest, layer = match["rest"], int(match["layer"])
    for pattern, component, axis in _FOLDER_WRITERS:
        if re.fullmatch(pattern, rest):
            place = 2 if axis == 1 and len(shape) == 3 and family in _TURNED else axis
            place = min(place, len(shape) - 1)
            if shape[place] != width:
                raise UnknownWriter(name, _shown(shape))
            return Writer(name, layer, component, place, shape)
    if not _FOLDER_READERS.match(rest) and width in shape:
        raise UnknownWriter(name, _shown(shape))
    return None


def _with_folder_norm(
    writer: Writer, match: re.Match[str], shapes: Mapping[str, Shape], family: str
) -> Writer:
    """A second norm of the feed-forward tells that the one named for attention stands behind it."""
    before = f"{match['before']}layers.{match['layer']}."
    behind = {"attention": "post_attention_layernorm", "mlp": "post_feedforward_layernorm"}
    if f"{before}{behind['mlp']}.weight" not in shapes:
        return writer
    norm = f"{before}{behind[writer.component]}.weight"
    return _normed(writer, norm, plus_one=family.startswith("gemma"))


# ── GGUF ────────────────────────────────────────────────────────────────────────────────────────────

_GGUF_WRITERS: tuple[tuple[str, Component], ...] = (
    (r"attn_output\.(weight|bias)", "attention"),
    (r"(ssm_out|shortconv\.out_proj)\.(weight|bias)", "attention"),
    (r"ffn_down\.(weight|bias)", "mlp"),
    (r"ffn_down_(exps|shexp|chexps)\.(weight|bias)", "mlp"),
    (r"ffn_down\.\d+\.weight", "mlp"),
)
_GGUF_READERS = re.compile(
    r"(attn_(q|k|v|qkv|q_a|q_b|kv_a_mqa|kv_b|k_b|v_b|gate|sinks|rot_embd)|ffn_(gate|up|gate_up)"
    r"|ffn_(gate|up)(_exps|_shexp|_chexps|\.\d+)|ffn_gate_inp(_shexp)?|exp_probs_b|rope_(freqs|factors_\w+)"
    r"|ssm_(in|x|dt|a|d|conv1d|norm|beta|alpha|ba|alpha_beta)|shortconv\.(conv|in_proj)|\w*norm\w*"
    r"|attn_sinks)(\.(weight|bias|scale))?$"
)
_GGUF_LAYER = re.compile(r"^blk\.(?P<layer>\d+)\.(?P<rest>.+)$")
GGUF_EMBEDDING = "token_embd.weight"


def of_gguf(shapes: Mapping[str, Shape], width: int) -> list[Writer]:
    """All writers, in layer order; shapes have rows first here too. Raises UnknownWriter."""
    found = []
    for name, shape in shapes.items():
        match = _GGUF_LAYER.match(name)
        if match is None:
            if name == GGUF_EMBEDDING:
                found.append(Writer(name, None, "embeddings", 1, shape))
            continue
        component = next(
            (part for pattern, part in _GGUF_WRITERS if re.fullmatch(pattern, match["rest"])), None
        )
        if component:
            found.append(_gguf_writer(name, int(match["layer"]), component, shape, width, shapes))
        elif not _GGUF_READERS.match(match["rest"]) and width in shape:
            raise UnknownWriter(name, _shown(shape))
    return _sorted(found)


def _gguf_writer(
    name: str, layer: int, component: Component, shape: Shape, width: int, shapes: Mapping[str, Shape]
) -> Writer:
    axis = len(shape) - (1 if name.endswith("bias") else 2)
    if axis < 0 or shape[axis] != width:
        raise UnknownWriter(name, _shown(shape))
    writer = Writer(name, layer, component, axis, shape)
    behind = {"attention": "post_attention_norm", "mlp": "post_ffw_norm"}
    if f"blk.{layer}.{behind['mlp']}.weight" not in shapes:
        return writer
    return _normed(writer, f"blk.{layer}.{behind[component]}.weight", plus_one=False)


# ── both ────────────────────────────────────────────────────────────────────────────────────────────


def _normed(writer: Writer, norm: str, *, plus_one: bool) -> Writer:
    where = (writer.name, writer.layer, writer.component, writer.axis, writer.shape)
    return Writer(*where, norm=norm, plus_one=plus_one)


def _sorted(writers: Iterable[Writer]) -> list[Writer]:
    return sorted(writers, key=lambda one: (-1 if one.layer is None else one.layer, one.name))


def _shown(shape: Shape) -> str:
    return " × ".join(map(str, shape))
