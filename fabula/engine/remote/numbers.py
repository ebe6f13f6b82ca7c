"""Our generation parameters as a server's. Pure; which names a server has is data of its dialect."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fabula.core.sampling import SEED_LIMIT, Sampling
from fabula.engine.sampling.needs import idle, in_force

WITHOUT_IDS = frozenset({"loop_count", "loop_length"})
"""What needs token ids, which most servers do not tell."""
READ_HERE = frozenset({"keep_reasoning"})
LEAST_BIAS = -100.0  # what JSON and OpenAI have for "never"


def effective(sampling: Sampling, honoured: frozenset[str], seed: int) -> dict[str, Any]:
    """What the server is told: the rest is switched off, and a seed is always chosen where there is one."""
    used = in_force(sampling, honoured)
    if "seed" in honoured:
        used["seed"] = seed if sampling.seed in (None, SEED_LIMIT) else sampling.seed
    # JSON has no infinity; `Sampling.of` reads this back.
    used["logit_bias"] = [
        [token, "-inf" if bias == -math.inf else bias] for token, bias in used["logit_bias"]
    ]
    return used


def ignored(sampling: Sampling, honoured: frozenset[str]) -> tuple[str, ...]:
    """The fields asked for in vain: the server has none such, or another one switches them off."""
    off = idle(sampling)
    return tuple(name for name in sampling.changed() if name not in honoured or name in off)


def named(used: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """`used` under the server's names."""
    return {theirs: used[ours] for ours, theirs in names.items()}


def bias(sampling: Sampling) -> dict[str, float]:
    """OpenAI's form: token id as text → bias from −100 to 100; banned tokens have the least."""
    biased = {f"{token}": max(amount, LEAST_BIAS) for token, amount in sampling.logit_bias}
    return biased | {f"{token}": LEAST_BIAS for token in sampling.banned_tokens}
