"""llama.cpp's names for sampling: of the fields, of the samplers, and of the settings that an answer tells.

Source: the README of llama.cpp's server, and the answers of the engine in use. Knows no body and no answer.

A list of `samplers` means there what it means in llama.cpp: one that it leaves out is off, whatever its own
field says. What was asked for and so has no effect is told as ignored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.loose import is_number
from fabula.core.sampling import NEUTRAL, SEED_LIMIT
from fabula.core.texts import phrase
from fabula.engine.presets.names import FIELDS, LETTERS, STEPS, texts
from fabula.engine.sampling.order import OFF

ALIASES = {
    "n_predict": "max_tokens",
    "n_probs": "logprobs",
    "repeat_penalty": "repetition_penalty",
    "repeat_last_n": "repetition_window",
    "dry_penalty_last_n": "dry_window",
    "tfs_z": "tfs",
}

# ── values ──────────────────────────────────────────────────────────────────────────────────────────


def _number(value: Any) -> bool:
    return is_number(value) and math.isfinite(value)


def _at_least_zero(value: Any) -> Any:
    """Negative numbers switch off there what 0 does here."""
    return max(value, 0) if _number(value) else value


def _length(value: Any) -> Any:
    """−1 and −2 are "until the end"; with 0 the prompt is read all the same, by a reply of one token that
    nobody sees."""
    if not _number(value):
        return value
    return None if value < 0 else max(value, 1)


def _seed(value: Any) -> Any:
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    return None if value < 0 or value == SEED_LIMIT else value % SEED_LIMIT


def _stops(value: Any) -> Any:
    """The empty text would end every reply; llama.cpp leaves it out too."""
    found = [value] if isinstance(value, str) else value
    return [text for text in found if text != ""] if isinstance(found, list) else found


SPECIAL: dict[str, Callable[[Any], Any]] = {
    "max_tokens": _length,
    "logprobs": lambda value: None if value == 0 else value,
    "temperature": _at_least_zero,
    "top_k": _at_least_zero,
    "top_n_sigma": _at_least_zero,
    "adaptive_target": _at_least_zero,
    "seed": _seed,
    "stop": _stops,
    "dry_sequence_breakers": texts,
    "banned_strings": texts,
    "json_schema": lambda value: "" if value == {} else value,  # SillyTavern sends it where it has none
}

# ── samplers ────────────────────────────────────────────────────────────────────────────────────────

SAMPLERS = ("penalties", "dry", "top_n_sigma", "top_k", "typical_p", "top_p", "min_p", "xtc", "temperature")
"""llama.cpp's own, in their usual order, under our names."""
SWITCHED = (*SAMPLERS, "dynatemp", "adaptive_p")
"""Those that are off where a list does not name them; a dynamic temperature goes with the plain one."""
THEIRS = {"typical_p": "typ_p"}


@dataclass(frozen=True, slots=True)
class Chain:
    """What a list of samplers asks for: their order, what they switch off, and the names nobody knows."""

    order: tuple[str, ...]
    off: Mapping[str, Any]
    unknown: tuple[str, ...]


def chain(samplers: Any) -> Chain | None:
    """None where no list was given. Raises BadParameter."""
    if samplers is None:
        return None
    names: list[Any] = list(samplers) if isinstance(samplers, str | list) else [None]
    if not all(isinstance(name, str) for name in names):
        raise BadParameter("samplers", f"{samplers!r}"[:80], phrase("expected.texts"))
    known = [_ours(name, letters=isinstance(samplers, str)) for name in names]
    order = tuple(dict.fromkeys(step for steps in known for step in steps))
    there = {*order, *(("dynatemp",) if "temperature" in order else ())}
    absent = [step for step in SWITCHED if step not in there]
    off = {field: value for step in absent for field, value in OFF[step].items()}
    return Chain(order, off, tuple(name for name, steps in zip(names, known, strict=True) if not steps))


