"""All generation parameters, defined once for every dialect and engine. Knows no wire names.

Neutral values switch a sampler off and are the defaults, except for the four that make up the preset
"balanced" (temperature, top_k, top_p, min_p), which follow llama.cpp's own defaults.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Self

from fabula.core.errors import BadParameter

SEED_LIMIT = 2**32 - 1  # the engine's seed is an unsigned 32-bit number; its maximum means "random"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """One set of generation parameters. Windows count tokens: 0 is off, −1 the whole context, everywhere."""

    temperature: float = 0.8  # 0 = always the likeliest token
    top_k: int = 40  # 0 = off
    top_p: float = 0.95  # 1 = off
    min_p: float = 0.05  # 0 = off
    typical_p: float = 1.0  # 1 = off
    top_n_sigma: float = 0.0  # 0 = off
    xtc_probability: float = 0.0  # 0 = off
    xtc_threshold: float = 0.1
    dynatemp_range: float = 0.0  # 0 = off
    dynatemp_exponent: float = 1.0
    repetition_penalty: float = 1.0  # 1 = off
    repetition_window: int = 64
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    dry_multiplier: float = 0.0  # 0 = off
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_window: int = -1
    dry_sequence_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    mirostat: int = 0  # 0 = off, 1, 2
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    logit_bias: tuple[tuple[int, float], ...] = ()  # (token id, bias); −inf forbids the token
    logprobs: int | None = None  # None = none, n = the chosen token and the n likeliest
    ignore_eos: bool = False
    seed: int | None = None  # None = random
    max_tokens: int | None = None  # None = until the model stops or the context is full
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:  # NaN fails every comparison
                raise BadParameter(name, f"{value}", f"a number from {low:g} to {high:g}")

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """From loose values (JSON, a preset file). Raises BadParameter for unknown names and wrong types."""
        fields = {field.name: field for field in dataclasses.fields(cls)}
        checked = {}
        for name, value in values.items():
            if name not in fields:
                raise BadParameter(name, f"{value}", "one of " + ", ".join(fields))
            checked[name] = _coerce(name, value, str(fields[name].type))
        return cls(**checked)

    def changed(self) -> dict[str, Any]:
        """The fields that differ from their defaults."""
        neutral = type(self)()
        return {name: value for name, value in self.all().items() if value != getattr(neutral, name)}

    def all(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 100),
    "top_k": (0, 1_000_000),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "typical_p": (0, 1),
    "top_n_sigma": (0, 100),
    "xtc_probability": (0, 1),
    "xtc_threshold": (0, 1),
    "dynatemp_range": (0, 100),
    "dynatemp_exponent": (0, 100),
    "repetition_penalty": (0.01, 100),
    "repetition_window": (-1, 10_000_000),
    "presence_penalty": (-100, 100),
    "frequency_penalty": (-100, 100),
    "dry_multiplier": (0, 100),
    "dry_base": (1, 100),
    "dry_allowed_length": (0, 10_000),
    "dry_window": (-1, 10_000_000),
    "mirostat": (0, 2),
    "mirostat_tau": (0, 100),
    "mirostat_eta": (0, 100),
    "logprobs": (0, 100),
    "seed": (0, SEED_LIMIT),
    "max_tokens": (1, 10_000_000),
}


def _coerce(name: str, value: Any, annotation: str) -> Any:
    """The value as the field's type, without guessing: text is never read as a number."""
    if value is None and "None" in annotation:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if annotation.startswith("bool") and isinstance(value, bool):
        return value
    if annotation.startswith("int") and is_number and float(value).is_integer():
        return int(value)
    if annotation.startswith("float") and is_number:
        return float(value)
    if annotation == "tuple[str, ...]" and _is_strings(value):
        return tuple(value)
    if name == "logit_bias":
        return _coerce_bias(value)
    raise BadParameter(name, f"{value!r}"[:80], _EXPECTED.get(annotation.split(" ")[0], "a list of strings"))


_EXPECTED = {"int": "a whole number", "float": "a number", "bool": "true or false"}


def _is_strings(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _coerce_bias(value: Any) -> tuple[tuple[int, float], ...]:
    """Pairs of token id and bias, from pairs or from OpenAI's {"id": bias}."""
    pairs = value.items() if isinstance(value, dict) else value
    try:
        bias = tuple((int(token), float(amount)) for token, amount in pairs)
    except (TypeError, ValueError):
        bias = ((0, math.nan),)
    if any(math.isnan(amount) for _, amount in bias):
        raise BadParameter("logit_bias", f"{value!r}"[:80], "token ids with numbers, like {{50: -100}}")
    return bias
