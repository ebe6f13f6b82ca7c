"""Requests in the engine server's language. Pure.

Knows llama.cpp's `/completion` body; knows no connection, no process and no answer (`reading`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from fabula.core.errors import BadParameter, BansWithForm
from fabula.core.sampling import NEUTRAL, OUTSIDE_THE_ENGINE, SEED_LIMIT, Sampling
from fabula.core.texts import phrase
from fabula.core.worker import Prompt
from fabula.engine.sampling.needs import PENALTIES, idle, in_force, unseeing
from fabula.engine.sampling.order import OFF

ID_END = 1 << 31

NAMES = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "typical_p": "typical_p",
    "top_n_sigma": "top_n_sigma",
    "xtc_probability": "xtc_probability",
    "xtc_threshold": "xtc_threshold",
    "dynatemp_range": "dynatemp_range",
    "dynatemp_exponent": "dynatemp_exponent",
    "repetition_penalty": "repeat_penalty",
    "repetition_window": "repeat_last_n",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "dry_multiplier": "dry_multiplier",
    "dry_base": "dry_base",
    "dry_allowed_length": "dry_allowed_length",
    "dry_window": "dry_penalty_last_n",
    "mirostat": "mirostat",
    "mirostat_tau": "mirostat_tau",
    "mirostat_eta": "mirostat_eta",
    "ignore_eos": "ignore_eos",
    "seed": "seed",
}
"""Our names → the engine's, for the parameters that are one number."""

HONOURED = (
    frozenset(NAMES)
    | OUTSIDE_THE_ENGINE
    | {
        *("dry_sequence_breakers", "logit_bias", "banned_tokens", "logprobs", "max_tokens", "stop"),
        *("grammar", "json_schema", "regex", "adaptive_target", "adaptive_decay", "sampler_order"),
        *("adapters", "banned_strings", "banned_regexes"),
    }
)
NOT_HONOURED = NEUTRAL.keys() - HONOURED
"""What is told as ignored."""

STEPS = {
    "penalties": "penalties",
    "dry": "dry",
    "top_n_sigma": "top_n_sigma",
    "top_k": "top_k",
    "typical_p": "typ_p",
    "top_p": "top_p",
    "min_p": "min_p",
    "xtc": "xtc",
    "temperature": "temperature",
}
"""Our samplers → the engine's, in its usual order. One that its list leaves out is off without a word."""
AS_STEPS = STEPS | {"dynatemp": "temperature"}  # one step there, wherever either is named first
LAST_STEP = "adaptive_p"  # replaces the distribution, so nothing may follow

OFF_SIGMA = -1.0  # the engine's "off" for top_n_sigma; ours is 0
OFF_TARGET = -1.0  # and for adaptive_target
LARK_REGEX = "%llguidance {{}}\nstart: /{}/"  # the engine's grammar language for a reply that is one regex
_BARE_SLASH = re.compile(r"(?<!\\)/")
TRIGGER_WORD = 1  # the engine's kind of trigger that is a text
NO_BREAKER = "\0"  # the engine refuses an empty list; this never occurs in text

DRY_DETAILS = ("dry_base", "dry_allowed_length", "dry_window", "dry_sequence_breakers")
BYPASSED_BY_MIROSTAT = (
    *("top_k", "top_p", "min_p", "typical_p", "top_n_sigma", "xtc_probability", "xtc_threshold"),
    *("dynatemp_range", "dynatemp_exponent", *PENALTIES, "repetition_window", "dry_multiplier", *DRY_DETAILS),
)
"""Measured: with mirostat the engine runs temperature, logit bias and mirostat, and nothing else."""
_OFF_WITH_MIROSTAT = {
    name: off for values in OFF.values() for name, off in values.items() if name in BYPASSED_BY_MIROSTAT
}


