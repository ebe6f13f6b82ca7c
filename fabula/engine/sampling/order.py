"""Which samplers a reply runs, in which order, with what values. Pure: knows no logits, needs no numpy."""

from __future__ import annotations

from typing import Any

from fabula.core.sampling import SAMPLERS, Sampling

LAST = "adaptive_p"  # replaces the distribution, so that nothing may follow
CUTS = {"top_k": 0, "top_p": 1.0, "min_p": 0.0}
"""With mirostat, which decides itself how much is cut: off where they are only the defaults."""


OFF: dict[str, dict[str, Any]] = {
    "penalties": {"repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0},
    "dry": {"dry_multiplier": 0.0},
    "no_repeat_ngram": {"no_repeat_ngram": 0},
    "encoder_repetition_penalty": {"encoder_repetition_penalty": 1.0},
    "top_n_sigma": {"top_n_sigma": 0.0},
    "top_k": {"top_k": 0},
    "top_a": {"top_a": 0.0},
    "typical_p": {"typical_p": 1.0},
    "tfs": {"tfs": 1.0},
    "epsilon_cutoff": {"epsilon_cutoff": 0.0},
    "eta_cutoff": {"eta_cutoff": 0.0},
    "top_p": {"top_p": 1.0},
    "min_p": {"min_p": 0.0},
    "xtc": {"xtc_probability": 0.0},
    "smoothing": {"smoothing_factor": 0.0},
    "temperature": {"temperature": 1.0},
    "dynatemp": {"dynatemp_range": 0.0},
    "mirostat": {"mirostat": 0},
    "adaptive_p": {"adaptive_target": 0.0},
}
"""With these values a step does nothing, and is left out."""


def order(sampling: Sampling) -> tuple[str, ...]:
    """The steps that do something: those that were named first, the others in their usual order after them.

    A dynamic temperature takes the place of the plain one, wherever either is named first.
    """
    sampling = settled(sampling)
    named = dict.fromkeys((*sampling.sampler_order, *SAMPLERS))
    heat = "dynatemp" if sampling.dynatemp_range else "temperature"
    merged = dict.fromkeys(heat if name in ("temperature", "dynatemp") else name for name in named)
    active = [name for name in merged if name != LAST and _is_on(sampling, name)]
    return (*active, *([LAST] if _is_on(sampling, LAST) else ()))


def settled(sampling: Sampling) -> Sampling:
    """As it is really used."""
    if not sampling.mirostat:
        return sampling
    usual = Sampling()
    idle = {name: off for name, off in CUTS.items() if getattr(sampling, name) == getattr(usual, name)}
    return Sampling(**sampling.all() | idle)


def _is_on(sampling: Sampling, name: str) -> bool:
    return any(getattr(sampling, field) != off for field, off in OFF[name].items())
