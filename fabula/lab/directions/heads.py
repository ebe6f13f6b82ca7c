"""What comes behind the last layer: the final norm and the output head, which is read in pieces. Knows no
texts.

The model's own class computes the logits of each piece of the vocabulary, with layers that answer the hidden
states which they are to have given. Of each place only what is asked for is kept while the vocabulary goes
by: the largest logit, the sum of exponentials against it, and the difference of two models weighted with
them, from which KL follows (Milakov & Gimelshein 2018, arXiv 1805.02867).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabula.core.errors import CannotStream, VocabulariesDiffer, WeightsUnusable
from fabula.core.scoring import Divergence
from fabula.core.texts import phrase
from fabula.lab.directions.skeleton import Rows, Skeleton

PIECE = 32 << 20  # bytes of a head in 32 bits
TOKENS = 4096  # of a piece, at most
PLACES = 512  # that are computed with at a time
NOTHING = -1  # no token follows

Tell = Callable[[float], None]
"""Told the share of the vocabulary that is done; may raise to end the work."""


class Head:
    """Of one model; `turn_to` fills a piece of it."""

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton, self._torch = skeleton, skeleton.torch
        self._module = skeleton.model.get_output_embeddings()
        if self._module is None:
            raise CannotStream(skeleton.name, phrase("lab.convert.missing", tensor="lm_head"))
        if skeleton.names.head is None:
            raise WeightsUnusable(skeleton.name, phrase("lab.convert.missing", tensor="lm_head.weight"))
        self._source = skeleton.names.head
        self.vocabulary = skeleton.tensors[self._source].stored.shape[0]
        self._bias = (
            self._whole(self._module, "bias") if getattr(self._module, "bias", None) is not None else None
        )
        self._given: Any = None

    def answer(self, *_: Any, **__: Any) -> Any:
        """As every layer does: what the last one gave."""
        return self._given

    def fill_norm(self) -> None:
        norm = self._skeleton.decoder.norm
        for name, _ in list(norm.named_parameters(recurse=False)):
            setattr(norm, name, self._parameter(self._whole(norm, name)))

    def turn_to(self, first: int, count: int) -> None:
        """The tokens from `first` on. Raises WeightsUnusable."""
        rows = self._skeleton.tensors.floats(self._source, first, count)
        if not np.isfinite(rows.sum()):
            reason = phrase("lab.quantize.not_finite", tensor=self._source)
            raise WeightsUnusable(self._skeleton.name, reason)
        self._module.weight = self._parameter(rows)
        if self._bias is not None:
            self._module.bias = self._parameter(self._bias[first : first + count])

    def logits(self, hidden: Rows) -> Any:
        """[places, width] → [places, tokens of the piece]"""
        self._given = self._torch.from_numpy(hidden).to(self._skeleton.device)[None]
        return self._skeleton.model(inputs_embeds=self._given, use_cache=False).logits[0].float()

    def _whole(self, module: Any, name: str) -> Rows:
        """A parameter beside the layers."""
        skeleton = self._skeleton
        place = next(place for place, one in skeleton.model.named_modules() if one is module)
        source = skeleton.names.outside.get(f"{place}.{name}")
        if source is None:
            raise WeightsUnusable(skeleton.name, phrase("lab.convert.missing", tensor=f"{place}.{name}"))
        return skeleton.tensors.floats(source)

    def _parameter(self, values: Rows) -> Any:
        made = self._torch.from_numpy(np.ascontiguousarray(values)).to(self._skeleton.device)
        return self._torch.nn.Parameter(made, requires_grad=False)


@contextlib.contextmanager
def head(skeleton: Skeleton) -> Iterator[Head]:
    """While it is open, the layers compute nothing. Raises CannotStream, WeightsUnusable."""
    made = Head(skeleton)
    made.fill_norm()
    for layer in skeleton.layers:
        layer.forward = made.answer
    try:
        with skeleton.torch.inference_mode():
            yield made
    finally:
        for layer in skeleton.layers:
            del layer.forward


def pieces(vocabulary: int, width: int) -> Iterator[tuple[int, int]]:
    """First token and count."""
    step = max(1, min(TOKENS, PIECE // (4 * width)))
    return ((first, min(step, vocabulary - first)) for first in range(0, vocabulary, step))


def likeliest(skeleton: Skeleton, hidden: Rows, tell: Tell) -> list[int]:
    """The token that is likeliest after each of [places, width]."""
    with head(skeleton) as one:
        seen = _Seen(skeleton, np.full(len(hidden), NOTHING))
        for first, count in pieces(one.vocabulary, hidden.shape[1]):
            tell(first / one.vocabulary)
            one.turn_to(first, count)
            seen.add(slice(None), first, one.logits(hidden))
        return [int(token) for token in seen.top.tolist()]


Hidden = tuple[Rows, Rows]


def compared(
    pair: tuple[Skeleton, Skeleton],
    hidden: Hidden,
    index: NDArray[np.int64],
    following: Sequence[int],
    tell: Tell,
) -> list[Divergence]:
    """At each place: `index` tells the row of both models' last hidden states, `following` the token that
    comes, or NOTHING. Raises CannotStream, WeightsUnusable, VocabulariesDiffer."""
    with head(pair[0]) as one, head(pair[1]) as other:
        if one.vocabulary != other.vocabulary:
            raise VocabulariesDiffer(pair[0].name, pair[1].name)
        seen = _Both(pair[0], np.asarray(following))
        for first, count in pieces(one.vocabulary, hidden[0].shape[1]):
            tell(first / one.vocabulary)
            one.turn_to(first, count)
            other.turn_to(first, count)
            for start in range(0, len(index), PLACES):
                rows = index[start : start + PLACES]
                at = slice(start, start + len(rows))
                seen.add(at, first, one.logits(hidden[0][rows]), other.logits(hidden[1][rows]))
        return seen.divergences()


class _Seen:
    """What one model thinks at each place, of the tokens that went by."""

    def __init__(self, skeleton: Skeleton, following: NDArray[np.int64]) -> None:
        torch, device = skeleton.torch, skeleton.device
        self._torch, places = torch, len(following)
        self._following = torch.from_numpy(following).to(device)
        least = torch.finfo(torch.float32).min
        self.most = torch.full((places,), least, dtype=torch.float64, device=device)
        self.sum = torch.zeros(places, dtype=torch.float64, device=device)
        self.top = torch.zeros(places, dtype=torch.int64, device=device)
        self.logit = torch.full((places,), torch.nan, dtype=torch.float64, device=device)

    def add(self, at: slice, first: int, logits: Any) -> tuple[Any, Any]:
        """Weights of the new tokens, and what older sums are multiplied with: both against the largest."""
        torch = self._torch
        most, top = logits.max(dim=1)
        before, most = self.most[at], most.double()
        self.top[at] = torch.where(most > before, top + first, self.top[at])
        now = torch.maximum(before, most)
        weights, shrink = torch.exp(logits - now.float()[:, None]), torch.exp(before - now)
        self.sum[at] = self.sum[at] * shrink + weights.sum(dim=1, dtype=torch.float64)
        self.most[at] = now
        column = self._following[at] - first
        is_here = (column >= 0) & (column < logits.shape[1])
        found = logits.gather(1, column.clamp(0, logits.shape[1] - 1)[:, None])[:, 0].double()
        self.logit[at] = torch.where(is_here, found, self.logit[at])
        return weights, shrink

    @property
    def log_sum(self) -> Any:
        """log Σ e^logit"""
        return self.most + self._torch.log(self.sum)

    def logprobs(self) -> list[float | None]:
        """Of the tokens that follow."""
        told = zip((self.logit - self.log_sum).tolist(), self._following.tolist(), strict=True)
        return [None if token == NOTHING else value for value, token in told]


class _Both:
    def __init__(self, skeleton: Skeleton, following: NDArray[np.int64]) -> None:
        self._torch = skeleton.torch
        self._one, self._other = _Seen(skeleton, following), _Seen(skeleton, following)
        self._apart = self._torch.zeros_like(self._one.sum)

    def add(self, at: slice, first: int, one: Any, other: Any) -> None:
        torch = self._torch
        weights, shrink = self._one.add(at, first, one)
        self._other.add(at, first, other)
        apart = torch.where(weights > 0, weights * (one - other), 0.0).sum(dim=1, dtype=torch.float64)
        self._apart[at] = self._apart[at] * shrink + apart

    def divergences(self) -> list[Divergence]:
        """KL = Σ p · (one − other) − log Σ e^one + log Σ e^other"""
        one, other = self._one, self._other
        kl = (self._apart / one.sum - one.log_sum + other.log_sum).clamp(min=0)
        rows = zip(
            kl.tolist(), one.logprobs(), other.logprobs(), (one.top == other.top).tolist(), strict=True
        )
        return [Divergence(*row) for row in rows]
