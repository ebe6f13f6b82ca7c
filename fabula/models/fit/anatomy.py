"""What of a model takes memory: its layers, its embeddings, its output. Read from headers; knows no machine.

Everything is derived from the tensors and the metadata that are in the file, so that an architecture which
nobody here has seen is planned like its parts. What the engine decides by the name of an architecture (which
layers look back through a window only) is data: `windows.json`.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fabula.models.formats.gguf import Header, Tensor
from fabula.models.formats.identify import ENCODERS
from fabula.models.formats.types import TENSOR_TYPES

F32 = 4  # bytes
HOST_ALIGNMENT, DEVICE_ALIGNMENT = 32, 128  # bytes, of each tensor
_BLOCK = re.compile(r"^blk\.(\d+)\.")
_EXPERTS = re.compile(r"ffn_(up|down|gate|gate_up)_(ch|)exps")
_STATE = ("ssm_", "shortconv.", "time_mix_")
_ATTENTION = ("attn_k.", "attn_kv_a_mqa.", "attn_kv_b.")
RWKV6, RWKV7, RWKV6_LERPS = 10, 15, 5  # embeddings per token that time mixing takes; measured
LAYERS_LIMIT = 4096  # the deepest models have about 130; a header may claim thousands of millions
INPUTS = ("token_embd.", "per_layer_token_embd.", "position_embd.", "token_types.", "token_embd_norm.")
"""Tensors that the engine keeps in the machine's memory wherever the layers are."""
ROPE_FACTORS = ("rope_freqs.", "rope_factors_long.", "rope_factors_short.")
"""Small tables that every device which has a layer gets a copy of."""

REPACKED = frozenset({2, 12, 20})  # Q4_0, Q4_K, IQ4_NL: what processors with AVX2 or NEON rearrange
REPACKED_ROWS = 8  # an interleaved copy is made of matrices whose rows are a multiple of this


@dataclass(frozen=True, slots=True)
class Read:
    """What a token needs of all matrices of one type: of experts only those that it goes through."""

    kind: str
    size: float  # bytes
    numbers: float
    expert: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Sizes are bytes, widths numbers per token. Without `keys` no cache grows with the context."""

    weights: int
    on_device: int = 0  # `weights` as a device stores them, each tensor aligned
    experts: int = 0  # of `weights`
    largest: int = 0  # the largest tensor that is read by a product of matrices
    repacked: int = 0  # of `weights`: what a processor gets a second, rearranged copy of
    keys: int = 0
    values: int = 0
    heads: int = 0  # of the keys
    window: int = 0  # tokens that it looks back; 0 = all
    state: int = 0  # bytes per sequence, whatever the context is
    reads: tuple[Read, ...] = ()  # what each token needs of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """Numbers per token at the places where a batch takes memory. 0 = there is no such place."""

    embedding: int
    vocabulary: int = 0
    heads: int = 0
    key_length: int = 0
    value_length: int = 0
    kv_heads: int = 0
    latent: int = 0  # of one head in a compressed cache
    feed_forward: int = 0
    gated: bool = True
    experts_used: int = 0
    experts: int = 0
    expert: int = 0  # feed-forward of one expert
    shared_expert: int = 0
    inner: int = 0  # of a state-space layer
    conv: int = 0  # numbers that its convolution sees
    projected: int = 0  # what its input is projected to
    mixed: int = 0  # of an RWKV layer
    query: int = 0  # numbers of all queries


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """A model as the memory formula sees it. What is asked often is worked out once."""

    architecture: str
    layers: tuple[Layer, ...]
    inputs: int  # bytes of what is looked up by token
    embeddings: int  # bytes of the token embeddings alone
    output: int  # bytes of what comes after the last layer, on a device
    shared_tables: int  # bytes that every device with a layer has
    on_host: tuple[int, int] = (-1, -1)  # of the last two, as the machine's memory aligns them; −1 = the same
    unused_layers: int = 0  # that are in the file, and count where layers are counted, but are not loaded
    tied: bool  # the token embeddings are also the output
    widths: Widths
    output_reads: tuple[Read, ...] = ()
    trained_context: int = 0
    notes: tuple[str, ...] = field(default=())  # what could not be told apart, as text keys

    @property
    def output_on_host(self) -> int:
        return self.on_host[0] if self.on_host[0] >= 0 else self.output

    @property
    def tables_on_host(self) -> int:
        return self.on_host[1] if self.on_host[1] >= 0 else self.shared_tables

    @property
    def weights(self) -> int:
        layers = sum(layer.weights for layer in self.layers)
        return layers + self.inputs + self.output_on_host + self.tables_on_host

    @functools.cached_property
    def windows(self) -> tuple[int, ...]:
        """The widths of all windows that layers look through."""
        return tuple(sorted({layer.window for layer in self.layers if layer.window}))

    @functools.cached_property
    def attends(self) -> bool:
        return any(layer.keys for layer in self.layers)

    @functools.cached_property
    def key_heads(self) -> int:
        return max((layer.heads for layer in self.layers), default=0)

    @functools.cached_property
    def value_width(self) -> int:
        return max((layer.values for layer in self.layers), default=0)

    @functools.cached_property
    def state(self) -> int:
        """Bytes of the largest state of a layer."""
        return max((layer.state for layer in self.layers), default=0)

    @functools.cached_property
    def latent(self) -> bool:
        """Whether values are a part of the keys."""
        return any(layer.keys and not layer.values for layer in self.layers)

    @functools.cached_property
    def kinds(self) -> tuple[int, ...]:
        """For each layer the number of the first one whose cache is like its own."""
        first: dict[tuple[int, ...], int] = {}
        likes = ((layer.keys, layer.values, layer.window, layer.state) for layer in self.layers)
        return tuple(first.setdefault(like, number) for number, like in enumerate(likes))

    @functools.cached_property
    def summed(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Bytes of all layers before each one: on the host, on a device, and of experts."""
        host = itertools.accumulate((layer.weights for layer in self.layers), initial=0)
        device = itertools.accumulate((layer.on_device for layer in self.layers), initial=0)
        experts = itertools.accumulate((layer.experts for layer in self.layers), initial=0)
        return tuple(host), tuple(device), tuple(experts)


