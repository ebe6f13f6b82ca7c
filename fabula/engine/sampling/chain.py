"""The samplers of one reply in the user's order: logits in, probabilities out, a token drawn.

Knows no engine: whatever makes a row of logits can use it. The order and the meaning of each parameter are
those of `core.sampling`; every one of them is honoured.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fabula.core.sampling import Sampling
from fabula.engine.sampling import chance, repetition, temperature, truncation
from fabula.engine.sampling.candidates import Candidates, Floats
from fabula.engine.sampling.history import History, Vocabulary
from fabula.engine.sampling.order import LAST, order, settled


@dataclass(slots=True)
class Memory:
    """What steps remember of the tokens that were drawn."""

    mu: float = 0.0  # mirostat's, bits
    mean: float = 0.0  # adaptive-p's
    weight: float = 0.0


class Chain:
    """One reply's sampling. `seed` fixes every random number.

    For each token: `candidates` of a row of logits [V], `draw` one of them, `accept` it. `rewind` goes back
    to an earlier place of the reply; random numbers go on, so that the same one is never used twice.
    """

    def __init__(
        self, sampling: Sampling, vocabulary: Vocabulary, prompt: Sequence[int] = (), *, seed: int = 0
    ) -> None:
        self.sampling = settled(sampling)
        self.vocabulary = vocabulary
        self.history = History(prompt, vocabulary.spell, sampling.dry_sequence_breakers)
        self._random = np.random.default_rng(seed)
        self._steps = [STEPS[name] for name in order(sampling)]
        self._bias = _bias(sampling)
        self.memory = Memory(mu=2 * sampling.mirostat_tau, **_settled_mean(sampling))
        self._trail: list[Memory] = []  # before each token of the reply
        self.seen: dict[str, Candidates] = {}  # what steps with a memory saw of this row

    def candidates(self, logits: ArrayLike, forbidden: Collection[int] = ()) -> Candidates:
        """What may be drawn; its `probabilities()` are the result of all samplers."""
        return self.applied(self.biased(logits, forbidden))

    def applied(self, given: Candidates) -> Candidates:
        for step in self._steps:
            given = step(self, given)
        return given

    def biased(self, logits: ArrayLike, forbidden: Collection[int] = ()) -> Candidates:
        """With biases and bans, before any sampler. Raises ValueError where they forbid every token."""
        row = np.array(logits, np.float64)
        for token, bias in self._bias.items():
            if token < len(row):
                row[token] += bias
        ends = self.sampling.ignore_eos or len(self.history.written) < self.sampling.min_tokens
        for token in (*forbidden, *(self.vocabulary.ends if ends else ())):
            row[token] = -np.inf
        if not np.isfinite(row).any():
            raise ValueError("no token is left that may be drawn")
        return Candidates.of(row)

    def draw(self, given: Candidates) -> int:
        """By one random number through the summed probabilities, in the order of the candidates."""
        if len(given) == 1:
            return int(given.ids[0])
        sums = np.cumsum(given.probabilities())
        place = int(np.searchsorted(sums, self._random.random() * sums[-1], side="right"))
        return int(given.ids[min(place, len(given) - 1)])

    def accept(self, token: int) -> None:
        """The token is part of the reply now."""
        said = self.memory
        self._trail.append(said)
        self.memory = Memory(said.mu, said.mean, said.weight)
        if "mirostat" in self.seen:
            tau, eta = self.sampling.mirostat_tau, self.sampling.mirostat_eta
            self.memory.mu = chance.mirostat_after(said.mu, tau, eta, self.seen["mirostat"], token)
        if LAST in self.seen:
            self.memory.mean, self.memory.weight = chance.adaptive_after(
                said.mean, said.weight, self.sampling.adaptive_decay, self.seen[LAST], token
            )
        self.seen.clear()
        self.history.add(token)

    def rewind(self, written: int) -> None:
        """Only the first `written` tokens of the reply are left."""
        if written < len(self._trail):
            self.memory = self._trail[written]
            del self._trail[written:]
        self.seen.clear()
        self.history.back_to(written)

    def random(self) -> float:
        return float(self._random.random())


# ── the steps ───────────────────────────────────────────────────────────────────────────────────────

Step = Callable[[Chain, Candidates], Candidates]


def _penalties(chain: Chain, given: Candidates) -> Candidates:
    asked = chain.sampling
    return repetition.penalties(
        given,
        chain.history.window(asked.repetition_window),
        repetition=asked.repetition_penalty,
        slope=asked.repetition_slope,
        presence=asked.presence_penalty,
        frequency=asked.frequency_penalty,
    )


def _dry(chain: Chain, given: Candidates) -> Candidates:
    asked = chain.sampling
    window = chain.history.window(asked.dry_window)
    return repetition.dry(
        given,
        window,
        since_breaker=chain.history.since_breaker(len(window)),
        multiplier=asked.dry_multiplier,
        base=asked.dry_base,
        allowed=asked.dry_allowed_length,
        is_breaker=chain.history.is_breaker,
    )


def _no_repeat_ngram(chain: Chain, given: Candidates) -> Candidates:
    return repetition.no_repeat_ngram(given, chain.history.tokens, chain.sampling.no_repeat_ngram)


def _encoder_penalty(chain: Chain, given: Candidates) -> Candidates:
    return repetition.encoder_penalty(given, chain.history.prompt, chain.sampling.encoder_repetition_penalty)


def _xtc(chain: Chain, given: Candidates) -> Candidates:
    asked = chain.sampling
    return chance.xtc(given, chain.random(), asked.xtc_probability, asked.xtc_threshold)


def _smoothing(chain: Chain, given: Candidates) -> Candidates:
    return temperature.smoothing(given, chain.sampling.smoothing_factor, chain.sampling.smoothing_curve)


def _dynamic(chain: Chain, given: Candidates) -> Candidates:
    asked = chain.sampling
    return temperature.dynamic(given, asked.temperature, asked.dynatemp_range, asked.dynatemp_exponent)


def _mirostat(chain: Chain, given: Candidates) -> Candidates:
    asked, mu = chain.sampling, chain.memory.mu
    version_1 = asked.mirostat == 1
    kept = chance.mirostat_1(given, mu, chain.vocabulary.size) if version_1 else chance.mirostat_2(given, mu)
    chain.seen["mirostat"] = kept
    return kept


def _adaptive(chain: Chain, given: Candidates) -> Candidates:
    chain.seen[LAST] = given
    wanted = chance.adaptive_wanted(chain.sampling.adaptive_target, chain.memory.mean)
    return chance.adaptive(given, wanted)


def _one(cut: Callable[[Candidates, Any], Candidates], field: str) -> Step:
    """A sampler of one number."""

    def step(chain: Chain, given: Candidates) -> Candidates:
        return cut(given, getattr(chain.sampling, field))

    return step


STEPS: dict[str, Step] = {
    "penalties": _penalties,
    "dry": _dry,
    "no_repeat_ngram": _no_repeat_ngram,
    "encoder_repetition_penalty": _encoder_penalty,
    "top_n_sigma": _one(truncation.top_n_sigma, "top_n_sigma"),
    "top_k": _one(truncation.top_k, "top_k"),
    "top_a": _one(truncation.top_a, "top_a"),
    "typical_p": _one(truncation.typical, "typical_p"),
    "tfs": _one(truncation.tail_free, "tfs"),
    "epsilon_cutoff": _one(truncation.epsilon, "epsilon_cutoff"),
    "eta_cutoff": _one(truncation.eta, "eta_cutoff"),
    "top_p": _one(truncation.top_p, "top_p"),
    "min_p": _one(truncation.min_p, "min_p"),
    "xtc": _xtc,
    "smoothing": _smoothing,
    "temperature": _one(temperature.temperature, "temperature"),
    "dynatemp": _dynamic,
    "mirostat": _mirostat,
    "adaptive_p": _adaptive,
}
"""Every name of `core.sampling.SAMPLERS`."""


def _bias(sampling: Sampling) -> dict[int, float]:
    """Added to the logit of each token; −inf forbids it."""
    biases: dict[int, float] = {}
    for token, bias in (*sampling.logit_bias, *((token, -np.inf) for token in sampling.banned_tokens)):
        biases[token] = biases.get(token, 0.0) + bias
    return {token: bias for token, bias in biases.items() if token >= 0}


def _settled_mean(sampling: Sampling) -> dict[str, float]:
    """Adaptive-p begins as if the target had always been met."""
    return {"mean": sampling.adaptive_target, "weight": 1 / (1 - sampling.adaptive_decay)}


def probabilities(logits: ArrayLike, sampling: Sampling, vocabulary: Vocabulary, **more: Any) -> Floats:
    """Those of the whole vocabulary [V] for one row: a chain for a single token."""
    return Chain(sampling, vocabulary, **more).candidates(logits).full(vocabulary.size)
