"""What well-known models suit a person's task and machine. Gives the rule its facts; knows no screen.

For this machine the plans count on what is free when no large program runs, and on rates that were measured
here; for another one on its card's bandwidth.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fabula.core.texts import Phrase, phrase
from fabula.engine.builds.builds import Build
from fabula.engine.speed.shelf import Speeds, key
from fabula.models.fit.asking import Question, machine_for
from fabula.models.hardware import Machine
from fabula.models.known.entries import Entry
from fabula.models.recommend import Advice, Ground, Wish, ground, likely_card, recommend
from fabula.models.suggestions import idle


@dataclass(frozen=True, slots=True)
class Advised:
    """The advice, the machine that it is for, and what its speeds stand on."""

    advice: Advice
    machine: Machine
    basis: Phrase


def advise(
    rows: Iterable[Entry], question: Question, wish: Wish, here: Machine, build: Build, speeds: Speeds
) -> Advised:
    """`question` describes another machine, or none. Raises BadParameter for an unknown card."""
    machine = machine_for(question, here)
    if question.elsewhere:
        found = ground(machine, gpu=bool(machine.gpus))
    else:
        found = measured(idle(machine), build, speeds)
    return Advised(recommend(rows, found, wish), machine, basis_of(found))


def measured(machine: Machine, build: Build, speeds: Speeds) -> Ground:
    """This machine, with the rates that were measured on it with the engine in use."""
    gpu = build.uses_gpus and bool(machine.gpus)
    host = speeds.find(key(machine, build, max(1, machine.cores - 1)))
    card = speeds.find(key(machine, build, 0, machine.gpus[0].name)) if gpu else None
    return ground(machine, gpu, host, card)


def basis_of(found: Ground) -> Phrase:
    if found.gpu and found.card is not None and found.card.basis == "bandwidth":
        card = likely_card(found.machine)
        return phrase("recommend.basis.card", card=card.name if card else "")
    if "bandwidth" in (found.host.basis, found.card.basis if found.card else ""):
        return phrase("recommend.basis.memory")
    return phrase("recommend.basis.measured")
