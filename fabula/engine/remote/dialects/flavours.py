"""How servers that speak OpenAI's dialect differ from each other, as data. Knows no request.

Sources: OpenAI's API reference (chat completions); vLLM's "OpenAI-compatible server";
TabbyAPI's wiki "sampling"; text-generation-webui's wiki "12 - OpenAI API"; LM Studio's "OpenAI
compatibility"; OpenRouter's API reference ("parameters", "usage accounting"); docs/api.md of Fabula.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fabula.core.sampling import NAMES
from fabula.engine.remote.numbers import READ_HERE

STANDARD = {
    "temperature": "temperature",
    "top_p": "top_p",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "seed",
}
SPECIAL = frozenset({"max_tokens", "stop", "logit_bias", "banned_tokens", "logprobs", "json_schema"})
"""What OpenAI has in shapes of its own."""

_USUAL = {"top_k": "top_k", "min_p": "min_p", "repetition_penalty": "repetition_penalty"}
_TABBY = {
    **_USUAL,
    "typical_p": "typical",
    "tfs": "tfs",
    "top_a": "top_a",
    "smoothing_factor": "smoothing_factor",
    "xtc_probability": "xtc_probability",
    "xtc_threshold": "xtc_threshold",
    "repetition_window": "penalty_range",
    "dry_multiplier": "dry_multiplier",
    "dry_base": "dry_base",
    "dry_allowed_length": "dry_allowed_length",
    "dry_window": "dry_range",
    "mirostat_tau": "mirostat_tau",
    "mirostat_eta": "mirostat_eta",
    "min_tokens": "min_tokens",
    "ignore_eos": "ban_eos_token",
    "banned_strings": "banned_strings",
    "negative_prompt": "negative_prompt",
    "guidance_scale": "cfg_scale",
    "grammar": "grammar_string",
    "regex": "regex_pattern",
}
_TEXTGEN = {
    **_USUAL,
    "typical_p": "typical_p",
    "tfs": "tfs",
    "top_a": "top_a",
    "top_n_sigma": "top_n_sigma",
    "epsilon_cutoff": "epsilon_cutoff",
    "eta_cutoff": "eta_cutoff",
    "smoothing_factor": "smoothing_factor",
    "smoothing_curve": "smoothing_curve",
    "xtc_probability": "xtc_probability",
    "xtc_threshold": "xtc_threshold",
    "repetition_window": "repetition_penalty_range",
    "encoder_repetition_penalty": "encoder_repetition_penalty",
    "no_repeat_ngram": "no_repeat_ngram_size",
    "dry_multiplier": "dry_multiplier",
    "dry_base": "dry_base",
    "dry_allowed_length": "dry_allowed_length",
    "mirostat": "mirostat_mode",
    "mirostat_tau": "mirostat_tau",
    "mirostat_eta": "mirostat_eta",
    "guidance_scale": "guidance_scale",
    "negative_prompt": "negative_prompt",
    "ignore_eos": "ban_eos_token",
    "grammar": "grammar_string",
}

Prefill = Literal["none", "last", "flag"]
"""Whether a reply can be lengthened: not at all, by an assistant's message at the end, or by vLLM's flag."""
Counter = Literal["", "vllm", "tabby", "textgen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """`names` are our parameters under the server's names, `asked_only` of them are sent only when they were
    changed: models of its may refuse them. `limit` is the name of the length of a reply."""

    kind: str
    label: str
    names: Mapping[str, str]
    special: frozenset[str] = SPECIAL
    limit: str = "max_tokens"
    prefill: Prefill = "last"
    counter: Counter = ""
    thinks: Literal["", "effort", "openrouter", "vllm", "fabula"] = ""
    variables: str = ""  # where the template's variables go
    asked_only: frozenset[str] = frozenset()
    completes: bool = True  # has /completions too

    @property
    def honoured(self) -> frozenset[str]:
        thinking = {
            "": (),
            "effort": ("think_effort",),
            "openrouter": ("think", "think_effort", "think_budget"),
            "vllm": ("think", "think_effort", "think_budget"),
            "fabula": ("think", "think_effort", "think_budget", "loop_count", "loop_length"),
        }
        return frozenset(self.names) | self.special | READ_HERE | set(thinking[self.thinks])


_OWN = {
    name: name
    for name in NAMES
    if name not in {*SPECIAL, "think", "think_effort", "think_budget", "keep_reasoning", "adapters"}
}

FLAVOURS = (
    Flavour(
        kind="openai",
        label="OpenAI",
        names=STANDARD,
        limit="max_completion_tokens",
        prefill="none",
        thinks="effort",
        asked_only=frozenset({"top_p", "presence_penalty", "frequency_penalty"}),
    ),
    Flavour(
        kind="compatible",
        label="OpenAI-compatible",
        names=STANDARD,
    ),
    Flavour(
        kind="vllm",
        label="vLLM",
        names=STANDARD | _USUAL | {"min_tokens": "min_tokens", "ignore_eos": "ignore_eos"},
        special=SPECIAL | {"regex", "grammar"},
        prefill="flag",
        counter="vllm",
        thinks="vllm",
        variables="chat_template_kwargs",
    ),
    Flavour(
        kind="tabby",
        label="TabbyAPI",
        names=STANDARD | _TABBY,
        special=SPECIAL - {"logprobs"},
        counter="tabby",
        variables="template_vars",
    ),
    Flavour(
        kind="textgen",
        label="text-generation-webui",
        names=STANDARD | _TEXTGEN,
        special=SPECIAL - {"json_schema", "logprobs"},
        counter="textgen",
    ),
    Flavour(
        kind="lmstudio",
        label="LM Studio",
        names=STANDARD | {"top_k": "top_k", "repetition_penalty": "repeat_penalty"},
        special=SPECIAL - {"logprobs"},
    ),
    Flavour(
        kind="openrouter",
        label="OpenRouter",
        names=STANDARD | _USUAL | {"top_a": "top_a"},
        thinks="openrouter",
    ),
    Flavour(
        kind="fabula",
        label="Fabula",
        names=STANDARD | _OWN,
        thinks="fabula",
        variables="chat_template_kwargs",
    ),
)
BY_KIND = {flavour.kind: flavour for flavour in FLAVOURS}
