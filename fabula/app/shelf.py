"""The models that a person can name, and what is set for each: this machine's first, then servers'.

Knows files, remotes, adapters and settings; no engine that runs, and no plan.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from pathlib import Path

from fabula.app.config import Config
from fabula.core.errors import ModelNotFound, RunsElsewhere
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.engine.beside import MARK, base, is_copy
from fabula.engine.choice import Choice, choose
from fabula.engine.remote import remotes
from fabula.engine.remote.remotes import Remotes
from fabula.models.adapters.attached import with_one, without
from fabula.models.adapters.shelf import Adapters
from fabula.models.catalog import Catalog
from fabula.store.home import Home

ALONE = LoadOptions(slots=1)  # the exact engine serves one request at a time


class ModelShelf:
    def __init__(self, home: Home, config: Config, remotes: Remotes) -> None:
        self._config = config
        self.catalog = Catalog(home.models)
        self.remotes = remotes
        self.adapters = Adapters(home.adapters, self._adapters_beside_models)

    # ── by name ─────────────────────────────────────────────────────────────────────────────────────

    def all(self) -> list[LocalModel]:
        """Those on this machine, then those of servers."""
        return [*self.catalog.list(), *self.remotes.models()]

    def find(self, name: str) -> LocalModel:
        """The model for a name; "" is the default one: the setting, else the first that can write.

        Raises ModelNotFound.
        """
        wanted = name or self._config.now.model_default
        if wanted:
            return self.named(wanted)
        usable = [model for model in self.catalog.list() if not (model.problem or model.pooling)]
        if not usable:
            raise ModelNotFound("", "")
        return usable[0]

    def named(self, name: str) -> LocalModel:
        """One of this machine before one of a server, whose whole name it takes. Raises ModelNotFound."""
        try:
            here = self.catalog.find(name)
        except ModelNotFound as missing:
            if there := self.remotes.find(name):
                return there
            known = [missing.known, *(model.name for model in self.remotes.models())]
            raise ModelNotFound(missing.name, ", ".join(filter(None, known))) from None
        return here if here.name == name else self.remotes.find(name) or here

    def described(self, name: str) -> LocalModel:
        """The model of that name, with the chat template that was chosen for it. Raises ModelNotFound."""
        if is_copy(name):
            model = self.described(base(name))
            return dataclasses.replace(model, name=model.name + MARK)
        model = self.named(name)
        chosen = self._config.of_model(model.name).chat_template
        return model if chosen is None else dataclasses.replace(model, chat_template=chosen)

    # ── what is set for one ─────────────────────────────────────────────────────────────────────────

    def load_options(self, model: LocalModel) -> LoadOptions:
        """What is set for this model, over what is set for all; a copy is loaded as its model is."""
        settings = self._config.now
        common = _common(
            settings.engine_context,
            settings.engine_slots,
            settings.engine_threads,
            settings.engine_kv_type,
            settings.engine_gpu_layers,
        )
        said = self._config.of_model(base(model.name)).over(common)
        return ALONE.over(said) if said.is_exact or is_copy(model.name) else said

    def engine_of(self, model: LocalModel) -> Choice:
        """Raises BadParameter when no engine can run it."""
        if model.elsewhere:
            return remotes.choice(model)
        return choose(model, self._config.of_model(model.name))

    def set(self, model: LocalModel, options: LoadOptions) -> None:
        """Written to config.toml, for the model's next load. Where nothing is said of adapters, they stay.

        Raises BadParameter for an impossible engine, AdapterNotFound, AdapterUnfit or AdapterUnusable.
        """
        if not model.elsewhere:
            choose(model, options)
        before = self._config.of_model(model.name).adapters
        if options.adapters is None:
            options = dataclasses.replace(options, adapters=before)
        for name in dict(options.adapters or ()).keys() - dict(before or ()).keys():
            require_here(model)
            self.adapters.fitting(name, model)
        self._config.save_model(model.name, options)

    # ── adapters ────────────────────────────────────────────────────────────────────────────────────

    async def attach(self, model: LocalModel, adapter: str, scale: float) -> None:
        """For its next request. Raises AdapterNotFound, AdapterUnfit, AdapterUnusable or BadParameter."""
        require_here(model)
        name = (await asyncio.to_thread(self.adapters.fitting, adapter, model)).name
        self._config.save_model(model.name, with_one(self._config.of_model(model.name), name, scale))

    def detach(self, model: LocalModel, adapter: str) -> None:
        """Raises AdapterNotFound."""
        self._config.save_model(model.name, without(self._config.of_model(model.name), adapter))

    def remove_adapter(self, adapter: str) -> None:
        """Detached everywhere, and deleted. Raises AdapterNotFound, StoreUnwritable."""
        name = self.adapters.find(adapter).name
        for model, options in list(self._config.now.models.items()):
            if name in dict(options.adapters or ()):
                self._config.save_model(model, without(options, name))
        self.adapters.remove(name)

    def _adapters_beside_models(self) -> list[Path]:
        return [model.path for model in self.catalog.list() if model.problem == "models.problem.adapter"]


@functools.lru_cache(maxsize=4)
def _common(context: int, slots: int, threads: int, kv_type: str, gpu_layers: int) -> LoadOptions:
    """What is set for all models. Every request asks."""
    return LoadOptions(
        context=context or None,
        slots=slots or None,
        threads=threads or None,
        kv_type=kv_type,
        gpu_layers=gpu_layers,
    )


def require_here(model: LocalModel) -> None:
    """Raises RunsElsewhere for what only a model with files can have done to it."""
    if model.elsewhere:
        raise RunsElsewhere(model.name, model.elsewhere.server)
