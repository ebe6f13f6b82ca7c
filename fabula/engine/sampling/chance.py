"""Samplers that need a random number or a memory of what was drawn. Pure: both are arguments.

What a step has to remember comes back from its `after` function, given the token that was drawn.
"""

from __future__ import annotations

import numpy as np

from fabula.engine.sampling.candidates import Candidates
from fabula.engine.sampling.truncation import top_k

HIGHEST_THRESHOLD = 0.5  # above it no two tokens could be over the threshold
MEASURED = 100  # tokens by which mirostat 1 estimates how steep the distribution is
FLATTEST, STEEPEST = 1e-3, 50.0  # exponents between which the formula has a value
LEAST, MOST_BITS = 1e-300, 1000.0
PEAK, SHARPNESS, WIDTH = 5.0, 10.0, 0.3  # of adaptive-p's curve


def xtc(given: Candidates, chance: float, probability: float, threshold: float) -> Candidates:
    """Exclude top choices: if `chance` [0, 1) is below `probability`, all tokens with p ≥ threshold but the
    least likely of them are left out. Weidmann 2024, text-generation-webui #6335."""
    if chance >= probability or threshold > HIGHEST_THRESHOLD or len(given) < 2:
        return given
    ranked = given.sorted()
    over = int((ranked.probabilities() >= threshold).sum())
    if over < 2:
        return ranked
    kept = np.arange(len(ranked)) >= over - 1
    return ranked.keep(kept)


# ── mirostat: Basu et al. 2020, arXiv 2007.14966 ────────────────────────────────────────────────────


def mirostat_1(given: Candidates, mu: float, vocabulary: int) -> Candidates:
    """The top k, with k by which a Zipf distribution as steep as this one has surprise `mu` (bits)."""
    ranked = given.sorted()
    steepness = min(max(_steepness(ranked), FLATTEST), STEEPEST)
    excess = steepness - 1
    if abs(excess) < FLATTEST:
        excess = FLATTEST  # at exactly 1 the formula is 0 / 0; its limit is near
    k = (excess * 2.0 ** min(mu, MOST_BITS) / (1 - float(vocabulary) ** -excess)) ** (1 / steepness)
    return top_k(ranked, max(int(min(k, vocabulary)), 1))


def _steepness(ranked: Candidates) -> float:
    """Zipf's exponent by least squares over the first ranks: the paper's equation 30."""
    chances = ranked.first(MEASURED).probabilities() if len(ranked) > MEASURED else ranked.probabilities()
    places = np.log(np.arange(2, len(chances) + 1) / np.arange(1, len(chances)))
    drops = -np.diff(np.log(np.maximum(chances, LEAST)))
    weight = float((places**2).sum())
    return float((places * drops).sum()) / weight if weight else 1.0


def mirostat_2(given: Candidates, mu: float) -> Candidates:
    """Those whose surprise is at most `mu` (bits)."""
    return given.keep(-np.log2(np.maximum(given.probabilities(), LEAST)) <= mu)


def mirostat_after(mu: float, tau: float, eta: float, drawn_from: Candidates, token: int) -> float:
    """The next mu, by how far the surprise of the token was from `tau`."""
    chance = chance_of(drawn_from, token)
    return mu - eta * (-np.log2(chance) - tau) if chance else mu


# ── adaptive-p: llama.cpp #17927 ────────────────────────────────────────────────────────────────────


def adaptive(given: Candidates, wanted: float) -> Candidates:
    """Tokens are the likelier the nearer their probability is to `wanted`."""
    distance = np.abs(given.probabilities() - wanted) / WIDTH
    return given.at(PEAK - SHARPNESS * distance**2 / (1 + distance))


def adaptive_wanted(target: float, mean: float) -> float:
    """What to aim at so that the mean comes back to the target."""
    return float(np.clip(2 * target - mean, 0, 1))


def adaptive_after(
    mean: float, weight: float, decay: float, before: Candidates, token: int
) -> tuple[float, float]:
    """The next (mean, weight) of the probabilities that drawn tokens had before they were bent."""
    chance = chance_of(before, token)
    if not chance:
        return mean, weight
    grown = 1 + decay * weight
    return (chance + decay * weight * mean) / grown, grown


def chance_of(given: Candidates, token: int) -> float:
    """0 for a token that is not among them."""
    place = np.flatnonzero(given.ids == token)
    return float(given.probabilities()[place[0]]) if len(place) else 0.0
