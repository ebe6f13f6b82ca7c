"""What to try next, and what to make of it: the search of `fabula engine tune`. Pure.

Knows no engine and no clock. `search` is a generator: it yields duels, is sent their outcomes (None = there
is no time for more of them) and returns what was found. One axis after the other:

    threads → batch → flash attention → the winner against the start → speculation → KV types (when asked)

On the axes that are numbers it walks to the better neighbour in ever smaller steps, so that any surface
with one valley is followed to its bottom. The walk trusts medians; what is *chosen* has to beat the start by
a margin once more at the end. A duel that was measured under load never moves anything.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from fabula.core.load import LoadOptions

Axis = Literal["threads", "batch", "flash_attention", "confirm", "speculation", "kv_type"]

MARGIN = 0.03  # of the time of a turn: less is not worth a change
CLEAR = 0.10  # what takes memory, or every core, has to win by this
HARMLESS = 0.03  # free text may cost this more under speculation
EVERY = 8  # up to here each number of threads is a candidate; from here every fourth part
BATCHES = (64, 128, 256, 512)
"""Tokens. A turn reads about 500, so that larger ones could not be told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One way to load a model: a point of the search."""

    threads: int
    batch: int
    flash_attention: str = "auto"
    kv_type: str = "f16"
    speculation: str = "none"

    def beyond(self, start: Setup) -> LoadOptions:
        """What differs from the start, as load options."""
        before = start.all()
        return LoadOptions(**{name: value for name, value in self.all().items() if value != before[name]})

    def all(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What may be tried. An axis without values is left as it is.

    `spare_cores`: all cores are only offered; else they are chosen when they win clearly, as the person said.
    `roomy`: whether the memory that goes with flash attention off is small change.
    """

    cores: int
    threads: tuple[int, ...] = ()
    batches: tuple[int, ...] = ()
    flash_attention: tuple[str, ...] = ()
    speculation: tuple[str, ...] = ()
    kv_types: tuple[str, ...] = ()
    spare_cores: bool = True
    roomy: bool = False


