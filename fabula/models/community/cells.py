"""The best type of a kind of model on a card: wholly on it, or with a part in memory, and how fast. Pure."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from fabula.core.plan import HOST, Plan
from fabula.models import cards
from fabula.models.fit import Wanted, plan
from fabula.models.fit.speed import of_card, speed
from fabula.models.hardware import Machine
from fabula.models.known import skeletons
from fabula.models.recommend import LOW, MEMORY_RATE, load_of

GIB = 1 << 30
TYPES = (
    *("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "IQ3_M", "IQ3_XXS", "Q2_K"),
    *("IQ2_M", "IQ2_XXS"),
)
"""From the most bits to the fewest."""


@dataclass(frozen=True, slots=True)
class Place:
    """A card of the table in a machine with so much memory (bytes), and nothing else on either."""

    card: str
    memory: int

    @property
    def machine(self) -> Machine:
        return Machine(
            system="",
            processor="",
            cores=8,
            physical_cores=8,
            memory=self.memory,
            memory_available=self.memory,
            gpus=(cards.find(self.card).gpu,),
        )


@dataclass(frozen=True, slots=True)
class Fit:
    """A type that works, with its plan and the tokens per second that are likely."""

    type: str
    plan: Plan
    rate: tuple[float, float]

    @property
    def on_card(self) -> int:
        """Bytes."""
        return sum(device.total for device in self.plan.devices if device.name != HOST)

    @property
    def whole(self) -> bool:
        """Whether all of it is on the card."""
        return self.plan.verdict in ("fits", "tight") and self.plan.gpu_layers > 0

    @property
    def low(self) -> bool:
        """Below IQ3: better a smaller model."""
        return bool(LOW.match(self.type))


@dataclass(frozen=True, slots=True)
class Cell:
    """`whole` is the highest type on the card alone, `part` the highest with the memory's help."""

    whole: Fit | None
    part: Fit | None

    @property
    def impossible(self) -> bool:
        """Not even card and memory together hold the smallest type."""
        return self.whole is None and self.part is None


@functools.cache
def fit(place: Place, kind: str, type_: str, context: int) -> Fit | None:
    """None where card and memory together do not hold it."""
    body = skeletons.body(kind, type_)
    assert body is not None
    model = skeletons.model(kind, type_)
    planned = plan(model, place.machine, Wanted(context=context, slots=1), gpu=True, anatomy=body)
    if planned.verdict == "no":
        return None
    bandwidth = cards.find(place.card).bandwidth
    rate = speed(body, load_of(planned), of_card(MEMORY_RATE), of_card(bandwidth))
    return Fit(type_, planned, rate.written if rate else (0.0, 0.0))


@functools.cache
def cell(place: Place, kind: str, context: int) -> Cell:
    found = [each for type_ in TYPES if (each := fit(place, kind, type_, context)) is not None]
    whole = next((each for each in found if each.whole), None)
    part = next((each for each in found if not each.whole and each.type != "F16"), None)
    better = part if part and (whole is None or TYPES.index(part.type) < TYPES.index(whole.type)) else None
    return Cell(whole, better)