def body(prompt: Prompt, sampling: Sampling, used: dict[str, Any]) -> dict[str, Any]:
    """What is posted to /completion; `used` is `effective` of the sampling."""
    numbers = {theirs: used[ours] for ours, theirs in NAMES.items()}
    return numbers | {
        "prompt": mixed(prompt),
        "top_n_sigma": sampling.top_n_sigma or OFF_SIGMA,
        "dry_sequence_breakers": list(sampling.dry_sequence_breakers) or [NO_BREAKER],
        "logit_bias": _bias(sampling),
        "samplers": _steps(sampling),
        "adaptive_target": sampling.adaptive_target or OFF_TARGET,
        "adaptive_decay": sampling.adaptive_decay,
        **_form(sampling),
        "n_predict": -1 if sampling.max_tokens is None else sampling.max_tokens,
        "n_probs": 0 if sampling.logprobs is None else max(1, sampling.logprobs),
        "stop": [stop for stop in sampling.stop if stop],
        "stream": True,
        "cache_prompt": True,
        "return_tokens": True,
        "return_progress": True,
        **_markers(prompt),
    }


def _markers(prompt: Prompt) -> dict[str, Any]:
    """Special tokens that are printed, and words from which the grammar holds."""
    shown = {"preserved_tokens": [*prompt.shown, *prompt.triggers]} if prompt.shown or prompt.triggers else {}
    triggers = [{"type": TRIGGER_WORD, "value": word} for word in prompt.triggers]
    return shown | ({"grammar_lazy": True, "grammar_triggers": triggers} if triggers else {})


def reading(ids: tuple[int, ...], slot: int) -> dict[str, Any]:
    """A request that only reads: the engine keeps what it has read in the slot."""
    kept = {"cache_prompt": True, "stream": True, "return_progress": True, "return_tokens": True}
    return {"prompt": list(ids), "n_predict": 0, "id_slot": slot, **kept}


def looking(ids: tuple[int, ...], slot: int) -> dict[str, Any]:
    """A request for one token, whose candidates are what is wanted."""
    return {"prompt": list(ids), "n_predict": 1, "id_slot": slot, "cache_prompt": True}


def _steps(sampling: Sampling) -> list[str]:
    """The samplers in the order that was asked for; those that were not named follow in their usual one."""
    asked = list(dict.fromkeys(AS_STEPS[name] for name in sampling.sampler_order if name in AS_STEPS))
    rest = [step for step in STEPS.values() if step not in asked]
    return [*asked, *rest, *([LAST_STEP] if sampling.adaptive_target else [])]


def _form(sampling: Sampling) -> dict[str, Any]:
    """The form of the reply: at most one of them is set."""
    if sampling.json_schema:
        return {"json_schema": _on_one_line(json.loads(sampling.json_schema))}
    if sampling.regex:
        return {"grammar": LARK_REGEX.format(_BARE_SLASH.sub(r"\/", sampling.regex))}
    return {"grammar": sampling.grammar}


ON_ONE_LINE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""How llguidance, the engine's grammar library, is told to allow no other white space.

By default it allows any, and a small model then writes line breaks until its limit (measured: the
starter, two replies of three).
"""


def _on_one_line(schema: Any) -> Any:
    return {"x-guidance": ON_ONE_LINE, **schema} if isinstance(schema, dict) else schema


def _bias(sampling: Sampling) -> list[list[Any]]:
    """Pairs of token and bias; false forbids the token."""
    biased = [[token, False if bias == -math.inf else bias] for token, bias in sampling.logit_bias]
    return biased + [[token, False] for token in sampling.banned_tokens]


def mixed(prompt: Prompt) -> str | list[str | int]:
    """Text as it is; ids, or text between ids, as one flat list. Raises BadParameter for what is no id."""
    if len(prompt.pieces) == 1 and isinstance(prompt.pieces[0], str):
        return prompt.pieces[0]
    flat: list[str | int] = []
    for piece in prompt.pieces:
        if not isinstance(piece, str):
            _require_ids(piece)
        flat.extend([piece] if isinstance(piece, str) else piece)
    return flat


def _require_ids(ids: Sequence[int], end: int = ID_END) -> None:
    """The engine refuses what is no token of the model, without saying which there are; of a longer number it
    takes the last 32 bits."""
    for id in (min(ids), max(ids)) if ids else ():
        if not 0 <= id < end:
            raise BadParameter("prompt", f"{id}"[:80], phrase("expected.whole_range", low=0, high=end - 1))


def piece(told: str | list[int]) -> bytes:
    """A token's bytes: the engine tells those of a part of a character as numbers."""
    return told.encode() if isinstance(told, str) else bytes(told)