@dataclass(frozen=True, slots=True)
class Duel:
    """Two setups to be measured in turns. `axis` is what is being decided."""

    axis: Axis
    champion: Setup
    challenger: Setup


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Times of a typical turn, challenger over champion: the median of the rounds, and how they scattered."""

    ratio: float
    spread: float = 0.0
    repeating: float = 1.0  # the same for text that repeats itself; only speculation has it measured
    same_text: bool = True  # both wrote the same at temperature 0
    noisy: bool = False  # other programs had the processor


@dataclass(frozen=True, slots=True)
class Offer:
    """What was faster and is left to the person. `why` is the end of a text key."""

    name: str
    value: int | str
    ratio: float
    why: Literal["every_core", "memory", "quality"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    start: Setup
    best: Setup
    ratio: float = 1.0  # time of a turn, best over start
    offers: tuple[Offer, ...] = ()
    confirmed: bool = True  # False: the last comparison was measured under load


Steps = Generator[Duel, Outcome | None]


def thread_counts(cores: int) -> tuple[int, ...]:
    """Each number up to `EVERY`, then about every fourth part more, and the last two."""
    counts, count = set(range(1, min(cores, EVERY) + 1)), EVERY
    while count < cores:
        counts.add(count)
        count += max(1, count // 4)
    return tuple(sorted(counts | {max(1, cores - 1), cores}))


def search(start: Setup, space: Space) -> Generator[Duel, Outcome | None, Found]:
    """From the setup that a model is loaded with anyway to the best one that was found."""
    offers: list[Offer] = []
    walked = yield from _walk(start, "threads", space.threads, space, offers)
    walked = yield from _walk(walked, "batch", space.batches, space, offers)
    walked = yield from _attention(walked, space, offers)
    best, ratio, confirmed = yield from _confirmed(start, walked)
    best = yield from _speculation(best, space)
    yield from _kv_types(best, space, offers)
    return Found(start=start, best=best, ratio=ratio, offers=tuple(offers), confirmed=confirmed)


# ── axes that are numbers ───────────────────────────────────────────────────────────────────────────


def _walk(
    champion: Setup,
    axis: Literal["threads", "batch"],
    values: Sequence[int],
    space: Space,
    offers: list[Offer],
) -> Generator[Duel, Outcome | None, Setup]:
    """To the better neighbour as long as there is one; each value is measured at most once."""
    if getattr(champion, axis) not in values:
        return champion
    tried = {getattr(champion, axis)}
    stride = max(1, len(values) // 4)
    while stride:
        near = _neighbours(values, getattr(champion, axis), stride)
        nearby = [value for value in near if value not in tried]
        if not nearby:
            stride //= 2
            continue
        tried.add(nearby[0])
        duel = Duel(axis, champion, _with(champion, axis, nearby[0]))
        outcome = yield duel
        if outcome is None:
            return champion
        if _moves(duel, outcome, space, offers):
            champion = duel.challenger
    return champion


def _neighbours(values: Sequence[int], now: int, stride: int) -> list[int]:
    """The smaller one first: it takes less from the rest of the machine."""
    place = values.index(now)
    return [values[at] for at in (place - stride, place + stride) if 0 <= at < len(values)]


def _moves(duel: Duel, outcome: Outcome, space: Space, offers: list[Offer]) -> bool:
    if outcome.noisy:
        return False
    if duel.axis == "threads" and duel.challenger.threads >= space.cores > 1:
        return _takes_every_core(duel, outcome, space, offers)
    return outcome.ratio < 1


def _takes_every_core(duel: Duel, outcome: Outcome, space: Space, offers: list[Offer]) -> bool:
    """A machine that others use too collapses with every core taken, so it is not done by itself."""
    if outcome.ratio > 1 - CLEAR:
        return False
    if space.spare_cores:
        offers.append(Offer("threads", duel.challenger.threads, outcome.ratio, "every_core"))
    return not space.spare_cores


# ── the others ──────────────────────────────────────────────────────────────────────────────────────


def _attention(champion: Setup, space: Space, offers: list[Offer]) -> Generator[Duel, Outcome | None, Setup]:
    for value in space.flash_attention:
        outcome = yield (duel := Duel("flash_attention", champion, replace(champion, flash_attention=value)))
        if outcome is None:
            return champion
        if outcome.noisy or outcome.ratio > 1 - CLEAR:
            continue
        if space.roomy:
            champion = duel.challenger
        else:
            offers.append(Offer("flash_attention", value, outcome.ratio, "memory"))
    return champion


def _confirmed(start: Setup, walked: Setup) -> Generator[Duel, Outcome | None, tuple[Setup, float, bool]]:
    """The winner has to beat the start by more than the margin and more than chance."""
    if walked == start:
        return start, 1.0, True
    outcome = yield Duel("confirm", start, walked)
    if outcome is None or outcome.noisy:
        return start, 1.0, False
    if outcome.ratio + max(MARGIN, outcome.spread) > 1:
        return start, 1.0, True
    return walked, outcome.ratio, True


def _speculation(champion: Setup, space: Space) -> Generator[Duel, Outcome | None, Setup]:
    """Chosen when it writes the same, is faster where text repeats itself and costs nothing elsewhere."""
    for value in space.speculation:
        outcome = yield (duel := Duel("speculation", champion, replace(champion, speculation=value)))
        if outcome is None:
            return champion
        gains = outcome.repeating <= 1 - CLEAR and outcome.ratio <= 1 + HARMLESS
        if gains and outcome.same_text and not outcome.noisy:
            champion = duel.challenger
    return champion


def _kv_types(champion: Setup, space: Space, offers: list[Offer]) -> Steps:
    """They change what the model writes, so they are never chosen."""
    for value in space.kv_types:
        outcome = yield Duel("kv_type", champion, replace(champion, kv_type=value))
        if outcome is None:
            return
        if not outcome.noisy and outcome.ratio <= 1 - MARGIN:
            offers.append(Offer("kv_type", value, outcome.ratio, "quality"))


def _with(setup: Setup, axis: str, value: int) -> Setup:
    return replace(setup, threads=value) if axis == "threads" else replace(setup, batch=value)
