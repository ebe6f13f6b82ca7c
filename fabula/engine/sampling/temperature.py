"""Samplers that make a distribution flatter or steeper. Pure."""

from __future__ import annotations

import numpy as np

from fabula.engine.sampling.candidates import Candidates
from fabula.engine.sampling.truncation import entropy


def temperature(given: Candidates, value: float) -> Candidates:
    """Logits divided by it; at 0 only the likeliest is left (of equals the lowest id)."""
    if value <= 0:
        return given.likeliest(1)
    return given.at(given.logits / value, same_order=True)


def dynamic(given: Candidates, middle: float, reach: float, exponent: float) -> Candidates:
    """A temperature from middle − reach (sure) to middle + reach (all equally likely), by the entropy as a
    share of the largest one, to the power `exponent`. Kalomaze 2023, "dynamic temperature" of KoboldCpp."""
    low, high = max(0.0, middle - reach), middle + reach
    if len(given) == 1:
        return given
    share = entropy(given.probabilities()) / np.log(len(given))
    return temperature(given, low + (high - low) * float(np.clip(share, 0, 1)) ** exponent)


def smoothing(given: Candidates, factor: float, curve: float) -> Candidates:
    """With d the distance below the highest logit: −k·f·d² + s·f·d³ below it, k = (3 − curve) / 2,
    s = (curve − 1) / 2. Kalomaze 2024, "quadratic sampling", text-generation-webui #5403 and #5551."""
    highest = given.logits.max()
    below = given.logits - highest  # ≤ 0
    k, s = (3 - curve) / 2, (curve - 1) / 2
    return given.at(highest - k * factor * below**2 + s * factor * below**3)