@functools.cache
def _windows() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(__file__).with_name("windows.json").read_text(encoding="utf-8"))
    return found


class _Facts:
    """The metadata of one architecture, by short names."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.architecture = header.text("general.architecture")

    def number(self, key: str, default: int = 0) -> int:
        return self.header.number(f"{self.architecture}.{key}", default)

    def each(self, key: str, default: int = 0) -> Sequence[int]:
        """One number per layer; a single one, or the default, is that of all layers."""
        value = self.header.metadata.get(f"{self.architecture}.{key}")
        if isinstance(value, tuple):
            return [int(item) for item in value]
        return [int(value) if isinstance(value, int) else default] * self.count

    @property
    def count(self) -> int:
        """Layers that the engine runs: those that guess further tokens are not loaded."""
        return min(max(self.number("block_count") - self.number("nextn_predict_layers"), 0), LAYERS_LIMIT)


def anatomy(headers: Sequence[Header]) -> Anatomy:
    """From the headers of all parts of a model; the first one has the metadata."""
    facts = _Facts(headers[0])
    tensors = [tensor for header in headers for tensor in header.tensors]
    blocks: dict[int, list[Tensor]] = {}
    rest: list[Tensor] = []
    for tensor in tensors:
        match = _BLOCK.match(tensor.name)
        if match is None:
            rest.append(tensor)
        elif (number := int(match[1])) < facts.count:
            blocks.setdefault(number, []).append(tensor)
    shapes = _Shapes(facts, blocks)
    inputs = [tensor for tensor in rest if tensor.name.startswith(INPUTS)]
    tables = [tensor for tensor in rest if tensor.name.startswith(ROPE_FACTORS)]
    others = [tensor for tensor in rest if tensor not in inputs and tensor not in tables]
    has_output = any(tensor.name == "output.weight" for tensor in rest)
    embeddings = [tensor for tensor in inputs if tensor.name == "token_embd.weight"]
    return Anatomy(
        architecture=facts.architecture,
        layers=tuple(shapes.layer(number) for number in range(facts.count)),
        inputs=_sum(inputs, HOST_ALIGNMENT),
        embeddings=_sum(embeddings, DEVICE_ALIGNMENT),
        output=_sum(others, DEVICE_ALIGNMENT),
        shared_tables=_sum(tables, DEVICE_ALIGNMENT),
        on_host=(_sum(others, HOST_ALIGNMENT), _sum(tables, HOST_ALIGNMENT)),
        unused_layers=max(facts.number("block_count") - facts.count, 0),
        tied=not has_output and facts.architecture not in ENCODERS,
        widths=shapes.widths(rest),
        output_reads=_reads([tensor for tensor in rest if tensor.name == _output_name(has_output)], 1.0),
        trained_context=facts.number("context_length"),
        notes=shapes.notes,
    )


def _output_name(has_output: bool) -> str:
    return "output.weight" if has_output else "token_embd.weight"


def _reads(tensors: Sequence[Tensor], used: float) -> tuple[Read, ...]:
    """`used` is the part of the experts that a token goes through."""
    found: dict[tuple[int, bool], list[float]] = {}
    for tensor in tensors:
        expert = bool(_EXPERTS.search(tensor.name))
        part = used if expert else 1.0
        row = found.setdefault((tensor.type, expert), [0.0, 0.0])
        row[0], row[1] = row[0] + part * _size(tensor), row[1] + part * tensor.elements
    return tuple(
        Read(_type_name(kind), size, count, expert) for (kind, expert), (size, count) in found.items()
    )


def _type_name(kind: int) -> str:
    return TENSOR_TYPES[kind].name if kind in TENSOR_TYPES else "?"


def _size(tensor: Tensor) -> int:
    return tensor.size or 0


def _sum(tensors: Iterable[Tensor], alignment: int = 1) -> int:
    return sum(-(-_size(tensor) // alignment) * alignment for tensor in tensors)


class _Shapes:
    """Reads layers and widths out of tensors' names and shapes."""

    def __init__(self, facts: _Facts, blocks: dict[int, list[Tensor]]) -> None:
        self.facts, self.blocks = facts, blocks
        heads = facts.each("attention.head_count")
        usual = facts.number("embedding_length") // max(max(heads, default=0), 1)
        self.heads = heads
        self.kv_heads = facts.each("attention.head_count_kv", max(heads, default=0))
        self.key_length = facts.number("attention.key_length", usual)
        self.value_length = facts.number("attention.value_length", usual)
        self.window = facts.number("attention.sliding_window") or _usual(facts.architecture).get("window", 0)
        self.slides, known = _slides(facts, self.window)
        self.notes = () if known else ("models.fit.upper_bound",)
        self.shared = facts.number("attention.shared_kv_layers")
        experts = facts.number("expert_count")
        self.used = facts.number("expert_used_count", experts) / experts if experts else 1.0

    def layer(self, number: int) -> Layer:
        tensors = self.blocks.get(number, [])
        names = [tensor.name.split(".", 2)[2] for tensor in tensors]
        stateful = any(name.startswith(_STATE) for name in names)
        attends = any(name.startswith(_ATTENTION) for name in names)
        attends = attends or (not stateful and any(name.startswith("attn_qkv.") for name in names))
        keys, values = self._cache(number, names) if attends else (0, 0)
        slides = bool(self.window) and self.slides[number]
        return Layer(
            weights=_sum(tensors, HOST_ALIGNMENT),
            on_device=_sum(tensors, DEVICE_ALIGNMENT),
            experts=_sum(tensor for tensor in tensors if _EXPERTS.search(tensor.name)),
            largest=max((_size(tensor) for tensor in tensors), default=0),
            repacked=_sum(tensor for tensor in tensors if _is_repacked(tensor)),
            keys=keys,
            values=values,
            heads=self._at(self.kv_heads, number) if keys else 0,
            window=self.window if keys and slides else 0,
            state=self._state() if stateful else 0,
            reads=_reads(tensors, self.used),
        )

    def _cache(self, number: int, names: Sequence[str]) -> tuple[int, int]:
        """Numbers per token of keys and values. Later layers may look into the caches of earlier ones."""
        if number >= self.facts.count - self.shared:
            return 0, 0
        latent = self.facts.number("attention.kv_lora_rank")
        if latent and any(name.startswith("attn_k_b.") for name in names):
            return latent + self.facts.number("rope.dimension_count"), 0  # the values are a part of the keys
        heads = self._at(self.kv_heads, number)
        key_length, value_length = self.key_length, self.value_length
        if self.window and self.slides[number]:
            key_length = self.facts.number("attention.key_length_swa", key_length)
            value_length = self.facts.number("attention.value_length_swa", value_length)
        return heads * key_length, heads * value_length

    def _state(self) -> int:
        """Bytes per sequence of what a layer remembers beside a cache: always F32."""
        number = self.facts.number
        width = number("embedding_length")
        if head := number("wkv.head_size"):
            return F32 * (number("token_shift_count", 2) * width + width * head)
        if reach := number("shortconv.l_cache"):
            return F32 * (reach - 1) * width
        inner, state = number("ssm.inner_size"), number("ssm.state_size")
        seen = inner + 2 * number("ssm.group_count") * state
        return F32 * (max(number("ssm.conv_kernel") - 1, 0) * seen + state * inner)

    def widths(self, rest: Sequence[Tensor]) -> Widths:
        number = self.facts.number
        down, up = self._width("ffn_down.weight"), self._rows("ffn_up.weight")
        matrices = [tensor for tensor in rest if tensor.name in ("output.weight", "token_embd.weight")]
        inner, state = number("ssm.inner_size"), number("ssm.state_size")
        latent = number("attention.kv_lora_rank")
        gated = bool(self._rows("ffn_gate.weight")) or up > down
        return Widths(
            embedding=number("embedding_length"),
            vocabulary=max((tensor.shape[-1] for tensor in matrices), default=number("vocab_size")),
            heads=max(self.heads, default=0),
            key_length=self.key_length,
            value_length=self.value_length,
            kv_heads=max(self.kv_heads, default=0),
            latent=latent + number("rope.dimension_count") if latent else 0,
            feed_forward=down,
            gated=gated,
            experts_used=number("expert_used_count"),
            experts=number("expert_count"),
            expert=self._width("ffn_down_exps.weight"),
            shared_expert=self._width("ffn_down_shexp.weight"),
            inner=inner,
            conv=inner + 2 * number("ssm.group_count") * state if inner else 0,
            projected=self._rows("ssm_in.weight") or self._rows("shortconv.in_proj.weight"),
            mixed=self._mixed(),
            query=self._rows("attn_q.weight") or self._rows("attn_qkv.weight"),
        )

    def _mixed(self) -> int:
        """Of an RWKV layer: the sixth version mixes five things, the seventh six and more of each."""
        if not self.facts.number("wkv.head_size"):
            return 0
        lerps = self._largest("time_mix_lerp_fused.weight", -1)
        return (RWKV7 if lerps > RWKV6_LERPS else RWKV6) * self.facts.number("embedding_length")

    def _width(self, name: str) -> int:
        return self._largest(name, 0)

    def _rows(self, name: str) -> int:
        return self._largest(name, 1)

    def _largest(self, name: str, axis: int) -> int:
        found = (
            tensor.shape[axis]
            for tensors in self.blocks.values()
            for tensor in tensors
            if tensor.name.endswith(f".{name}") and len(tensor.shape) > max(axis, 0)
        )
        return max(found, default=0)

    def _at(self, values: Sequence[int], number: int) -> int:
        return values[number] if number < len(values) else 0


