"""The job kind `speed`: how fast this machine is with the types of a model's weights, for its memory plan.

Gives the measurement its facts; measures nothing itself.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.engine.builds import builds
from fabula.engine.speed import measure as measuring
from fabula.engine.speed.shelf import Speeds, key
from fabula.models import fit, hardware
from fabula.models.catalog import Catalog
from fabula.models.fit.reading import anatomy_of
from fabula.models.fit.speed import kinds_of
from fabula.store import settings
from fabula.store.home import Home
from fabula.store.job_child import Report

MEASURING = "jobs.speed.measuring"


def run(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """A second or two for each type, on the processor, and on the card where it has layers.

    Raises ModelNotFound, BadParameter, an EngineFailure, or the job's own Cancelled.
    """
    model = Catalog(home.models).find(arguments["model"])
    kinds = kinds_here(model)
    machine, build = hardware.machine(), builds.in_use(home.engines, settings.load(home).engine_build)
    plan = fit.plan(model, machine, gpu=build.uses_gpus)
    places = _places(model, plan.threads, plan.gpu_layers, machine)
    rates, done = {}, 0

    def tell(kind: str) -> None:
        nonlocal done
        report.check()
        report.progress(done, len(kinds) * len(places), "types", MEASURING)
        done += 1

    for device, threads in places:
        setting = measuring.Setting(machine=machine, build=build, threads=plan.threads, on_card=bool(device))
        found = asyncio.run(measuring.measure(kinds, setting, tell))
        kept = Speeds(home.speeds).add(key(machine, build, threads, device), found)
        report.progress(done, len(kinds) * len(places), "types", MEASURING)
        rates[device or machine.processor] = {"read": dict(kept.read), "basis": kept.basis}
    return {"name": model.name, "types": kinds, "rates": rates}


def kinds_here(model: LocalModel) -> list[str]:
    """Its types of weights but the one that every model has a little of. Raises BadParameter."""
    body, is_read = anatomy_of(model)
    if not is_read:
        raise BadParameter("model", model.name, phrase("expected.gguf"))
    return [kind for kind in kinds_of(body) if kind not in ("F32", "?")]


def _places(
    model: LocalModel, threads: int, gpu_layers: int, machine: hardware.Machine
) -> list[tuple[str, int]]:
    """Devices ("" = the processor) with their threads: those that have a part of the model."""
    whole = gpu_layers > len(anatomy_of(model)[0].layers)
    card = [(machine.gpus[0].name, 0)] if gpu_layers and machine.gpus else []
    return [*([] if whole and card else [("", threads)]), *card]
