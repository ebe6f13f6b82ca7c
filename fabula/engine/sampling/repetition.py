"""Samplers against repetition: they read the tokens so far. Pure; they know ids, not what they mean.

`tokens` [t] are those of the prompt and of the reply, the latest last.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fabula.engine.sampling.candidates import Candidates, Floats, Ints


def penalties(
    given: Candidates,
    tokens: Ints,
    *,
    repetition: float,
    slope: float,
    presence: float,
    frequency: float,
) -> Candidates:
    """Tokens of the window lose: their logit is divided by `repetition`, or multiplied where it is negative,
    less `frequency` for each time they occur and less `presence` once.

    Keskar et al. 2019, arXiv 1909.05858 (without scaling up negative logits), and OpenAI's API reference.
    With a slope other than 1, tokens that occur only in the older half of the window are penalised with
    1 + (repetition − 1) · slope: KoboldCpp's `rep_pen_slope`.
    """
    if not len(tokens):
        return given
    names, counts = np.unique(tokens, return_counts=True)
    times = _at(given.ids, names, counts.astype(np.float64))
    there = times > 0
    strength = np.where(there, repetition, 1.0)
    if slope != 1:
        recent = np.isin(given.ids, tokens[len(tokens) // 2 :])
        strength = np.where(there & ~recent, 1 + (repetition - 1) * slope, strength)
    logits = _divided(given.logits, strength) - times * frequency - there * presence
    return given.at(logits)


def encoder_penalty(given: Candidates, prompt: Ints, strength: float) -> Candidates:
    """Above 1 it favours the tokens of the prompt: the inverse of the repetition penalty, as
    `encoder_repetition_penalty` of Hugging Face's generation has it."""
    there = np.isin(given.ids, prompt)
    return given.at(_divided(given.logits, np.where(there, 1 / strength, 1.0)))


def no_repeat_ngram(given: Candidates, tokens: Ints, size: int) -> Candidates:
    """Without the tokens that would make a run of `size` tokens occur twice. Paulus et al. 2017, arXiv
    1705.04304."""
    if len(tokens) < size:
        return given
    if size == 1:
        return given.keep(~np.isin(given.ids, tokens))
    runs = np.lib.stride_tricks.sliding_window_view(tokens, size)
    same = (runs[:, :-1] == tokens[len(tokens) - size + 1 :]).all(axis=1)
    return given.keep(~np.isin(given.ids, runs[same, -1]))


def dry(
    given: Candidates,
    tokens: Ints,
    *,
    since_breaker: int,
    multiplier: float,
    base: float,
    allowed: int,
    is_breaker: Callable[[int], bool] = lambda token: False,
) -> Candidates:
    """Don't repeat yourself: a token that would lengthen a repetition of n ≥ `allowed` tokens loses
    multiplier · base^(n − allowed). Weidmann 2024, text-generation-webui #5677.

    Repetitions reach no further back than the last sequence breaker, `since_breaker` tokens ago, and a
    breaker itself is never penalised.
    """
    found = repeats(tokens, since_breaker)
    longest = {token: length for token, length in found.items() if not is_breaker(token)}
    ids = np.fromiter(longest, np.int64, len(longest))
    lengths = np.fromiter(longest.values(), np.float64, len(longest))
    ids, lengths = ids[lengths >= max(allowed, 1)], lengths[lengths >= max(allowed, 1)]
    if not len(ids):
        return given
    return given.at(given.logits - _at(given.ids, ids, multiplier * _power(base, lengths - allowed)))


def repeats(tokens: Ints, reach: int) -> dict[int, int]:
    """For each token that followed an earlier occurrence of the end of `tokens`: how long the longest such
    occurrence is, at most `reach`."""
    last = len(tokens) - 1
    reach = min(reach, last)
    if reach < 1:
        return {}
    ends = np.flatnonzero(tokens[:last] == tokens[last])
    lengths = np.ones(len(ends), np.int64)
    alive = np.arange(len(ends))
    for back in range(1, reach):
        alive = alive[ends[alive] >= back]
        alive = alive[tokens[ends[alive] - back] == tokens[last - back]]
        if not len(alive):
            break
        lengths[alive] += 1
    found: dict[int, int] = {}
    for following, length in zip(tokens[ends + 1].tolist(), lengths.tolist(), strict=True):
        found[following] = max(found.get(following, 0), length)
    return found


def _power(base: float, exponents: Floats) -> Floats:
    """Never infinite: a penalty that large forbids anyway."""
    largest = 80.0 / np.log(base) if base > 1 else np.inf
    return np.asarray(base ** np.minimum(exponents, largest), np.float64)


def _at(ids: Ints, names: Ints, values: Floats) -> Floats:
    """The value of each id's name, 0 where it has none: [n] from names [m] and values [m], m > 0."""
    order = np.argsort(names)
    names, values = names[order], values[order]
    place = np.minimum(np.searchsorted(names, ids), len(names) - 1)
    return np.where(names[place] == ids, values[place], 0.0)


def _divided(logits: Floats, strength: Floats) -> Floats:
    return np.where(logits > 0, logits / strength, logits * strength)
