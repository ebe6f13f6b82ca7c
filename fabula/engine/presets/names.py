"""What other programs call our generation parameters: one table, name on the wire → field and converter.

The names are those of SillyTavern, text-generation-webui, KoboldCpp, llama.cpp, Ollama and vLLM. What several
keys say together (a range of temperatures, an order) is put together in `importing`. Knows no file.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from fabula.core.sampling import SAMPLERS

Convert = Callable[[Any], Any]


class Unusable(ValueError):
    """The value means nothing that a `Sampling` can hold."""


def same(value: Any) -> Any:
    return value


def _off(*marks: Any, neutral: Any) -> Convert:
    """Values by which other programs switch something off, as our neutral one."""
    return lambda value: neutral if value in marks and not isinstance(value, bool) else value


def _window(value: Any) -> Any:
    """Where 0 is the whole context, as text-generation-webui has it."""
    return -1 if value == 0 and not isinstance(value, bool) else value


def _limit(value: Any) -> Any:
    """−1 (and Ollama's −2) is "no limit"."""
    return None if _is_number(value) and value < 0 else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def texts(value: Any) -> Any:
    """A list of texts, given as one, as JSON text, as quoted texts with commas, or as plain text."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return ()
    for written in (value, f"[{value}]"):
        for parse in (json.loads, ast.literal_eval):
            found = _parsed(parse, written)
            if isinstance(found, list) and all(isinstance(item, str) for item in found):
                return tuple(found)
    return (value,)


def _parsed(parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def ids(value: Any) -> Any:
    """Token ids, as a list or as "1, 2"."""
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.strip().strip("[]").split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise Unusable(value)
    return tuple(int(part) for part in parts)


def _bias(value: Any) -> Any:
    """Pairs, a mapping, or SillyTavern's rows, of which only those that name ids can be kept."""
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        return value
    return tuple((id, row.get("value")) for row in value for id in ids(str(row.get("text", ""))))


def _schema(value: Any) -> Any:
    return value if value else ""


FIELDS: dict[str, tuple[str, Convert]] = {
    "temp": ("temperature", same),
    "temperature": ("temperature", same),
    "top_k": ("top_k", _off(-1, neutral=0)),
    "top_p": ("top_p", same),
    "min_p": ("min_p", same),
    "typical": ("typical_p", same),
    "typical_p": ("typical_p", same),
    "typ_p": ("typical_p", same),
    "nsigma": ("top_n_sigma", _off(-1, neutral=0)),
    "top_n_sigma": ("top_n_sigma", _off(-1, neutral=0)),
    "xtc_probability": ("xtc_probability", same),
    "xtc_threshold": ("xtc_threshold", same),
    "dynatemp_range": ("dynatemp_range", same),
    "dynatemp_exponent": ("dynatemp_exponent", same),
    "smoothing_factor": ("smoothing_factor", same),
    "smoothing_curve": ("smoothing_curve", same),
    "tfs": ("tfs", same),
    "tfs_z": ("tfs", same),
    "top_a": ("top_a", same),
    "epsilon_cutoff": ("epsilon_cutoff", same),
    "eta_cutoff": ("eta_cutoff", same),
    "adaptive_target": ("adaptive_target", _off(-1, -0.01, neutral=0)),
    "adaptive_decay": ("adaptive_decay", same),
    "rep_pen": ("repetition_penalty", same),
    "repeat_penalty": ("repetition_penalty", same),
    "repetition_penalty": ("repetition_penalty", same),
    "rep_pen_range": ("repetition_window", _window),
    "repetition_penalty_range": ("repetition_window", _window),
    "repeat_last_n": ("repetition_window", same),
    "rep_pen_slope": ("repetition_slope", _off(0, neutral=1)),
    "presence_pen": ("presence_penalty", same),
    "presence_penalty": ("presence_penalty", same),
    "freq_pen": ("frequency_penalty", same),
    "frequency_penalty": ("frequency_penalty", same),
    "encoder_rep_pen": ("encoder_repetition_penalty", same),
    "encoder_repetition_penalty": ("encoder_repetition_penalty", same),
    "no_repeat_ngram_size": ("no_repeat_ngram", same),
    "dry_multiplier": ("dry_multiplier", same),
    "dry_base": ("dry_base", same),
    "dry_allowed_length": ("dry_allowed_length", same),
    "dry_penalty_last_n": ("dry_window", _window),  # nobody who wants DRY wants it to look at nothing
    "dry_sequence_breakers": ("dry_sequence_breakers", texts),
    "mirostat": ("mirostat", same),
    "mirostat_mode": ("mirostat", same),
    "mirostat_tau": ("mirostat_tau", same),
    "mirostat_eta": ("mirostat_eta", same),
    "guidance_scale": ("guidance_scale", same),
    "negative_prompt": ("negative_prompt", same),
    "grammar": ("grammar", same),
    "grammar_string": ("grammar", same),
    "json_schema": ("json_schema", _schema),
    "logit_bias": ("logit_bias", _bias),
    "custom_token_bans": ("banned_tokens", ids),
    "banned_strings": ("banned_strings", texts),
    "banned_regex": ("banned_regexes", texts),
    "ban_eos_token": ("ignore_eos", same),
    "ignore_eos": ("ignore_eos", same),
    "ignore_eos_token": ("ignore_eos", same),
    "min_tokens": ("min_tokens", same),
    "min_length": ("min_tokens", same),
    "seed": ("seed", _limit),
    "sampler_seed": ("seed", _limit),
    "genamt": ("max_tokens", _limit),
    "max_new_tokens": ("max_tokens", _limit),
    "max_tokens": ("max_tokens", _limit),
    "num_predict": ("max_tokens", _limit),
    "n_predict": ("max_tokens", _limit),
    "stop": ("stop", texts),
    "stop_sequence": ("stop", texts),
    "stopping_strings": ("stop", texts),
    "custom_stopping_strings": ("stop", texts),
    "enable_thinking": ("think", same),
    "reasoning_effort": ("think_effort", same),
    "thinking_token_budget": ("think_budget", same),
}
"""Fields of ours that are not here are understood by their own names."""

NOTHING_ASKED: dict[str, tuple[Any, ...] | None] = {
    "penalty_alpha": (0,),
    "num_beams": (1,),
    "length_penalty": (1,),
    "early_stopping": (False,),
    "skew": (0,),
    "rep_pen_decay": (0,),
    "rep_pen_size": (0,),
    "min_keep": (0,),
    "spaces_between_special_tokens": (True,),
    "skip_special_tokens": (True,),
    "add_bos_token": (True,),
    "speculative_ngram": (False,),
    "json_schema_allow_empty": (False, True),
    "grammar_retain_state": (False,),
    "use_default_badwordsids": (False,),
    "prompt_lookup_num_tokens": (0,),
    "max_tokens_second": (0,),
    "auto_max_new_tokens": (False,),
    "num_keep": (0,),
    "n_keep": (0,),
    "trim_stop": (True,),
    "streaming": (True, False),
    "stream": (True, False),
    "extensions": ({},),
    "name": None,
    "format": None,
}
"""Known keys that no `Sampling` has, and the values by which they ask for nothing (None: any)."""

UNSUPPORTED = frozenset(
    {
        *(
            "truncation_length",
            "max_context_length",
            "num_ctx",
            "context",
            "instruct",
            "sysprompt",
            "reasoning",
        ),
        *("negative_prompt_enabled", "chat_template", "system_prompt", "order"),
    }
)
"""Known keys that mean something else than sampling."""

STEPS: dict[Any, tuple[str, ...]] = {
    **{name: (name,) for name in SAMPLERS},
    "repetition_penalty": ("penalties",),
    "presence_penalty": ("penalties",),
    "frequency_penalty": ("penalties",),
    "rep_pen": ("penalties",),
    "dynamic_temperature": ("dynatemp",),
    "temp": ("temperature",),
    "quadratic_sampling": ("smoothing",),
    "quadratic": ("smoothing",),
    "top_nsigma": ("top_n_sigma",),
    "nsigma": ("top_n_sigma",),
    "top_p_top_k": ("top_k", "top_p"),
    "typical": ("typical_p",),
    "typ_p": ("typical_p",),
    "tfs_z": ("tfs",),
    "no_repeat_ngram_size": ("no_repeat_ngram",),
    # KoboldAI's numbers
    0: ("top_k",),
    1: ("top_a",),
    2: ("top_p",),
    3: ("tfs",),
    4: ("typical_p",),
    5: ("temperature",),
    6: ("penalties",),
}
"""Samplers in an order, by every name and number that they have."""

LETTERS = {
    "e": "penalties",
    "d": "dry",
    "s": "top_n_sigma",
    "k": "top_k",
    "y": "typical_p",
    "p": "top_p",
    "m": "min_p",
    "x": "xtc",
    "t": "temperature",
    "a": "adaptive_p",
}
"""llama.cpp's order as one word."""

ORDERS = ("samplers", "sampler_priority", "sampler_order", "samplers_priorities")
"""SillyTavern keeps an order for each engine it knows; llama.cpp's is the one that fits ours best."""

HEAT = ("smoothing", "temperature", "dynatemp")
"""What "the temperature last" moves to the end, as text-generation-webui has it."""

BESIDE: dict[str, tuple[str, ...]] = {
    "top_p": ("top_p", "min_p"),
    "temperature": HEAT,
    "penalties": ("penalties", "dry"),
}
"""KoboldAI's numbers stand for what KoboldCpp runs in one go with them."""
FIRST, LAST = ("no_repeat_ngram", "encoder_repetition_penalty", "top_n_sigma"), ("xtc", "mirostat")


def numbered(numbers: Iterable[Any]) -> tuple[list[str], list[Any]]:
    """The order that KoboldAI's numbers stand for, with the samplers that have none where KoboldCpp runs
    them; and what is no such number."""
    steps, unknown = list(FIRST), []
    for number in numbers:
        found = STEPS.get(number, ()) if type(number) is int else ()
        if not found:
            unknown.append(number)
        steps += [step for name in found for step in BESIDE.get(name, (name,))]
    return list(dict.fromkeys((*steps, *LAST))), unknown


def heated_last(order: Sequence[str]) -> list[str]:
    heat = [step for step in order if step in HEAT]
    return [step for step in order if step not in heat] + heat