def _ours(name: str, *, letters: bool) -> tuple[str, ...]:
    """The step that a name or a letter stands for; () for none."""
    if letters:
        return (LETTERS[name],) if name in LETTERS else ()
    return STEPS.get(name.lower().replace("-", "_"), ())


# ── names of other programs ─────────────────────────────────────────────────────────────────────────


def is_said_twice(name: str, value: Any, body: Mapping[str, Any]) -> bool:
    """Whether a name of another program asks for nothing, or for what the body says in llama.cpp's words too:
    front-ends send one body to all kinds of servers."""
    if name not in FIELDS:
        return False
    field, _ = FIELDS[name]
    others = (field, *(theirs for theirs, ours in ALIASES.items() if ours == field))
    return value in ("", [], {}) or any(body[other] == value for other in others if other in body)


# ── biases ──────────────────────────────────────────────────────────────────────────────────────────


def biases(value: Any) -> tuple[list[tuple[int, float]], list[tuple[str, float]]]:
    """Of tokens, and of texts whose tokens are not known yet: from pairs or an object, where false forbids.

    Raises BadParameter.
    """
    if value is None:
        return [], []
    pairs = list(value.items()) if isinstance(value, dict) else value
    if not isinstance(pairs, list) or not all(_is_pair(pair) for pair in pairs):
        raise BadParameter("logit_bias", f"{value!r}"[:80], phrase("expected.bias_pairs"))
    ids, spelled = [], []
    for token, amount in pairs:
        bias = -math.inf if amount is False else float(amount)
        if isinstance(token, str) and not (isinstance(value, dict) and token.isdecimal()):
            spelled.append((token, bias))
        else:
            ids.append((int(token), bias))
    return ids, spelled


def _is_pair(pair: Any) -> bool:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return False
    token, amount = pair
    is_token = isinstance(token, str) or (type(token) is int and token >= 0)
    return is_token and (amount is False or _number(amount))


# ── what was used ───────────────────────────────────────────────────────────────────────────────────

TOLD = {
    **{name: name for name in ("seed", "temperature", "dynatemp_range", "dynatemp_exponent", "top_k")},
    **{name: name for name in ("top_p", "min_p", "xtc_probability", "xtc_threshold", "typical_p")},
    "repeat_last_n": "repetition_window",
    "repeat_penalty": "repetition_penalty",
    **{name: name for name in ("presence_penalty", "frequency_penalty", "dry_multiplier", "dry_base")},
    "dry_allowed_length": "dry_allowed_length",
    "dry_penalty_last_n": "dry_window",
    **{name: name for name in ("mirostat", "mirostat_tau", "mirostat_eta", "adaptive_decay", "ignore_eos")},
    "grammar": "grammar",
}


def settings(effective: Mapping[str, Any], *, stream: bool = False) -> dict[str, Any]:
    """`generation_settings`: what was used, in llama.cpp's names."""
    used = {**NEUTRAL, **effective}
    limit = used["max_tokens"] or -1
    order = [name for name in (used["sampler_order"] or SAMPLERS) if name in SAMPLERS]
    return {theirs: used[ours] for theirs, ours in TOLD.items()} | {
        "seed": SEED_LIMIT if used["seed"] is None else used["seed"],
        "top_n_sigma": used["top_n_sigma"] or -1.0,
        "adaptive_target": used["adaptive_target"] or -1.0,
        "dry_sequence_breakers": list(used["dry_sequence_breakers"]),
        "stop": list(used["stop"]),
        "max_tokens": limit,
        "n_predict": limit,
        "n_keep": 0,
        "n_discard": 0,
        "stream": stream,
        "logit_bias": [{"token": token, "bias": bias} for token, bias in used["logit_bias"]],
        "n_probs": used["logprobs"] or 0,
        "min_keep": 0,
        "samplers": [THEIRS.get(name, name) for name in order],
    }
