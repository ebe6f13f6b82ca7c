"""Where a model adds a constant to its residual stream, family by family: the one list. Reads no weights.

The bias of a feed-forward block's last matrix is added where its layer ends. A control vector is added there
too, so the one is the other. The bias of attention's last matrix is added before the feed-forward block of
the same layer: that is another place, and only taken where somebody asks for it.

What is not in these tables is refused, as is whatever stands behind a norm. Sources: the model classes of
transformers, and the engine itself, to which a file of each architecture was given (tests/lab, tests/engine).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fabula.core.errors import CannotAdd
from fabula.core.texts import Phrase, phrase
from fabula.lab.directions.writers import OTHERS, Shape

After = Literal["layer", "attention"]
"""`layer`: at the end of a layer, as a control vector; `attention`: before its feed-forward block."""


@dataclass(frozen=True, slots=True)
class Slot:
    """`bias` is a tensor's name behind that of its layer. A folder whose config has not switched it on gets
    it by `switch`, which brings the biases of `others` as well; "" = it is always there."""

    bias: str
    switch: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """`scale` names the number that all blocks' outputs are multiplied with before they are added."""

    layer: Slot | None = None
    attention: Slot | None = None
    scale: str = ""

    def slot(self, after: After) -> Slot | None:
        return self.layer if after == "layer" else self.attention


@dataclass(frozen=True, slots=True)
class Place:
    """A bias that takes a constant: `shape` is the stream's width, in front of it perhaps the experts."""

    layer: int
    name: str
    shape: Shape
    is_new: bool

    @property
    def matrix(self) -> str:
        """What it is added behind; experts of a folder have their bias's name without its ending."""
        if self.name.endswith(".bias"):
            return f"{self.name.removesuffix('bias')}weight"
        return self.name.removesuffix("_bias")


@dataclass(frozen=True, slots=True)
class Places:
    """One for each layer that was asked for, or for all where a config is switched on: then `beside` are the
    other biases that come with it, by name. Constants are divided by `scale`."""

    places: tuple[Place, ...]
    scale: float = 1.0
    switch: str = ""
    beside: Mapping[str, Shape] = field(default_factory=dict)


# ── GGUF ────────────────────────────────────────────────────────────────────────────────────────────

_DOWN, _OUTPUT = Slot("ffn_down.bias"), Slot("attn_output.bias")
GGUFS: Mapping[str, Family] = {
    **dict.fromkeys(("llama", "mistral3", "deci", "nemotron", "starcoder2", "gpt2"), Family(_DOWN, _OUTPUT)),
    "granite": Family(_DOWN, _OUTPUT, "residual_scale"),
    **dict.fromkeys(("gptneox", "phi2"), Family(_DOWN)),  # they add attention and feed-forward at once
    "gpt-oss": Family(Slot("ffn_down_exps.bias"), _OUTPUT),  # the chosen experts' shares make 1
}
"""By architecture, those of which the engine reads and uses the tensor where a file has it. Some read one and
leave it out (ernie4_5, behind attention), most refuse the whole file."""
_GGUF_NORMS = {"layer": "post_ffw_norm", "attention": "post_attention_norm"}


def of_gguf(
    shapes: Mapping[str, Shape],
    told: Mapping[str, Any],
    layers: Sequence[int],
    after: After,
    model: str,
) -> Places:
    """`shapes` have rows first; `told` is the metadata. Raises CannotAdd."""
    architecture = f"{told.get('general.architecture')}"
    if any(f"blk.{layer}.{_GGUF_NORMS['layer']}.weight" in shapes for layer in layers):
        _refuse_norms([f"blk.{layer}.{_GGUF_NORMS[after]}.weight" for layer in layers], shapes, model)
    family = GGUFS.get(architecture, Family())
    slot = family.slot(after)
    if slot is None:
        raise CannotAdd(model, _no_bias("no_bias", architecture, family, GGUFS, after))
    places = tuple(_place(shapes, f"blk.{layer}.", layer, slot, model, family, after) for layer in layers)
    return Places(places, _number(told.get(f"{architecture}.{family.scale}")))


# ── folders ─────────────────────────────────────────────────────────────────────────────────────────

