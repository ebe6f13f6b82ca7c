"""Samplers that leave out unlikely tokens. Pure: they know candidates and one number each.

Each keeps at least the likeliest token. `−inf` never comes in: candidates are finite.
"""

from __future__ import annotations

import numpy as np

from fabula.engine.sampling.candidates import NEAR, Candidates, Floats

UNIT = 1e-4  # of the two cutoffs: a setting of 3 is a probability of 0.0003


def top_k(given: Candidates, k: int) -> Candidates:
    """The k likeliest. Fan et al. 2018, arXiv 1805.04833."""
    return given.likeliest(max(k, 1))


def top_p(given: Candidates, p: float) -> Candidates:
    """The fewest tokens whose probabilities make up `p`. Holtzman et al. 2020, arXiv 1904.09751."""
    highest = given.logits.max()
    total = np.exp(given.logits - highest).sum()
    for count in (NEAR, 8 * NEAR, len(given)):
        ranked = given.likeliest(count)
        reached = np.cumsum(np.exp(ranked.logits - highest)) >= p * total
        if reached.any():
            return ranked.first(int(reached.argmax()) + 1)
    return given.sorted()


def min_p(given: Candidates, p: float) -> Candidates:
    """Those at least `p` times as likely as the likeliest. Nguyen et al. 2024, arXiv 2407.01082."""
    return given.keep(given.logits >= given.logits.max() + np.log(p))


def top_a(given: Candidates, a: float) -> Candidates:
    """Those with p ≥ a · p_max². BlinkDL's RWKV-LM, "top-a"."""
    chances = given.probabilities()
    return given.keep(chances >= a * chances.max() ** 2)


def top_n_sigma(given: Candidates, n: float) -> Candidates:
    """Those within n standard deviations of logits below the highest. Tang et al. 2024, arXiv 2411.07641."""
    return given.keep(given.logits >= given.logits.max() - n * given.logits.std())


def typical(given: Candidates, p: float) -> Candidates:
    """The fewest tokens, beginning with those whose surprise is nearest to the entropy, that make up more
    than `p`. Meister et al. 2022, arXiv 2202.00666."""
    ranked = given.sorted()
    chances = ranked.probabilities()
    distance = np.abs(-_log(chances) - entropy(chances))
    order = np.argsort(distance, kind="stable")
    over = np.cumsum(chances[order]) > p
    count = int(over.argmax()) + 1 if over.any() else len(order)
    kept = np.zeros(len(ranked), np.bool_)
    kept[order[:count]] = True
    return ranked.keep(kept)


def tail_free(given: Candidates, z: float) -> Candidates:
    """Cuts where the curve of ranked probabilities flattens: the absolute second differences, made to sum to
    1, are added up until they are more than `z`. Bricken 2019, trentonbricken.com/Tail-Free-Sampling."""
    ranked = given.sorted()
    if len(ranked) < 3:  # a curve has no bend
        return ranked
    bends = np.abs(np.diff(ranked.probabilities(), 2))
    if not bends.sum():
        return ranked
    within = np.cumsum(bends / bends.sum()) <= z
    return ranked.first(1 + int(within.sum()))


def epsilon(given: Candidates, cutoff: float) -> Candidates:
    """Those with p ≥ cutoff · 1e-4. Hewitt et al. 2022, arXiv 2210.15191."""
    return given.keep(given.probabilities() >= cutoff * UNIT)


def eta(given: Candidates, cutoff: float) -> Candidates:
    """Those with p ≥ min(ε, √ε · e^−entropy), ε = cutoff · 1e-4. The same paper."""
    chances, floor = given.probabilities(), cutoff * UNIT
    return given.keep(chances >= min(floor, np.sqrt(floor) * np.exp(-entropy(chances))))


def entropy(chances: Floats) -> float:
    """In nats."""
    return float(-(chances * _log(chances)).sum())


def _log(chances: Floats) -> Floats:
    return np.log(np.maximum(chances, np.finfo(np.float64).tiny))
