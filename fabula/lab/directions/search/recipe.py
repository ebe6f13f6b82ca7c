"""What a person asks of a search. Knows no model and no engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

from fabula.core.errors import BadParameter
from fabula.core.texts import phrase
from fabula.lab.directions.recipe import digest, require_threads, typed
from fabula.lab.directions.writers import Component

Goal = Literal["remove", "strengthen"]
RANGES = {"trials": (1, 2000), "prompts": (2, 64), "tokens": (4, 256), "seed": (0, 2**31)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Searching:
    """`trials` are all of them: one that goes on counts those that are there. `harmless` is a file of prompts
    on which the cost is measured; "" = plain requests that ship. `prompts` of each kind are asked, and
    `tokens` of each reply are looked at."""

    direction: str
    model: str
    goal: Goal = "remove"
    trials: int = 40
    seed: int = 1
    prompts: int = 8
    tokens: int = 24
    harmless: str = ""
    attention: bool = True
    mlp: bool = True
    threads: int = 0  # 0 = as Fabula chooses

    def __post_init__(self) -> None:
        if self.goal not in get_args(Goal):
            expected = phrase("expected.one_of", names=", ".join(get_args(Goal)))
            raise BadParameter("goal", f"{self.goal}", expected)
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                expected = phrase("expected.whole_range", low=low, high=high)
                raise BadParameter(name, f"{getattr(self, name)}", expected)
        require_threads(self.threads)
        if not self.parts:
            raise BadParameter("attention", "false", phrase("expected.one_of", names="attention, mlp"))

    @property
    def parts(self) -> tuple[Component, ...]:
        wanted: list[tuple[Component, bool]] = [("attention", self.attention), ("mlp", self.mlp)]
        return tuple(part for part, is_wanted in wanted if is_wanted)

    def arguments(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def decided(self) -> dict[str, Any]:
        """What the result depends on."""
        return {name: value for name, value in self.arguments().items() if name != "threads"}

    @property
    def each_trial(self) -> dict[str, Any]:
        """What the figures of every trial depend on, however many there are."""
        return {name: value for name, value in self.decided.items() if name != "trials"}

    @property
    def hash(self) -> str:
        return digest(self.decided)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Raises BadParameter for an unknown word, or a value of another kind."""
        return cls(**typed(cls, told))