_QKV = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
_GATED = ("mlp.gate_proj", "mlp.up_proj")
_MLP = Slot("mlp.down_proj.bias", "mlp_bias", _GATED)
_UNGATED = Slot("mlp.down_proj.bias", "mlp_bias", ("mlp.up_proj",))
_ATTENTION = Slot("self_attn.o_proj.bias", "attention_bias", _QKV)
FOLDERS: Mapping[str, Family] = {
    "llama": Family(_MLP, _ATTENTION),
    "smollm3": Family(_MLP, _ATTENTION),
    "seed_oss": Family(_MLP, Slot("self_attn.o_proj.bias", "attention_out_bias")),
    "arcee": Family(_UNGATED, _ATTENTION),
    "nemotron": Family(_UNGATED, _ATTENTION),
    "granite": Family(_MLP, _ATTENTION, "residual_multiplier"),
    "cohere": Family(_ATTENTION),  # its layers add attention and feed-forward at once
    "starcoder2": Family(
        Slot("mlp.c_proj.bias", "use_bias", (*_QKV, "self_attn.o_proj", "mlp.c_fc")),
        Slot("self_attn.o_proj.bias", "use_bias", (*_QKV, "mlp.c_fc", "mlp.c_proj")),
    ),
    "phi": Family(Slot("mlp.fc2.bias")),
    "gpt_oss": Family(Slot("mlp.experts.down_proj_bias"), _ATTENTION),  # the chosen experts' shares make 1
    "qwen3": Family(attention=_ATTENTION),
    "qwen3_moe": Family(attention=_ATTENTION),
    "gemma": Family(attention=_ATTENTION),
}
"""By `model_type`, those of which transformers has such a bias."""
_FOLDER_NORMS = {"layer": "post_feedforward_layernorm", "attention": "post_attention_layernorm"}
_LAYER = re.compile(r"^(?P<before>(.*\.)?layers\.)(?P<layer>\d+)\.")


def of_folder(
    shapes: Mapping[str, Shape],
    type_: str,
    told: Mapping[str, Any],
    layers: Sequence[int],
    after: After,
    model: str,
) -> Places:
    """`told` is the config of the part that writes text, `type_` its `model_type`. Raises CannotAdd."""
    before = _before(shapes)
    if any(f"{before}{layer}.{_FOLDER_NORMS['layer']}.weight" in shapes for layer in layers):
        _refuse_norms([f"{before}{layer}.{_FOLDER_NORMS[after]}.weight" for layer in layers], shapes, model)
    family = FOLDERS.get(type_, Family())
    slot = family.slot(after)
    if slot is None:
        raise CannotAdd(model, _no_bias("no_bias_in_folder", type_, family, FOLDERS, after))
    switches = bool(slot.switch) and not told.get(slot.switch)
    wanted = range(_count(shapes, before)) if switches else layers
    places = tuple(_place(shapes, f"{before}{layer}.", layer, slot, model, family, after) for layer in wanted)
    beside = dict(_beside(shapes, before, wanted, slot)) if switches else {}
    return Places(places, _number(told.get(family.scale)), slot.switch if switches else "", beside)


def _before(shapes: Mapping[str, Shape]) -> str:
    """What stands in front of a layer's number, of the part that writes text."""
    matches = (_LAYER.match(name) for name in shapes if not OTHERS.search(name))
    return next((match["before"] for match in matches if match), "model.layers.")


def _count(shapes: Mapping[str, Shape], before: str) -> int:
    matches = [_LAYER.match(name) for name in shapes if name.startswith(before)]
    return 1 + max((int(match["layer"]) for match in matches if match), default=-1)


def _beside(
    shapes: Mapping[str, Shape], before: str, layers: Sequence[int], slot: Slot
) -> Iterator[tuple[str, Shape]]:
    """Biases are as long as the rows of their matrices, which are [out, in]."""
    for layer in layers:
        for other in slot.others:
            bias, weight = (f"{before}{layer}.{other}.{kind}" for kind in ("bias", "weight"))
            if bias not in shapes and weight in shapes:
                yield bias, shapes[weight][:1]


# ── both ────────────────────────────────────────────────────────────────────────────────────────────


def _no_bias(reason: str, kind: str, family: Family, families: Mapping[str, Family], after: After) -> Phrase:
    if after == "layer" and family.attention:
        return phrase("lab.directions.add.only_attention")
    known = ", ".join(name for name, one in families.items() if one.slot(after))
    return phrase(f"lab.directions.add.{reason}", kind=kind or "?", known=known)


def _refuse_norms(norms: Sequence[str], shapes: Mapping[str, Shape], model: str) -> None:
    if found := next((norm for norm in norms if norm in shapes), ""):
        raise CannotAdd(model, phrase("lab.directions.add.norm", tensor=found))


def _place(
    shapes: Mapping[str, Shape],
    before: str,
    layer: int,
    slot: Slot,
    model: str,
    family: Family,
    after: After,
) -> Place:
    name = before + slot.bias
    if name in shapes:
        return Place(layer, name, shapes[name], is_new=False)
    weight = shapes.get(name.removesuffix("bias") + "weight")
    if weight is not None and len(weight) == 2:
        return Place(layer, name, weight[:1], is_new=True)
    if after == "layer" and family.attention:
        raise CannotAdd(model, phrase("lab.directions.add.only_attention"))
    raise CannotAdd(model, phrase("lab.directions.add.no_matrix", tensor=name))


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and value else 1.0
