"""What settings do to the next word: the distribution before all samplers and after each. Pure.

The samplers are those of `chain`, which write replies in the exact engines and agree with llama.cpp's own to
float noise. Knows no engine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fabula.core.sampling import Sampling
from fabula.core.scoring import Outlook
from fabula.engine.sampling import truncation
from fabula.engine.sampling.candidates import Candidates, Floats, Ints
from fabula.engine.sampling.chain import STEPS, Chain
from fabula.engine.sampling.history import Vocabulary
from fabula.engine.sampling.order import order
from fabula.engine.sampling.tail import rest
from fabula.engine.sampling.truncation import entropy

SPREAD = "top_n_sigma"
LEAST = 1e-12  # a probability below it is none


@dataclass(frozen=True, slots=True)
class Bar:
    """One token: its text as bytes that may be cut within a character, its probability before and after."""

    token: int
    piece: bytes
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Step:
    """After one sampler: how many tokens are left, and among how many equally likely ones it is as if chosen
    (e^entropy)."""

    name: str
    tokens: int
    choices: float


@dataclass(frozen=True, slots=True)
class Picture:
    """`bars` are the likeliest tokens before or after, by what they have after; `rest` is what all others
    have, before and after. `choices` as in `Step`; `tokens` may still be drawn."""

    bars: tuple[Bar, ...]
    rest: tuple[float, float]
    choices: tuple[float, float]
    tokens: int
    steps: tuple[Step, ...]


def picture(outlook: Outlook, sampling: Sampling, count: int) -> Picture:
    """With up to 2 · `count` bars. Where XTC strikes only now and then, what it is on average."""
    before = Candidates.of(_row(outlook)).full(outlook.vocabulary)
    after, steps = _on_average(outlook, sampling)
    known = np.asarray(outlook.tokens)
    shown = _likeliest(before, known, count) | _likeliest(after, known, count)
    bars = tuple(
        Bar(token, outlook.pieces.get(token, b""), float(before[token]), float(after[token]))
        for token in sorted(shown, key=lambda token: (-after[token], -before[token]))
    )
    seen = sum(bar.before for bar in bars), sum(bar.after for bar in bars)
    rest = max(1 - seen[0], 0.0), max(1 - seen[1], 0.0)
    return Picture(bars, rest, (_choices(before), _choices(after)), int((after > LEAST).sum()), steps)


def _on_average(outlook: Outlook, sampling: Sampling) -> tuple[Floats, tuple[Step, ...]]:
    """XTC is the one sampler that is chance itself: with and without it, weighed."""
    chance = sampling.xtc_probability
    if not 0 < chance < 1:
        return applied(outlook, sampling)
    struck, steps = applied(outlook, replace(sampling, xtc_probability=1.0))
    spared, _ = applied(outlook, replace(sampling, xtc_probability=0.0))
    return np.asarray(chance * struck + (1 - chance) * spared), steps


def applied(outlook: Outlook, sampling: Sampling) -> tuple[Floats, tuple[Step, ...]]:
    """Probabilities [vocabulary] after all samplers, and what each of them did."""
    vocabulary = Vocabulary(outlook.vocabulary, frozenset(), lambda token: outlook.pieces.get(token, b""))
    chain = Chain(sampling, vocabulary, outlook.prompt)
    given = chain.biased(_row(outlook))
    steps = []
    for name in order(sampling):
        given = _cut_by_spread(given, outlook, sampling) if name == SPREAD else STEPS[name](chain, given)
        steps.append(Step(name, len(given), _choices(given.probabilities())))
    return given.full(outlook.vocabulary), tuple(steps)


def _row(outlook: Outlook) -> Floats:
    """Logits of the whole vocabulary. What the engine did not tell is estimated, and put where it may."""
    row = np.full(outlook.vocabulary, np.nan)
    known = np.asarray(outlook.logprobs, np.float64)
    row[np.asarray(outlook.tokens)] = known
    row[np.isnan(row)] = rest(known, outlook.vocabulary)
    return row + (outlook.offset or 0.0)


def _cut_by_spread(given: Candidates, outlook: Outlook, sampling: Sampling) -> Candidates:
    """Top-n-sigma by the spread that was measured, which an estimate of the rest does not give."""
    if outlook.spread is None or len(given) < len(outlook.tokens):
        return truncation.top_n_sigma(given, sampling.top_n_sigma)
    return given.keep(given.logits >= given.logits.max() - sampling.top_n_sigma * outlook.spread)


def _choices(chances: Floats) -> float:
    return float(np.exp(entropy(chances[chances > 0])))


def _likeliest(chances: Floats, known: Ints, count: int) -> set[int]:
    """Of the tokens that were told: of the others nobody knows which is which."""
    best = known[np.argsort(-chances[known], kind="stable")[:count]]
    return {int(token) for token in best if chances[token] > LEAST}
