"""Our generation parameters as a server's. Pure; which names a server has is data of its dialect."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fabula.core.sampling import NEUTRAL, SEED_LIMIT, Sampling

WITHOUT_IDS = frozenset({"loop_count", "loop_length"})
"""What needs token ids, which most servers do not tell."""
READ_HERE = frozenset({"keep_reasoning"})
LEAST_BIAS = -100.0  # what JSON and OpenAI have for "never"

DETAILS: Mapping[str, tuple[str, ...]] = {
    "mirostat": ("mirostat_tau", "mirostat_eta"),
    "dry_multiplier": ("dry_base", "dry_allowed_length", "dry_window", "dry_sequence_breakers"),
    "xtc_probability": ("xtc_threshold",),
    "dynatemp_range": ("dynatemp_exponent",),
    "smoothing_factor": ("smoothing_curve",),
    "adaptive_target": ("adaptive_decay",),
}
"""What is of no use while its switch is off."""


def effective(sampling: Sampling, honoured: frozenset[str], seed: int) -> dict[str, Any]:
    """What the server is told: the rest is switched off, and a seed is always chosen where there is one."""
    used = {name: value if name in honoured else NEUTRAL[name] for name, value in sampling.all().items()}
    if "seed" in honoured:
        used["seed"] = seed if sampling.seed in (None, SEED_LIMIT) else sampling.seed
    # JSON has no infinity; `Sampling.of` reads this back.
    used["logit_bias"] = [
        [token, "-inf" if bias == -math.inf else bias] for token, bias in used["logit_bias"]
    ]
    return used


def ignored(sampling: Sampling, honoured: frozenset[str]) -> tuple[str, ...]:
    """The fields asked for in vain: the server has none such, or another one switches them off."""
    off = {name for switch, names in DETAILS.items() if not getattr(sampling, switch) for name in names}
    return tuple(name for name in sampling.changed() if name not in honoured or name in off)


def named(used: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """`used` under the server's names."""
    return {theirs: used[ours] for ours, theirs in names.items()}


def bias(sampling: Sampling) -> dict[str, float]:
    """OpenAI's form: token id as text → bias from −100 to 100; banned tokens have the least."""
    biased = {f"{token}": max(amount, LEAST_BIAS) for token, amount in sampling.logit_bias}
    return biased | {f"{token}": LEAST_BIAS for token in sampling.banned_tokens}
