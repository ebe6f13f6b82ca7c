"""How a direction is put to use: at which layers, how strongly, in which parts. Knows no file.

One direction for all layers (`global`), or each layer's own (`layers`). The strength by layer is a ramp:
`peak` at its middle, falling to `floor` at `reach` layers from there, nothing beyond; the usual one is flat
over the layers that the direction was found good at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

import numpy as np

from fabula.core.errors import BadParameter
from fabula.core.texts import phrase
from fabula.lab.directions import maths
from fabula.lab.directions.ablate import Cut, Vector, seen_behind
from fabula.lab.directions.recipe import typed
from fabula.lab.directions.saved import Direction
from fabula.lab.directions.writers import COMPONENTS, USUAL, Component, Writer

Scope = Literal["global", "layers"]
STRONGEST = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """Strength by layer. `middle` and `reach` in layers, fractions allowed."""

    peak: float = 1.0
    floor: float = 1.0
    middle: float = 0.0
    reach: float = 0.0

    def at(self, layer: int) -> float:
        away = abs(layer - self.middle)
        if away > self.reach:
            return 0.0
        share = away / self.reach if self.reach else 0.0
        return self.peak + share * (self.floor - self.peak)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """`layer` None: the best one; it may lie between two. `first` and `last` None: those that were found
    good. A ramp of a component stands in place of the flat one."""

    scope: Scope = "global"
    layer: float | None = None
    first: int | None = None
    last: int | None = None
    strength: float = 1.0
    targets: tuple[Component, ...] = USUAL
    keep_norms: bool = False
    attention: Ramp | None = None
    mlp: Ramp | None = None

    def __post_init__(self) -> None:
        if self.scope not in get_args(Scope):
            raise BadParameter("scope", f"{self.scope}", phrase("expected.one_of", names="global, layers"))
        if not self.targets or not set(self.targets) <= set(COMPONENTS):
            names = ", ".join(COMPONENTS)
            raise BadParameter(
                "targets", ", ".join(self.targets) or "–", phrase("expected.one_of", names=names)
            )
        if not -STRONGEST <= self.strength <= STRONGEST:
            raise BadParameter("strength", f"{self.strength}", phrase("expected.range", low="-4", high="4"))

    def span(self, direction: Direction) -> tuple[int, int]:
        """First and last layer. Raises BadParameter."""
        first, last = direction.band
        first = first if self.first is None else self.first
        last = last if self.last is None else self.last
        if not 0 <= first <= last < direction.layers:
            expected = phrase("expected.whole_range", low=0, high=direction.layers - 1)
            raise BadParameter("layers", f"{first}–{last}", expected)
        self.source(direction)
        return first, last

    def source(self, direction: Direction) -> float:
        """The layer whose direction is meant where there is one for all. Raises BadParameter."""
        layer = direction.best if self.layer is None else self.layer
        if not 0 <= layer <= direction.layers - 1:
            expected = phrase("expected.range", low="0", high=f"{direction.layers - 1}")
            raise BadParameter("layer", f"{layer:g}", expected)
        return layer

    def weight(self, writer: Writer, direction: Direction) -> float:
        """0 where a writer is left alone. Embeddings have no layer: they are changed whole."""
        if writer.component not in self.targets:
            return 0.0
        if writer.layer is None:
            return self.strength
        ramp = {"attention": self.attention, "mlp": self.mlp}.get(writer.component)
        if ramp is not None:
            return self.strength * ramp.at(writer.layer)
        first, last = self.span(direction)
        return self.strength if first <= writer.layer <= last else 0.0

    def vector(self, writer: Writer, direction: Direction, norm: Vector | None = None) -> Vector:
        """Of length 1, as the writer sees it."""
        layer = writer.layer or 0
        if self.scope == "layers":
            found = direction.direction[min(layer, direction.layers - 1)]
        else:
            found = maths.at(direction.direction, self.source(direction))
        if direction.is_projected_twice:
            found = maths.unit(maths.without(found, direction.negative[min(layer, direction.layers - 1)]))
        return seen_behind(found, norm)

    def cut(self, writer: Writer, direction: Direction, norm: Vector | None = None) -> Cut:
        vector = self.vector(writer, direction, norm)
        return Cut(vector, self.weight(writer, direction), self.keep_norms and not writer.is_bias)

    def touched(self, writers: Sequence[Writer], direction: Direction) -> list[Writer]:
        """Those that change. Raises BadParameter where none does."""
        found = [writer for writer in writers if self.weight(writer, direction)]
        if not found:
            raise BadParameter("targets", ", ".join(self.targets), phrase("lab.directions.nothing_touched"))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A direction, a model and how the one is put to use in the other, as a person asks for it. `layer`,
    `first` and `last` None: as the direction was found best; `layer` may lie between two. A ramp stands in
    place of the same strength at all layers. `name` is that of what is made; "" = as Fabula chooses."""

    direction: str
    model: str
    name: str = ""
    scope: Scope = "global"
    strength: float = 1.0
    keep_norms: bool = False
    attention: bool = True
    mlp: bool = True
    embeddings: bool = False
    layer: float | None = None
    first: int | None = None
    last: int | None = None
    attention_ramp: Ramp | None = None
    mlp_ramp: Ramp | None = None

    @property
    def use(self) -> Use:
        """Raises BadParameter."""
        parts: list[tuple[Component, bool]] = [
            ("attention", self.attention),
            ("mlp", self.mlp),
            ("embeddings", self.embeddings),
        ]
        return Use(
            scope=self.scope,
            layer=self.layer,
            first=self.first,
            last=self.last,
            strength=self.strength,
            targets=tuple(part for part, wanted in parts if wanted),
            keep_norms=self.keep_norms,
            attention=self.attention_ramp,
            mlp=self.mlp_ramp,
        )

    def arguments(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Raises BadParameter."""
        made = dict(told)
        for name in ("attention_ramp", "mlp_ramp"):
            if isinstance(made.get(name), dict):
                made[name] = Ramp(**typed(Ramp, made[name]))
        return cls(**typed(cls, made))


def steering(direction: Direction, use: Use) -> dict[int, Vector]:
    """What is added at each layer at scale 1: together about as far as the two sides lie apart, shared out
    evenly. The first layer cannot be steered."""
    first, last = use.span(direction)
    layers = list(range(max(first, 1), last + 1))
    distance = direction.distances
    made = {}
    for layer in layers:
        writer = Writer("", layer, "mlp", 0, (direction.width,))
        length = distance[layer] / np.sqrt(len(layers))
        made[layer] = use.vector(writer, direction) * length * use.strength
    return made


def added(direction: Direction, use: Use) -> dict[int, Vector]:
    """As `steering`, where anything is added. Raises BadParameter where nothing is."""
    if not use.strength:
        raise BadParameter("strength", f"{use.strength:g}", phrase("lab.directions.add.not_zero"))
    rows = {layer: row for layer, row in steering(direction, use).items() if row.any()}
    if not rows:
        raise BadParameter("layers", "0", phrase("expected.layer_from_one"))
    return rows