def _is_repacked(tensor: Tensor) -> bool:
    return (
        tensor.type in REPACKED
        and len(tensor.shape) >= 2
        and tensor.shape[1] % REPACKED_ROWS == 0
        and tensor.name.endswith(".weight")
    )


def patterns() -> dict[str, Any]:
    """How layers see through windows, by architecture."""
    found: dict[str, Any] = _windows()["patterns"]
    return found


def _usual(architecture: str) -> dict[str, Any]:
    found: dict[str, Any] = patterns().get(architecture, {})
    return found


def _slides(facts: _Facts, window: int) -> tuple[Sequence[bool], bool]:
    """For each layer whether it looks through a window, and whether that is known for certain."""
    count = facts.count
    told = facts.header.metadata.get(f"{facts.architecture}.attention.sliding_window_pattern")
    usual = _usual(facts.architecture)
    if isinstance(told, tuple) and told:
        return [bool(told[number % len(told)]) for number in range(count)], True
    if isinstance(told, int) and not isinstance(told, bool) and usual:
        usual = {**usual, "period": told}
    if not window or not usual:
        known = not window or facts.architecture in _windows()["ignored"]
        return [False] * count, known
    period, first = usual["period"], usual.get("full_first", False)
    if not period:
        return [True] * count, True
    return [(n % period != 0) if first else (n % period < period - 1) for n in range(count)], True
