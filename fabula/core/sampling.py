"""All generation parameters, defined once for every dialect and engine. Knows no wire names.

The union of what llama.cpp, KoboldCpp, text-generation-webui, vLLM and OpenAI know. No engine honours all
of it: each says what it does not (`Worker.honours`), and every answer tells it. Neutral values switch a
sampler off and are the defaults, except for the four that make up the preset "balanced" (temperature, top_k,
top_p, min_p), which follow llama.cpp's own defaults.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Self

from fabula.core.errors import BadParameter
from fabula.core.loose import typed
from fabula.core.texts import as_number, phrase

NUMBERS = frozenset({bool, int, float})
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
    smoothing_factor: float = 0.0  # 0 = off; quadratic sampling: logits are bent around their maximum
    smoothing_curve: float = 1.0
    tfs: float = 1.0  # 1 = off; tail-free sampling
    top_a: float = 0.0  # 0 = off; keeps p ≥ top_a · p_max²
    epsilon_cutoff: float = 0.0  # 0 = off; a probability floor in units of 1e-4
    eta_cutoff: float = 0.0  # 0 = off; a floor that falls with entropy, in units of 1e-4
    adaptive_target: float = 0.0  # 0 = off; the probability that chosen tokens have on average
    adaptive_decay: float = 0.9
    repetition_penalty: float = 1.0  # 1 = off
    repetition_window: int = 64
    repetition_slope: float = 1.0  # 1 = off; how much more recent tokens count
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    encoder_repetition_penalty: float = 1.0  # 1 = off; above 1 favours words of the prompt
    no_repeat_ngram: int = 0  # 0 = off; no run of this many tokens occurs twice
    dry_multiplier: float = 0.0  # 0 = off
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_window: int = -1
    dry_sequence_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    mirostat: int = 0  # 0 = off, 1, 2
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    guidance_scale: float = 1.0  # 1 = off; classifier-free guidance away from negative_prompt
    negative_prompt: str = ""
    grammar: str = ""  # GBNF
    json_schema: str = ""  # JSON text of a schema; `of` takes an object too
    regex: str = ""  # the whole reply matches it
    logit_bias: tuple[tuple[int, float], ...] = ()  # (token id, bias); −inf forbids the token
    banned_tokens: tuple[int, ...] = ()
    banned_strings: tuple[str, ...] = ()  # case is ignored
    banned_regexes: tuple[str, ...] = ()
    sampler_order: tuple[str, ...] = ()  # () = the engine's own order
    logprobs: int | None = None  # None = none, n = the chosen token and the n likeliest
    ignore_eos: bool = False
    min_tokens: int = 0  # the model may not end before
    seed: int | None = None  # None = random
    max_tokens: int | None = None  # None = until the model stops or the context is full
    stop: tuple[str, ...] = ()
    loop_count: int = 0  # 0 = off; a reply ends when its end repeats this often
    loop_length: int = 64  # the longest repeating piece that counts as a loop, in tokens
    think: bool | None = None  # None = as the model's template does by itself
    think_effort: str = ""  # "low", "medium" …, for templates that know it
    think_budget: int | None = (
        None  # tokens of reasoning after which the model has to answer; None = no limit
    )
    keep_reasoning: bool = False  # earlier replies are sent with their reasoning
    adapters: tuple[tuple[str, float], ...] = ()  # (LoRA adapter, scale); others have their usual one
    control_vectors: tuple[tuple[str, float, int, int], ...] = ()  # (name, scale, first, last layer; 0 = all)
    said: frozenset[str] = field(default=frozenset(), compare=False, repr=False)
    """No parameter: the names that whoever asked has set, also where their values are the defaults."""

    def __post_init__(self) -> None:
        if unknown := [name for name in self.sampler_order if name not in SAMPLERS]:
            raise BadParameter(
                "sampler_order", unknown[0], phrase("expected.one_of", names=", ".join(SAMPLERS))
            )
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:  # NaN fails every comparison
                raise BadParameter(
                    name, f"{value}", phrase("expected.range", low=as_number(low), high=as_number(high))
                )

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """From loose values (JSON, a preset file). Raises BadParameter for unknown names and wrong types."""
        if NUMBERS.issuperset(map(type, values.values())):  # most programs send the same few each time
            return cls._of_numbers(tuple((name, type(value), value) for name, value in values.items()))
        return cls._of(values)

    @classmethod
    @functools.lru_cache(maxsize=256)
    def _of_numbers(cls, values: tuple[tuple[str, type, Any], ...]) -> Self:
        """With their types, as 1 is not True here."""
        return cls._of({name: value for name, _, value in values})

    @classmethod
    def _of(cls, values: dict[str, Any]) -> Self:
        checked = {}
        for name, value in values.items():
            if name not in TYPES:
                raise BadParameter(name, f"{value}", phrase("expected.one_of", names=", ".join(TYPES)))
            checked[name] = typed(name, value, TYPES[name])
        return cls(**checked, said=frozenset(checked))

    def over(self, defaults: dict[str, Any]) -> Self:
        """With `defaults` (checked values) where nobody has said anything else."""
        free = {name: value for name, value in defaults.items() if self._leaves_open(name)}
        return dataclasses.replace(self, **free) if free else self

    def _leaves_open(self, name: str) -> bool:
        return name not in self.said and getattr(self, name) == NEUTRAL[name]

    def changed(self) -> dict[str, Any]:
        """The fields that differ from their defaults."""
        rows = zip(NAMES, _values(self), NEUTRAL.values(), strict=True)
        return {name: value for name, value, neutral in rows if value != neutral}

    @property
    def needs_logits(self) -> bool:
        """Whether a step works on logits as they are; to all others only their differences matter."""
        return self.repetition_penalty != 1 or self.encoder_repetition_penalty != 1

    def all(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in NAMES}


SAMPLERS = (
    *("penalties", "dry", "no_repeat_ngram", "encoder_repetition_penalty", "top_n_sigma", "top_k", "top_a"),
    *("typical_p", "tfs", "epsilon_cutoff", "eta_cutoff", "top_p", "min_p", "xtc", "smoothing"),
    *("temperature", "dynatemp", "mirostat", "adaptive_p"),
)
"""The steps that `sampler_order` may name. Steps that it leaves out follow in their usual order: none is ever
switched off by not being named."""

OUTSIDE_THE_ENGINE = frozenset(
    {"think", "think_effort", "think_budget", "keep_reasoning", "loop_count", "loop_length"}
)
"""What `turn` does itself, by the prompt and by reading the stream, whatever the engine."""

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
    "smoothing_factor": (0, 100),
    "smoothing_curve": (0, 100),
    "tfs": (0, 1),
    "top_a": (0, 1),
    "epsilon_cutoff": (0, 10_000),
    "eta_cutoff": (0, 10_000),
    "adaptive_target": (0, 1),
    "adaptive_decay": (0, 0.99),
    "repetition_penalty": (0.01, 100),
    "repetition_window": (-1, 10_000_000),
    "repetition_slope": (0, 10),
    "presence_penalty": (-100, 100),
    "frequency_penalty": (-100, 100),
    "encoder_repetition_penalty": (0.01, 100),
    "no_repeat_ngram": (0, 10_000),
    "dry_multiplier": (0, 100),
    "dry_base": (1, 100),
    "dry_allowed_length": (0, 10_000),
    "dry_window": (-1, 10_000_000),
    "mirostat": (0, 2),
    "mirostat_tau": (0, 100),
    "mirostat_eta": (0, 100),
    "guidance_scale": (-100, 100),
    "logprobs": (0, 100),
    "seed": (0, SEED_LIMIT),
    "min_tokens": (0, 10_000_000),
    "max_tokens": (1, 10_000_000),
    "loop_count": (0, 10_000),
    "loop_length": (1, 10_000),
    "think_budget": (0, 10_000_000),
}

TYPES = {item.name: str(item.type) for item in dataclasses.fields(Sampling) if item.name != "said"}
NAMES = tuple(TYPES)
_values = attrgetter(*NAMES)  # every request asks several times what is changed
NEUTRAL = Sampling().all()
"""The defaults by name, made once: every request asks what it changes."""
