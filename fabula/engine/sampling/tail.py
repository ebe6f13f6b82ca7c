"""The unlikely rest of a distribution of which only the likeliest tokens are known. Pure; an estimate.

A few samplers look at all tokens (their spread, their entropy), and heat brings the rest back. Logits of a
vocabulary are spread about as a normal distribution is, measured on the starter model; so the rest goes on
from the last known token as the tail of one.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from fabula.engine.sampling.candidates import Floats

KNOTS = 2048  # of the table of quantiles
NEAR = 2  # the slope is taken from the last half of what is known


def rest(logprobs: Floats, vocabulary: int) -> Floats:
    """Log-probabilities [vocabulary − n] that may follow n known ones, which fall."""
    known = len(logprobs)
    missing = vocabulary - known
    if missing <= 0 or known < NEAR:
        return np.full(max(missing, 0), -np.inf)
    last = _quantiles(np.array([known // NEAR, known]), vocabulary)
    slope = (logprobs[known // NEAR - 1] - logprobs[-1]) / (last[0] - last[1])
    ranks = np.arange(known + 1, vocabulary + 1)
    return np.asarray(logprobs[-1] + slope * (_quantiles(ranks, vocabulary) - last[1]), np.float64)


def _quantiles(ranks: ArrayLike, count: int) -> Floats:
    """How many standard deviations above the mean the one of that rank (from 1) among `count` lies."""
    shares = (np.asarray(ranks, np.float64) - 0.5) / count
    knots = np.linspace(0.25 / count, 1 - 0.25 / count, KNOTS)
    ends = np.geomspace(0.25 / count, 0.5, KNOTS)
    places = np.unique(np.concatenate([knots, ends, 1 - ends]))
    normal = NormalDist()
    table = np.array([normal.inv_cdf(1 - place) for place in places])
    return np.asarray(np.interp(shares, places, table), np.float64)
