"""Which well-known models are worth getting on this machine. Knows no network.

The rule is `recommend`'s; three different purposes give three different models. Judged by the machine when it
is idle, not by what happens to be free now.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from fabula.core.model import LocalModel
from fabula.core.plan import Note, Verdict
from fabula.models.fit import DEFAULT_CONTEXT
from fabula.models.fit.speed import Speed
from fabula.models.hardware import Machine
from fabula.models.known import skeletons
from fabula.models.known.entries import Entry, entries, plain
from fabula.models.recommend import Advice, Choice, Planned, Wish, ground, recommend

IDLE_MEMORY = 0.75  # of all memory is free when no large program runs
SCREEN = 1 << 30  # bytes of a GPU that a desktop takes
PURPOSES = ("chat", "roleplay", "code")
QUICK = 4.0  # times faster than the first: what else is worth a look
MOST = 4
READING = 6.0  # tokens per second: about as fast as people read
STEP = 1 << 28  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A model worth getting. `size` is approximate bytes, `context` the tokens that fit with it."""

    title: str
    source: str
    size: int
    parameters: int
    active: int
    quantization: str
    context: int
    verdict: Verdict
    why: Note
    licence: str
    tasks: tuple[str, ...]
    languages: tuple[str, ...]
    approximate: bool = True
    speed: Speed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How large a model may be here: any that fits, and one that writes as fast as a person reads.

    Names of well-known models with their parameters; "" and 0 where there is none.
    """

    largest: str = ""
    largest_parameters: int = 0
    quick: str = ""
    quick_parameters: int = 0


def reach(machine: Machine, gpu: bool = False) -> Reach:
    """Of those for conversations."""
    found = _advised(_rounded(idle(machine)), gpu, "")[0].best
    largest = max(found, key=_parameters, default=None)
    quick = max(
        (one for one in found if one.speed and one.speed.written[0] >= READING), key=_parameters, default=None
    )
    return Reach(
        largest=largest.entry.name if largest else "",
        largest_parameters=_parameters(largest) if largest else 0,
        quick=quick.entry.name if quick else "",
        quick_parameters=_parameters(quick) if quick else 0,
    )


def _parameters(choice: Choice) -> int:
    return choice.entry.parameters


def suggest(
    machine: Machine, installed: Iterable[LocalModel] = (), gpu: bool = False, language: str = ""
) -> list[Suggestion]:
    """One for each purpose, and a quick one; those that are there are left out, best first.

    `language` is the reader's: only what speaks it.
    """
    names = [plain(model.name) for model in installed]
    found = _advised(_rounded(idle(machine)), gpu, language.partition("-")[0])
    chosen = dict[str, tuple[Choice, str]]()
    for purpose, advice in zip(PURPOSES, found, strict=True):
        able = [choice for choice in advice.best if purpose in choice.entry.tasks and _is_new(choice, names)]
        new = [choice for choice in able if choice.entry.name not in chosen]
        if new:
            chosen[new[0].entry.name] = (new[0], purpose)
    if quick := _quick([choice for choice in found[0].best if _is_new(choice, names)]):
        chosen.setdefault(quick.entry.name, (quick, "small"))
    return [_suggestion(choice, purpose) for choice, purpose in chosen.values()][:MOST]


def _rounded(machine: Machine) -> Machine:
    """What is free changes all the time, by little."""
    cards = tuple(replace(card, memory_free=card.memory_free // STEP * STEP) for card in machine.gpus)
    return replace(machine, memory_available=machine.memory_available // STEP * STEP, gpus=cards)


@functools.lru_cache(8)
def _advised(machine: Machine, gpu: bool, language: str) -> tuple[Advice, ...]:
    """Planning all models takes its time, and the home page asks often."""
    place = ground(machine, gpu)
    shelf = [entry for entry in entries() if entry.quantized and "old" not in entry.weaknesses]
    planned: Planned = {}
    wishes = (Wish(task=task, context=DEFAULT_CONTEXT, language=language) for task in PURPOSES)
    return tuple(recommend(shelf, place, wish, planned) for wish in wishes)


def _quick(best: Sequence[Choice]) -> Choice | None:
    """The largest that is several times as fast as the first one."""
    rates = [choice.rate for choice in best]
    return next((choice for choice in best if choice.rate >= QUICK * rates[0] > 0), None) if best else None


def _is_new(choice: Choice, installed: Sequence[str]) -> bool:
    enough = choice.plan.largest_context >= DEFAULT_CONTEXT
    return enough and not any(plain(choice.entry.name) in name for name in installed)


def idle(machine: Machine) -> Machine:
    """With the memory that is free when no large program runs."""
    cards = tuple(
        replace(card, memory_free=max(card.memory_free, card.memory - SCREEN)) for card in machine.gpus
    )
    memory = max(machine.memory_available, int(machine.memory * IDLE_MEMORY))
    return replace(machine, memory_available=memory, gpus=cards)


def _suggestion(choice: Choice, purpose: str) -> Suggestion:
    entry = choice.entry
    return Suggestion(
        title=entry.name,
        source=choice.source,
        size=choice.size,
        parameters=entry.parameters,
        active=_active(entry, choice.quantization),
        quantization=choice.quantization,
        context=choice.plan.largest_context,
        verdict=choice.plan.verdict,
        why=Note(f"recommend.suggest.{purpose}", {"quantization": choice.quantization}),
        licence=entry.licence,
        tasks=entry.tasks,
        languages=entry.languages,
        approximate=choice.approximate,
        speed=choice.speed,
    )


def _active(entry: Entry, quantization: str) -> int:
    """Parameters that a token goes through: of a mixture of experts few."""
    body = skeletons.body(entry.kind, quantization) if entry.kind else None
    if body is None or not any(layer.experts for layer in body.layers):
        return entry.parameters
    return round(sum(read.numbers for layer in body.layers for read in layer.reads))
