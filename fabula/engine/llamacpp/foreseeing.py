"""What may come next after a prompt, asked of the engine's server; and what its answers leave unsaid.

The server tells log-probabilities, of as many tokens as are asked for (each costs it and us a line of JSON).
Two samplers need what these do not have: penalties work on the logits themselves, and top-n-sigma on their
spread over all tokens. Both can be measured: the server is asked once more, with that sampler alone, and what
it did tells the number. Knows no process.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from fabula.core.sampling import Sampling
from fabula.core.scoring import Outlook

CANDIDATES = 8192  # measured: 0.14 s of a busy core, and the engine 10 MB larger; all 49,152 cost 280 MB
SPELLED = 256  # candidates whose texts are kept
PENALTY = 0.9  # of the probe: below 1 it lifts the tokens of the prompt, so that they are among the likeliest
DEEP = 2048  # the rank at which the probe of the spread is to cut
WITNESSES = 32  # penalised tokens that are believed: the likeliest, whose numbers are the most exact
TRIES = 6

Body = dict[str, Any]
Post = Callable[[Body], Awaitable[Mapping[str, Any]]]
"""Asks /completion. The body has prompt, slot and adapters already."""


async def foreseen(post: Post, prompt: Sequence[int], sampling: Sampling, vocabulary: int) -> Outlook:
    """With the offset and the spread where this sampling needs them."""
    rows = _candidates(await post({"n_probs": CANDIDATES}), "top_logprobs")
    told = [row for row in rows if row["logprob"] is not None]  # null where the number is −inf
    logprobs = {row["id"]: float(row["logprob"]) for row in told}
    return Outlook(
        prompt=tuple(prompt),
        tokens=array("i", logprobs.keys()),
        logprobs=array("f", logprobs.values()),
        vocabulary=max(vocabulary, *(token + 1 for token in logprobs)),
        pieces={row["id"]: bytes(row["bytes"]) for row in told[:SPELLED]},
        offset=await _offset(post, logprobs, set(prompt)) if sampling.needs_logits else None,
        spread=await _spread(post, logprobs) if sampling.top_n_sigma else None,
    )


def _candidates(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer["completion_probabilities"][0][name]
    return found


def _probe(sampler: str, **values: Any) -> Body:
    """That sampler alone, and what it leaves."""
    return {"samplers": [sampler], "post_sampling_probs": True, "n_probs": CANDIDATES, **values}


# ── the offset: logit − log-probability ─────────────────────────────────────────────────────────────


async def _offset(post: Post, logprobs: Mapping[int, float], prompt: Collection[int]) -> float | None:
    answer = await post(_probe("penalties", repeat_penalty=PENALTY, repeat_last_n=1 << 30))
    after = {row["id"]: row["prob"] for row in _candidates(answer, "top_probs") if row["prob"] > 0}
    return offset_of(logprobs, after, prompt)


def offset_of(
    before: Mapping[int, float], after: Mapping[int, float], penalised: Collection[int]
) -> float | None:
    """From log-probabilities before a repetition penalty of `PENALTY` and probabilities after it.

    Tokens that are not penalised all move by the same; one that is, moves by its logit · (1/r − 1), or by
    logit · (r − 1) where that is negative. Which of the two it was, the other tokens tell. None where too few
    can be seen.
    """
    moved = {token: math.log(chance) - before[token] for token, chance in after.items() if token in before}
    still = [shift for token, shift in moved.items() if token not in penalised]
    if not still:
        return None
    seen = sorted((token for token in moved if token in penalised), key=lambda token: -before[token])
    shifts = [(before[token], moved[token] - still[0]) for token in seen[:WITNESSES]]
    guesses = [logit - chance for chance, shift in shifts for logit in _logits(shift)]
    if not guesses:
        return None
    return min(guesses, key=lambda guess: _error(guess, shifts))


def _logits(shift: float) -> tuple[float, float]:
    return shift / (1 / PENALTY - 1), shift / (PENALTY - 1)


def _error(offset: float, shifts: Sequence[tuple[float, float]]) -> float:
    """How far the penalised tokens would then be from where they are."""

    def moved(logit: float) -> float:
        return logit * (1 / PENALTY - 1) if logit > 0 else logit * (PENALTY - 1)

    return sum(abs(moved(chance + offset) - shift) for chance, shift in shifts)


# ── the spread: the standard deviation of all logits ────────────────────────────────────────────────


async def _spread(post: Post, logprobs: Mapping[int, float]) -> float | None:
    """Cut at some number of standard deviations, it shows where that is: between two tokens of many."""
    ranked = sorted(logprobs.values(), reverse=True)
    sigmas = (ranked[0] - ranked[min(DEEP, len(ranked)) - 1]) / SPREAD_GUESS
    for _ in range(TRIES):
        left = len(_candidates(await post(_probe("top_n_sigma", top_n_sigma=sigmas)), "top_probs"))
        if left < min(DEEP // 8, len(ranked) // 8):
            sigmas *= 1.3
        elif left >= len(ranked):
            sigmas *= 0.7
        else:
            return (ranked[0] - (ranked[left - 1] + ranked[left]) / 2) / sigmas
    return None


SPREAD_GUESS = 3.5  # of the starter model: 3.2 to 3.8
