"""What the transformers child is asked to do: as the direct child's desk, with another model behind it.

Runs in the child process only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fabula.core.sampling import Sampling
from fabula.engine.direct.desk import Desk, Json
from fabula.engine.direct.forms import WholeRegex
from fabula.engine.direct.scoring import logprobs_at
from fabula.engine.direct.weights import Refused, TooLong
from fabula.engine.transformers_child.context import Context
from fabula.engine.transformers_child.guided import Guide, is_here
from fabula.engine.transformers_child.library import Settings
from fabula.engine.transformers_child.weights import Weights


class TransformersDesk(Desk):
    def __init__(self, settings: Settings) -> None:
        self.ended: set[int] = set()
        self._scales: tuple[float, ...] = (0.0,) * len(settings.adapters)
        self._vectors, self._worn = None, None
        self._pointed: list[list[Any]] = []
        self._say = lambda data: None
        self._id = 0
        self.weights: Any = Weights(settings)
        self.weights.model.pause = self.pause
        self.context: Any = Context(self.weights)
        self.context.adapt(self._scales)
        self._guide = Guide(self.weights)

    def facts(self) -> Json:
        model = self.weights.model
        told = {"version": model.version, "device": model.device, "dtype": model.dtype}
        return super().facts() | told | {"schemas": is_here()}

    def choices(self, asked: Json) -> Json:
        """One continuation after the other; the prefix is read once."""
        prefix = self._asked_ids(asked)
        if not prefix:
            raise Refused("choices need a text before them")
        continuations = [self.ids(pieces, add_special=False) for pieces, *_ in asked["continuations"]]
        longest = max(map(len, continuations), default=0)
        if len(prefix) + longest > self.context.length:
            raise TooLong(len(prefix) + longest, self.context.length)
        return {"logprobs": [self._scored(prefix, continuation) for continuation in continuations]}

    def _scored(self, prefix: Sequence[int], continuation: Sequence[int]) -> list[float]:
        found: list[float] = []
        ids = [*prefix, *continuation]
        for place, rows in self.context.read(ids[:-1], len(prefix) - 1, pause=self.pause):
            following = ids[place + 1 : place + 1 + len(rows)]
            found += logprobs_at(rows, following).tolist()
        return found

    def _form(self, sampling: Sampling, triggers: Sequence[str]) -> Any:
        if sampling.regex:
            return WholeRegex(sampling.regex, self.weights.piece, self.weights.ends)
        if sampling.json_schema:
            return self._guide.schema(sampling.json_schema) if is_here() else None
        return self._guide.grammar(sampling.grammar, triggers) if sampling.grammar else None
