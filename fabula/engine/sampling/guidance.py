"""Classifier-free guidance: away from what a negative prompt would bring. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fabula.engine.sampling.candidates import Floats


def guided(wanted: ArrayLike, unwanted: ArrayLike, scale: float) -> Floats:
    """Both rows [V] as log-probabilities: unwanted + scale · (wanted − unwanted). 1 changes nothing.

    Sanchez et al. 2023, arXiv 2306.17806.
    """
    with_it, without = log_softmax(wanted), log_softmax(unwanted)
    return np.asarray(without + scale * (with_it - without), np.float64)


def log_softmax(logits: ArrayLike) -> Floats:
    """Log-probabilities (nats) of a row [V] or of rows [n, V]."""
    rows = np.asarray(logits, np.float64)
    shifted = rows - rows.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), np.float64)
