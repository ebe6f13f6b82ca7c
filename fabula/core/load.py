"""How a model is to be loaded, and for how long. Knows no engine and no memory.

None means "not said": the memory plan or the model itself decides then. Wishes are laid over each other: what
one request asks over what is set for the model over what is set for all.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from fabula.core.errors import BadParameter
from fabula.core.loose import is_number, typed
from fabula.core.sampling import Sampling
from fabula.core.texts import as_number, phrase

FOREVER = -1.0
LONGEST_S = 100 * 365 * 86_400.0  # what is longer is for ever
KV_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")

CHOICES: dict[str, tuple[str, ...]] = {
    "kv_type": KV_TYPES,
    "kv_type_v": KV_TYPES,
    "flash_attention": ("auto", "on", "off"),
    "split_mode": ("layer", "row", "none"),
    "quantize": ("4bit", "8bit"),
    "rope_scaling": ("none", "linear", "yarn"),
    "pooling": ("mean", "cls", "last", "rank"),
    "speculation": ("none", "ngram", "ngram_map", "ngram_mod"),
    "exact": ("auto", "always", "swap", "never"),
}
RANGES: dict[str, tuple[float, float]] = {
    "context": (1, 100_000_000),
    "slots": (1, 256),
    "threads": (1, 1024),
    "batch": (32, 65_536),  # fewer tokens make every prompt slow; 0 aborts the engine
    "gpu_layers": (-1, 10_000),
    "main_gpu": (0, 255),
    "moe_cpu": (-1, 10_000),
    "rope_base": (1, 1e12),
    "rope_scale": (0.01, 100_000_000),
    "rope_original": (1, 100_000_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """Everything about a load that a person can wish. Lengths are tokens per slot."""

    engine: str | None = None  # a name of `engine.choice`; None = by what the model is
    context: int | None = None
    slots: int | None = None
    threads: int | None = None
    batch: int | None = None  # tokens that are read at a time
    kv_type: str | None = None
    kv_type_v: str | None = None  # of the values alone; None = as the keys
    flash_attention: str | None = None
    speculation: str | None = None  # "ngram…": what was written before is guessed to come again
    draft: str | None = None  # a small model of the same vocabulary that guesses ahead; "" = none
    gpu_layers: int | None = None  # the output layer counts as one; −1 = by the memory plan
    split_mode: str | None = None  # how several GPUs share a model
    tensor_split: tuple[float, ...] | None = None  # each GPU's share
    main_gpu: int | None = None
    kv_offload: bool | None = None  # whether the cache lies where its layers do
    moe_cpu: int | None = None  # layers whose experts stay in the machine's memory; −1 = all
    rope_scaling: str | None = None
    rope_base: float | None = None
    rope_scale: float | None = None  # how many times longer the context gets
    rope_original: int | None = None  # the context that the model was trained for
    pooling: str | None = None  # how embeddings are made; None = as the model's header says
    quantize: str | None = None  # of safetensors, while they are loaded
    mmap: bool | None = None
    mlock: bool | None = None
    adapters: tuple[tuple[str, float], ...] | None = None  # attached, each with its usual scale
    exact: str | None = (
        None  # by the engine's own functions: one at a time, every parameter; "auto": as needed
    )
    chat_template: str | None = None  # Jinja; None = the model's own
    keep_alive: str | float | None = None

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in choices:
                raise BadParameter(name, f"{value}", phrase("expected.one_of", names=", ".join(choices)))
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:  # NaN fails every comparison
                raise BadParameter(
                    name, f"{value}", phrase("expected.range", low=as_number(low), high=as_number(high))
                )
        if self.keep_alive is not None:
            seconds_of(self.keep_alive)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From JSON or TOML. Raises BadParameter for unknown names and wrong types."""
        kinds = {field.name: str(field.type) for field in dataclasses.fields(cls)}
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in kinds:
                raise BadParameter(name, f"{value}"[:80], phrase("expected.one_of", names=", ".join(kinds)))
            checked[name] = value if name == "keep_alive" else typed(name, value, kinds[name])
        return cls(**checked)

    def said(self) -> dict[str, Any]:
        """What was wished, without what was left open."""
        if self is NOTHING:  # nearly always
            return {}
        return {name: value for name in NAMES if (value := getattr(self, name)) is not None}

    @property
    def is_exact(self) -> bool:
        """Whether only the exact engine will do; with "swap", the usual one may have to go for it."""
        return self.exact in ("always", "swap")

    def over(self, base: Self) -> Self:
        """These wishes, and those of `base` where these say nothing."""
        said = self.said()
        return dataclasses.replace(base, **said) if said else base


NAMES = tuple(field.name for field in dataclasses.fields(LoadOptions))
NOTHING = LoadOptions()
"""All is left open."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks of the worker that serves it."""

    options: LoadOptions = NOTHING
    keep_alive_s: float | None = None  # None = as it is set
    sampling: Sampling | None = None  # what is to be written with; None = nothing that an engine may lack


NO_WISH = Wish()


_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_WHOLE = re.compile(rf"-?(?:{_PART.pattern})+")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def seconds_of(keep_alive: str | float) -> float:
    """How long a model stays without use: seconds, "90", "5m" or "1h30m"; any negative one is for ever.

    Raises BadParameter.
    """
    seconds = _seconds(keep_alive)
    if seconds is None or math.isnan(seconds):
        raise BadParameter("keep_alive", f"{keep_alive!r}"[:80], phrase("expected.keep_alive"))
    return FOREVER if seconds < 0 or seconds > LONGEST_S else seconds


def _seconds(value: str | float) -> float | None:
    if not isinstance(value, str):
        return float(value) if is_number(value) else None
    text = value.strip().lower()
    if re.fullmatch(r"-?\d+(?:\.\d+)?", text):
        return float(text)
    if not _WHOLE.fullmatch(text):
        return None
    total = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    return -total if text.startswith("-") else total


def wish_of(options: Mapping[str, Any], keep_alive: str | float | None) -> Wish:
    """From the fields of a request. Raises BadParameter."""
    if not options and keep_alive is None:
        return NO_WISH
    wished = LoadOptions.of(options)
    for name in ("engine", "quantize"):
        if (value := getattr(wished, name)) is not None:
            raise BadParameter(name, value, phrase("expected.set_for_model"))
    said = keep_alive if keep_alive is not None else wished.keep_alive
    return Wish(wished, None if said is None else seconds_of(said))
