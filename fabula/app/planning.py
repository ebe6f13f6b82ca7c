"""How a model would be loaded: what is set, what was measured, and the memory that is left.

Gives the planner its facts; plans nothing itself, and knows no engine that runs.
"""

from __future__ import annotations

import dataclasses

from fabula.app.config import Config
from fabula.app.engines import Engines
from fabula.app.retyping import retyped
from fabula.app.shelf import ModelShelf
from fabula.core.errors import BadParameter, BuildMissing
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import Held, Note, Plan
from fabula.core.texts import phrase
from fabula.engine.beside import REFERENCE, is_copy
from fabula.engine.llamacpp.loading import whole_texts
from fabula.engine.remote import remotes
from fabula.engine.transformers_child import plan as transformers_plan
from fabula.engine.tune.shelf import Key, Tuning, Tunings, key
from fabula.models import fit, hardware
from fabula.models.fit.asking import Answers
from fabula.models.fit.neighbours import Neighbours
from fabula.models.formats.folders import FORMAT as SAFETENSORS
from fabula.store.home import Home

GIB = 1 << 30


class Planning:
    def __init__(
        self, home: Home, config: Config, shelf: ModelShelf, engines: Engines, tunings: Tunings
    ) -> None:
        self._home, self._config = home, config
        self._shelf, self._engines, self._tunings = shelf, engines, tunings

    def plan(self, model: LocalModel, options: LoadOptions | None = None, held: Held | None = None) -> Plan:
        """How the model would be loaded now, beside those that `held` speaks for."""
        wished = self._shelf.load_options(model) if options is None else options
        if model.elsewhere:
            return remotes.plan(model, wished, self._shelf.remotes.get(model.elsewhere.server).at_a_time)
        machine = fit.left(self.machine(), held or Held(), int(self._config.now.engine_memory_limit * GIB))
        if model.format == SAFETENSORS:
            return transformers_plan.plan(model, machine, wished)
        if wished.is_exact and not (is_copy(model.name) or self._shelf.load_options(model).is_exact):
            raise BadParameter("exact", f"{wished.exact}", phrase("expected.set_for_model"))
        return self._plan_file(model, wished, machine)

    def _plan_file(self, model: LocalModel, wished: LoadOptions, machine: hardware.Machine) -> Plan:
        measured = self.measured(model, wished)
        wanted = fit.Wanted.of(whole_texts(model, wished.over(measured)))
        beside, build = self._neighbours.of(model, wanted.options), self._engines.build
        plan = fit.plan(model, machine, wanted, gpu=build.uses_gpus, beside=beside, engine=build.version)
        why = [tuned_note(measured)] if measured.said() else []
        return dataclasses.replace(plan, reasons=(*plan.reasons, *why))

    def plan_copy(self, name: str, wished: LoadOptions, held: Held) -> Plan:
        """Of the same model beside itself, in the engine that scores."""
        model = self._shelf.described(name)
        return self.plan(model, wished.over(REFERENCE).over(self._shelf.load_options(model)), held)

    @property
    def fits(self) -> Answers:
        """Plans of any model for any machine."""
        build = self._engines.build
        return Answers(
            self.machine,
            self._home.headers,
            self._shelf.find,
            uses_gpus=build.uses_gpus,
            engine=build.version,
            settings=self._shelf.load_options,
            neighbours=self._neighbours,
            retyped=retyped,
        )

    def machine(self) -> hardware.Machine:
        return hardware.machine()

    @property
    def uses_gpus(self) -> bool:
        """Whether the engine in use can; a build that is missing is told when a model is loaded."""
        try:
            return self._engines.build.uses_gpus
        except BuildMissing:
            return False

    @property
    def _neighbours(self) -> Neighbours:
        return Neighbours(
            self._shelf.find, self._shelf.adapters.find, self.machine, lambda: self._engines.build.uses_gpus
        )

    # ── what was measured ───────────────────────────────────────────────────────────────────────────

    def tuning(self, model: LocalModel) -> Tuning | None:
        """What was measured of the model on this machine with the engine in use."""
        if model.elsewhere:
            return None
        try:
            return self._tunings.find(self.tuning_key(model))
        except OSError:  # the file has gone; its load will tell
            return None

    def measured(self, model: LocalModel, said: LoadOptions) -> LoadOptions:
        """What the measurement decides: only what nobody has set."""
        tuning = self.tuning(model)
        free = {} if tuning is None else tuning.options.said()
        return LoadOptions(**{name: value for name, value in free.items() if getattr(said, name) is None})

    def tuning_key(self, model: LocalModel) -> Key:
        return key(model, self._engines.build, self.machine())


def tuned_note(options: LoadOptions) -> Note:
    values = ", ".join(f"{name} = {value}" for name, value in options.said().items())
    return Note("models.fit.tuned", {"values": values})
