"""Parameters that do nothing by themselves, and what has to be set for them. Pure: knows no engine.

One table for all that has to know it: what an engine tells as ignored, what a slider says, and what
front-ends send of a sampler that they switch off.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from operator import attrgetter
from typing import Any

from fabula.core.sampling import NEUTRAL, Sampling

PENALTIES = ("repetition_penalty", "presence_penalty", "frequency_penalty")

NEEDS: Mapping[str, tuple[str, ...]] = {
    "xtc_threshold": ("xtc_probability",),
    "dynatemp_exponent": ("dynatemp_range",),
    "smoothing_curve": ("smoothing_factor",),
    "mirostat_tau": ("mirostat",),
    "mirostat_eta": ("mirostat",),
    "adaptive_decay": ("adaptive_target",),
    "repetition_window": PENALTIES,
    "repetition_slope": ("repetition_penalty",),
    "dry_base": ("dry_multiplier",),
    "dry_allowed_length": ("dry_multiplier",),
    "dry_window": ("dry_multiplier",),
    "dry_sequence_breakers": ("dry_multiplier",),
    "loop_length": ("loop_count",),
    "negative_prompt": ("guidance_scale",),
}
"""Parameter → its switches: it does nothing until one of them has another value than the neutral one. The
first is the one that people mean."""

WINDOWS: Mapping[str, tuple[str, ...]] = {
    "repetition_window": PENALTIES,
    "dry_window": ("dry_multiplier",),
}
"""Window → what looks at the tokens in it, and so does nothing where it is 0."""

_values = attrgetter(*NEEDS)
_USUAL = _values(Sampling())


def idle(sampling: Sampling) -> tuple[str, ...]:
    """What was asked for and does nothing, since nothing that it needs is set."""
    if _values(sampling) == _USUAL:  # nearly always
        return ()
    asked = sampling.changed()
    return tuple(name for name in asked if name in NEEDS and not any(need in asked for need in NEEDS[name]))


def unseeing(sampling: Sampling) -> tuple[str, ...]:
    """What was asked for and does nothing, since its window holds no token."""
    if sampling.repetition_window and sampling.dry_window:  # nearly always
        return ()
    empty = [name for window, names in WINDOWS.items() if getattr(sampling, window) == 0 for name in names]
    return tuple(name for name in empty if getattr(sampling, name) != NEUTRAL[name])


def in_force(sampling: Sampling, honoured: Collection[str]) -> dict[str, Any]:
    """All parameters; what an engine does not honour, and what does nothing, with its neutral value."""
    values = {name: value if name in honoured else NEUTRAL[name] for name, value in sampling.all().items()}
    return values | {name: NEUTRAL[name] for name in idle(sampling)}
