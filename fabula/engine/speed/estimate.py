"""How fast a planned model would be: from rates measured here, or by what is known of a card."""

from __future__ import annotations

from dataclasses import replace

from fabula.core.plan import Plan
from fabula.engine.builds.builds import Build
from fabula.engine.speed.shelf import Speeds, key
from fabula.models.cards import matching
from fabula.models.fit.anatomy import Anatomy
from fabula.models.fit.asking import Answer
from fabula.models.fit.cache import Load
from fabula.models.fit.reading import anatomy_of
from fabula.models.fit.speed import Rates, Speed, kinds_of, of_card, speed
from fabula.models.recommend import MEMORY_RATE


def estimate(answer: Answer, speeds: Speeds, build: Build) -> Speed | None:
    """None where the tensors are not known, or a device that has a part of them was never measured.

    Of another machine's memory two channels are taken for granted.
    """
    body = body_of(answer)
    if body is None:
        return None
    kinds = kinds_of(body)
    here = speeds.find(key(answer.machine, build, answer.plan.threads))
    host = of_card(MEMORY_RATE) if answer.elsewhere else here
    card = _card(answer, speeds, build)
    return speed(body, load_of(answer.plan), _for(host, kinds), _for(card, kinds))


def body_of(answer: Answer) -> Anatomy | None:
    if answer.body is not None:
        return answer.body
    found, is_read = anatomy_of(answer.model)
    return found if is_read else None


def load_of(plan: Plan) -> Load:
    """How the plan loads the model, as the formula sees it."""
    return Load(
        context=plan.context * plan.slots,
        sequences=plan.slots,
        keys=plan.kv_type,
        values=plan.options.kv_type_v or plan.kv_type,
        gpu_layers=plan.gpu_layers,
        experts_on_host=plan.options.moe_cpu or 0,
    )


def _card(answer: Answer, speeds: Speeds, build: Build) -> Rates | None:
    """Measured on this machine's own card, else by the bandwidth of one of that name."""
    if not answer.plan.gpu_layers or not answer.machine.gpus:
        return None
    name = answer.machine.gpus[0].name
    measured = None if answer.elsewhere else speeds.find(key(answer.machine, build, 0, name))
    known = matching(name)
    return measured or (of_card(known[0].bandwidth) if known else None)


def _for(rates: Rates | None, kinds: list[str]) -> Rates | None:
    """With what it is worth for a model of these types."""
    if rates is None or rates.basis != "measured" or set(kinds) - {"F32"} <= set(rates.read):
        return rates
    return replace(rates, basis="similar types measured")
