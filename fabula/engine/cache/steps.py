"""Where a long prompt is read in steps, so that a model that cannot go back keeps a checkpoint there. Pure.

Recurrent and hybrid models hold one state, sliding-window models the last tokens: an edit in the middle would
make them read everything again. llama.cpp keeps a checkpoint a few tokens before the end of every prompt; so
the messages of a prompt that is new are given to it as prompts of their own, one after the other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fabula.core.model import LocalModel
from fabula.core.stream import Delta, Finished, Prefill
from fabula.models.formats.gguf import BadHeader, Header, read_header

BEFORE_END = 4  # tokens between the engine's checkpoint and the end of a prompt
_ONE_WAY = (".ssm.", ".wkv.", ".shortconv.", ".attention.sliding_window")


def cannot_go_back(model: LocalModel) -> bool:
    """Whether the model's memory cannot be cut at any place, by its header."""
    try:
        return one_way(read_header(model.path))
    except BadHeader:
        return False  # the engine has loaded it all the same


def one_way(header: Header) -> bool:
    return any(part in key and value != 0 for key, value in header.metadata.items() for part in _ONE_WAY)


def steps(
    ids: Sequence[int], openings: Iterable[Sequence[int]], *, start: int, apart: int
) -> tuple[int, ...]:
    """Ends of the prompts that are read before the whole one; `start` tokens are there already.

    There is one for the last message of the user, and before it for those that are `apart` tokens apart.
    """
    places = sorted({place for opening in openings for place in _found(ids, opening, start)})
    chosen, last = [], start
    for place in places:
        if place - last >= apart or place == places[-1]:
            chosen.append(place + BEFORE_END)
            last = place
    return tuple(end for end in chosen if start < end < len(ids))


def _found(ids: Sequence[int], part: Sequence[int], start: int) -> list[int]:
    length = len(part)
    if not length:
        return []
    first, wanted = part[0], tuple(part)
    ends = range(start, len(ids) - length + 1)
    return [at for at in ends if ids[at] == first and tuple(ids[at : at + length]) == wanted]


@dataclass(slots=True)
class Steps:
    """Makes several readings look like one: what was there before the first, the time of all."""

    _reused: int | None = None
    _total: int = 0
    _read: int = 0
    _ms: float = 0.0

    def step(self, delta: Delta, total: int) -> Delta:
        """A delta of a reading before the last; `total` tokens make up the whole prompt."""
        self._total = total
        if isinstance(delta, Finished):
            self._ms += delta.prompt_ms
        return self._as_one(delta)

    def last(self, delta: Delta) -> Delta:
        if isinstance(delta, Finished) and self._total and self._reused is not None:
            return dataclasses.replace(
                delta,
                reused_tokens=self._reused,
                processed_tokens=delta.prompt_tokens - self._reused,
                prompt_ms=delta.prompt_ms + self._ms,
            )
        return self._as_one(delta) if self._total else delta

    def _as_one(self, delta: Delta) -> Delta:
        if not isinstance(delta, Prefill):
            return delta
        if self._reused is None:
            self._reused = delta.reused
        self._read = max(self._read, delta.processed)  # a reading may begin before the last one ended
        return Prefill(self._read, self._total, self._reused)