def trace(prompt: Prompt) -> str | tuple[int, ...]:
    """What a slot will hold of the prompt: its ids where they are known, else something to compare it by."""
    flat = mixed(prompt)
    if isinstance(flat, list) and all(type(part) is int for part in flat):
        return tuple(flat)  # type: ignore[arg-type]  # checked above
    return flat if isinstance(flat, str) else "".join(f"{part}" for part in flat)


def effective(sampling: Sampling, *, context: int, seed: int) -> dict[str, Any]:
    """What the engine will really use: with a seed, windows in tokens, and what it cannot do switched off."""
    used = in_force(sampling, HONOURED) | {name: NEUTRAL[name] for name in unseeing(sampling)}
    if sampling.mirostat:
        used |= _OFF_WITH_MIROSTAT
    return used | {
        "repetition_window": _whole(used["repetition_window"], context),
        "dry_window": _whole(used["dry_window"], context),
        # The engine reads its largest seed as "random"; ours is always told.
        "seed": seed if sampling.seed in (None, SEED_LIMIT) else sampling.seed,
        # JSON has no infinity; `Sampling.of` reads this back.
        "logit_bias": [[token, "-inf" if bias == -math.inf else bias] for token, bias in sampling.logit_bias],
    }


def _whole(window: int, context: int) -> int:
    """The engine refuses −1 for "the whole context"."""
    return context if window < 0 else window


def ignored(sampling: Sampling) -> tuple[str, ...]:
    """The fields asked for in vain: the engine cannot do them, or another field switches them off."""
    off = {*idle(sampling), *unseeing(sampling), *(BYPASSED_BY_MIROSTAT if sampling.mirostat else ())}
    return tuple(name for name in sampling.changed() if name in NOT_HONOURED or name in off)


def lacks(sampling: Sampling) -> tuple[str, ...]:
    """What would change the text and only our own samplers can do; a form together with bans is that too."""
    asked, off = sampling.changed(), idle(sampling)
    lost = [name for name in asked if name in NOT_HONOURED and name not in off]
    bans = [name for name in ("banned_strings", "banned_regexes") if name in asked]
    forms = [name for name in ("json_schema", "regex", "grammar") if name in asked]
    return (*lost, *(bans if forms else ()))


def check(prompt: Prompt, sampling: Sampling, vocabulary: int = 0) -> None:
    """Raises BansWithForm: a form that holds from the reply's first token cannot be gone back in. And
    BadParameter for ids that are none of the `vocabulary`; 0 = how many there are is not known."""
    for piece in prompt.pieces:
        if not isinstance(piece, str):
            _require_ids(piece, vocabulary or ID_END)
    if sampling.banned_strings or sampling.banned_regexes:
        for form in ("json_schema", "regex", "grammar"):
            if getattr(sampling, form) and not prompt.triggers:
                raise BansWithForm(form)


def settled(effective: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """`effective`, corrected where the engine says that it used another number."""
    theirs = {ours: settings[name] for ours, name in NAMES.items() if name in settings}
    if theirs.get("top_n_sigma") == OFF_SIGMA:
        theirs["top_n_sigma"] = 0.0
    # The engine computes in 32 bits: 0.95 comes back as 0.949999988.
    other = {
        name: value
        for name, value in theirs.items()
        if not math.isclose(value, effective[name], rel_tol=1e-5)
    }
    return effective | other
