"""Which type each tensor gets in a mix. Pure; knows no file.

The engine's own quantizer (llama-quant.cpp of the pinned version) decides by the tensor's role, by how many
tensors of that role came before it, and by the model's shape; the first rule that holds is taken. Tensors
have to come in its order (by layer, then by name): the counts depend on it.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fabula.lab.quantize.mixes import MIXES, PLAIN, TYPE_IDS, Mix
from fabula.models.formats.gguf import Header, Tensor
from fabula.models.formats.types import TENSOR_TYPES

FALCON, BAILING, GLM_NEXT = "falcon", "bailingmoe3", "glm5-next"
BIG = {("qwen2", 80), ("deci", 80), ("olmo", 80), ("jais2", 68)}
"""Architectures with so many layers count as "70B", as llama's with 80 layers and shared values do."""
MANY = 4  # query heads that share a value, from which on it is worth more bits

NAMES = 8192  # tensors of a model whose names are looked at once for all mixes
_LAYER = re.compile(r"blk\.(\d+)")

# ── what is never quantized ─────────────────────────────────────────────────────────────────────────

KEPT = (
    *("_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "altup", "laurel"),
    *("per_layer_model_proj", "ssm_conv1d", "shortconv.conv.weight", "attn_rel_b.weight"),
    *("indexer.k_proj.weight", "indexer.q_proj.weight"),
    *(f"time_mix_{name}.weight" for name in ("first", "w0", "w1", "w2", "v0", "v1", "v2", "a0", "a1", "a2")),
    *(f"time_mix_{name}.weight" for name in ("g1", "g2", "decay_w1", "decay_w2", "lerp_fused")),
    *(".position_embd", "sam.pos_embd", "sam.neck.", "sam.net_", ".rel_pos", ".patch_embd", ".patch_merger"),
    *("a.rvq.codebook", "mm.a.code_embd"),
)
"""Small or delicate: norms, routers, convolutions, positions."""
KEPT_WHOLE = ("position_embd.weight", "token_types.weight")
KEPT_IN = {
    GLM_NEXT: (
        *("hc_", "indexer.attn_q_b", "indexer.attn_k", "indexer.proj"),
        *("indexer_compressor_gate", "indexer_compressor_ape", "ssm_beta.weight", "attn_kv_a_mqa.weight"),
        *("ssm_f_a.weight", "ssm_f_b.weight", "ssm_g_a.weight", "ssm_g_b.weight"),
        *("attn_k_b.weight", "attn_v_b.weight"),
    )
}
HELD_AT_Q8 = {GLM_NEXT: ("attn_q_a", "attn_q_b", "nextn.eh_proj")}

# ── the model and a tensor's role ───────────────────────────────────────────────────────────────────

EMBEDDINGS = ("token_embd.weight", "per_layer_token_embd.weight")
ROLES = (
    *(("attn_qkv.weight", "value"), ("attn_kv_b.weight", "value"), ("attn_v.weight", "value")),
    *(("attn_k.weight", "key"), ("attn_q.weight", "query"), ("attn_output.weight", "output")),
    *(("ffn_up", "up"), ("ffn_gate", "gate"), ("ffn_down", "down")),
)
FEED_FORWARD = ("up", "gate", "down")


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What the rules ask of a model. `grouped` = that many query heads share a value."""

    architecture: str
    layers: int
    grouped: int
    experts: int
    is_70b: bool = False


def anatomy(header: Header) -> Anatomy:
    architecture = header.text("general.architecture")

    def first(key: str, default: int) -> int:
        """Of a list, one value per layer, the first."""
        value = header.metadata.get(f"{architecture}.{key}", default)
        value = value[0] if isinstance(value, tuple) and value else value
        return int(value) if isinstance(value, int) else default

    heads = first("attention.head_count", 0)
    shared = first("attention.head_count_kv", heads)
    layers, experts = first("block_count", 0), first("expert_count", 0)
    llama = architecture == "llama" and layers == 80 and heads != shared and experts != 8
    grouped = heads // shared if shared > 0 else 0
    return Anatomy(architecture, layers, grouped, experts, llama or (architecture, layers) in BIG)


@functools.lru_cache(NAMES)
def role_of(name: str) -> str:
    if name == "output.weight":
        return "head"
    if name in EMBEDDINGS:
        return "embedding"
    return next((role for part, role in ROLES if part in name), "other")


@functools.lru_cache(NAMES)
def layer_of(name: str) -> int:
    """−1 for what belongs to none."""
    found = _LAYER.match(name)
    return int(found[1]) if found else -1


def in_order(tensors: Iterable[Tensor]) -> list[Tensor]:
    return sorted(tensors, key=lambda tensor: (layer_of(tensor.name), tensor.name))


def may_change(tensor: Tensor, architecture: str) -> bool:
    """Only matrices, and of those not the small and delicate ones."""
    return any(length > 1 for length in tensor.shape[1:]) and _is_plain(tensor.name, architecture)


@functools.lru_cache(NAMES)
def _is_plain(name: str, architecture: str) -> bool:
    if not name.endswith("weight") or name in KEPT_WHOLE:
        return False
    return not any(part in name for part in (*KEPT, *KEPT_IN.get(architecture, ())))


# ── the rules ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Case:
    """A tensor among those of its role: the `index`-th of `count`."""

    model: Anatomy
    index: int
    count: int
    informed: bool  # there is an importance matrix


When = Callable[[Case], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """In these mixes (names with blanks between them), such a tensor gets this type."""

    mixes: str
    type: str
    when: When = lambda case: True


def grouped(case: Case) -> bool:
    return case.model.grouped >= MANY


def eight(case: Case) -> bool:
    return case.model.experts == 8


def falcon(case: Case) -> bool:
    return case.model.architecture == FALCON


def not_falcon(case: Case) -> bool:
    return not falcon(case)


def blind(case: Case) -> bool:
    return not case.informed


def before(count: int) -> When:
    return lambda case: case.index < count


def within(part: int) -> When:
    """In the first eighth, or sixteenth, of the layers."""
    return lambda case: case.index < case.count // part


def both(*conditions: When) -> When:
    return lambda case: all(condition(case) for condition in conditions)


def either(*conditions: When) -> When:
    return lambda case: any(condition(case) for condition in conditions)


def informed(case: Case) -> bool:
    return case.informed


def more(case: Case) -> bool:
    """The first and last eighth, and every third between them: where bits help most."""
    start, end = case.count // 8, 7 * case.count // 8
    return case.index < start or case.index >= end or (case.index - start) % 3 == 2


def middle(case: Case) -> bool:
    return case.count // 8 <= case.index < 7 * case.count // 8


ANY = " ".join(MIXES)
LOWEST = "IQ2_XXS IQ2_XS IQ1_S IQ1_M"
LOW = f"{LOWEST} IQ2_S IQ2_M"
WITH_EIGHT = "Q2_K IQ3_XS IQ3_XXS Q3_K_S Q3_K_M IQ4_NL Q4_K_S Q4_K_M IQ3_S IQ3_M IQ4_XS"

_LOW_RULES: dict[str, tuple[Rule, ...]] = {
    "value": (
        Rule(LOW, "Q4_K", either(grouped, lambda case: case.model.experts >= 4)),
        Rule("IQ2_S IQ2_M", "IQ3_S"),
        Rule(LOWEST, "Q2_K"),
    ),
    "key": (Rule(LOW, "Q4_K", eight),),
    "down": (Rule("IQ2_S IQ2_M", "IQ3_S", within(8)), Rule(LOWEST, "Q2_K", within(8))),
    "output": (Rule(LOW, "Q5_K", eight), Rule("IQ1_S IQ1_M", "IQ2_XXS"), Rule("IQ2_S IQ2_M", "IQ3_S")),
}

_RULES: dict[str, tuple[Rule, ...]] = {
    "embedding": (
        Rule(LOWEST, "Q2_K"),
        Rule("IQ2_S IQ2_M IQ3_XXS", "IQ3_S"),
        Rule("TQ1_0 TQ2_0 Q2_0", "Q4_K"),
    ),
    "value": (
        Rule(ANY, "Q8_0", eight),
        Rule("Q2_K Q2_K_S IQ3_XXS IQ3_XS IQ3_S", "Q4_K", grouped),
        Rule("Q2_K", "Q3_K"),
        Rule("IQ3_XXS", "IQ3_S", blind),
        Rule("IQ3_M", "Q4_K"),
        Rule("Q3_K_M", "Q5_K", before(2)),
        Rule("Q3_K_M", "Q4_K"),
        Rule("Q3_K_L", "Q5_K"),
        Rule("IQ4_NL IQ4_XS", "Q5_K", grouped),
        Rule("Q4_K_M Q5_K_M", "Q6_K", more),
        Rule("Q4_K_S", "Q5_K", before(4)),
    ),
    "key": (Rule(ANY, "Q8_0", eight), Rule("IQ3_XS", "IQ3_XXS"), Rule("IQ3_XXS", "IQ2_S")),
    "query": (Rule("IQ3_XS", "IQ3_XXS"), Rule("IQ3_XXS", "IQ2_S")),
    "down": (
        Rule("Q2_K", "Q3_K"),
        Rule("Q2_K_S", "Q4_K", within(8)),
        Rule("IQ3_XXS", "Q4_K", both(blind, within(8))),
        Rule("IQ3_XXS", "Q3_K", blind),
        Rule("Q3_K_M", "Q5_K", within(16)),
        Rule("Q3_K_M", "Q4_K", either(not_falcon, more)),
        Rule("IQ3_M", "Q4_K", either(within(8), both(eight, more))),
        Rule("Q3_K_L", "Q5_K", not_falcon),
        Rule("Q3_K_L", "Q4_K"),
        Rule("Q4_K_M", "Q6_K", both(falcon, within(16))),
        Rule("Q4_K_M", "Q5_K", both(falcon, more)),
        Rule("Q4_K_M", "Q6_K", both(not_falcon, more)),
        Rule("IQ4_NL IQ4_XS", "Q5_K", both(blind, within(8))),
        Rule("Q5_K_M", "Q6_K", more),
        Rule("Q4_K_S", "Q5_K", both(not_falcon, within(8))),
        Rule("Q4_0", "Q4_1", both(informed, within(8))),
        Rule("Q5_0", "Q5_1", both(informed, within(8))),
    ),
    "output": (
        Rule("Q3_K_L", "Q4_K", falcon),
        Rule(WITH_EIGHT, "Q5_K", both(not_falcon, eight)),
        Rule("Q2_K", "Q3_K", both(not_falcon, lambda case: not eight(case))),
        Rule("IQ3_XXS", "IQ3_S", both(not_falcon, lambda case: not eight(case))),
        Rule("Q3_K_M IQ3_M", "Q4_K", both(not_falcon, lambda case: not eight(case))),
        Rule("Q3_K_L", "Q5_K", both(not_falcon, lambda case: not eight(case))),
    ),
    "gate": (Rule("IQ3_XS", "IQ3_XXS", middle),),
    "up": (Rule("IQ3_XS", "IQ3_XXS", middle),),
}

_HEAD_LOW = f"{LOW} IQ3_XXS"
_NARROW = {
    **dict.fromkeys(("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS"), "IQ4_NL"),
    **dict.fromkeys(("Q2_0", "Q2_K", "Q3_K", "TQ1_0", "TQ2_0"), "Q4_0"),
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
}
"""For rows that blocks of the type do not divide."""

NEEDY = ("IQ3_XXS", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ1_M", "IQ1_S")


@dataclass(frozen=True, slots=True)
class Choice:
    """A tensor and its new type. `narrow` = its rows could not have what the mix wanted."""

    tensor: Tensor
    type: int
    needs_importance: bool = False
    narrow: bool = False

    @property
    def changes(self) -> bool:
        return self.type != self.tensor.type


def choose(model: Anatomy, tensors: Sequence[Tensor], mix: Mix, *, informed: bool) -> list[Choice]:
    """In the order of `tensors`, which must be that of `in_order`."""
    chooser = _Chooser(model, tensors, mix, informed)
    return [chooser.choose(tensor) for tensor in tensors]


@functools.cache
def _rules_of(mix: str, role: str, low: bool) -> tuple[Rule, ...]:
    rules = (_LOW_RULES if low else _RULES).get(role, ())
    return tuple(rule for rule in rules if mix in rule.mixes.split())


class _Chooser:
    def __init__(self, model: Anatomy, tensors: Sequence[Tensor], mix: Mix, informed: bool) -> None:
        self.model, self.mix, self.informed = model, mix, informed
        self.values = sum(role_of(tensor.name) == "value" for tensor in tensors)
        self.is_tied = not any(tensor.name == "output.weight" for tensor in tensors)
        self.seen: Counter[str] = Counter()

    def choose(self, tensor: Tensor) -> Choice:
        if not may_change(tensor, self.model.architecture):
            return Choice(tensor, tensor.type)
        if self.mix.is_plain:
            return Choice(tensor, TYPE_IDS[self.mix.base])
        wanted = self._wanted(tensor)
        type_ = fitting(wanted, tensor.shape[0])
        whole = tensor.name in EMBEDDINGS or tensor.name == "output.weight"
        needs = not whole and (type_ in NEEDY or (type_ == "Q2_K" and self.mix.name == "Q2_K_S"))
        return Choice(tensor, TYPE_IDS[type_], needs, type_ != wanted)

    def _wanted(self, tensor: Tensor) -> str:
        role, base = role_of(tensor.name), self.mix.base
        held = HELD_AT_Q8.get(self.model.architecture, ())
        if base not in PLAIN and any(part in tensor.name for part in held):
            return "Q8_0"
        if role == "head" or (self.is_tied and role == "embedding"):
            return self._head(tensor)
        if self.mix.name == "MXFP4_MOE":
            return "MXFP4" if self._is_expert(tensor, role) else "Q8_0"
        return self._ruled(tensor.name, role)

    def _head(self, tensor: Tensor) -> str:
        base = self.mix.base
        uneven = tensor.shape[0] % TENSOR_TYPES[TYPE_IDS[base]].block
        if self.mix.name == "MXFP4_MOE" or self.model.architecture == FALCON or uneven:
            return "Q8_0"
        if self.mix.name in _HEAD_LOW.split():
            return "Q5_K"
        return "Q8_0" if base == "Q8_0" else "Q6_K"

    def _is_expert(self, tensor: Tensor, role: str) -> bool:
        several = len(tensor.shape) > 2 and tensor.shape[2] > 1
        return several and (self.model.architecture != BAILING or role in FEED_FORWARD)

    def _ruled(self, name: str, role: str) -> str:
        low = self.mix.name in LOW.split() and role != "embedding"
        case = self._case(name, role, low)
        self.seen[role] += 1
        rules = _rules_of(self.mix.name, role, low)
        type_ = next((rule.type for rule in rules if rule.when(case)), self.mix.base)
        wide = role == "value" and not low and self.model.is_70b and type_ in ("Q3_K", "Q4_K")
        return "Q5_K" if wide else type_

    def _case(self, name: str, role: str, low: bool) -> Case:
        """Of experts the name tells the layer: several tensors of a layer have one role."""
        index = self.seen[role]
        if self.model.experts > 1 and role in FEED_FORWARD and not low:
            index = layer_of(name)
        count = self.values if role == "value" else self.model.layers
        return Case(self.model, index, count, self.informed)


def fitting(wanted: str, width: int) -> str:
    """The type, or for rows that its blocks do not divide one with smaller blocks, F16 at last."""
    for name in (wanted, _NARROW.get(wanted, "F16"), "F16"):
        if width % TENSOR_TYPES[TYPE_IDS[name]].block == 0:
            return name
    return "F16"
