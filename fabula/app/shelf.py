"""The models that a person can name, and what is set for each: this machine's first, then servers'.

Knows files, remotes, adapters and settings; no engine that runs, and no plan.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Iterable
from pathlib import Path

from fabula.app.config import Config
from fabula.core.errors import ModelNotFound, RunsElsewhere
from fabula.core.load import LoadOptions, Wish
from fabula.core.model import LocalModel
from fabula.engine.beside import MARK, base, is_copy
from fabula.engine.choice import Choice, choose
from fabula.engine.remote import remotes
from fabula.engine.remote.remotes import Remotes
from fabula.models.adapters.attached import with_one, without
from fabula.models.adapters.shelf import Adapters
from fabula.models.catalog import Catalog
from fabula.models.derived import Derived, DerivedModels
from fabula.store.home import Home

ALONE = LoadOptions(slots=1)  # the exact engine serves one request at a time


class ModelShelf:
    def __init__(self, home: Home, config: Config, remotes: Remotes) -> None:
        self._config = config
        self.catalog = Catalog(home.models)
        self.derived = DerivedModels(home.derived)
        self.remotes = remotes
        self.adapters = Adapters(home.adapters, self._adapters_beside_models)

    # ── by name ─────────────────────────────────────────────────────────────────────────────────────

    def all(self) -> list[LocalModel]:
        """Those on this machine, those made of another one, then those of servers."""
        here, there = self.catalog.list(), self.remotes.models()
        return [*here, *self._made((*here, *there)), *there]

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
        if told := self.derived.find(name):
            return self._of(told)
        return self._underived(name)

    def _underived(self, name: str) -> LocalModel:
        try:
            here = self.catalog.find(name)
        except ModelNotFound as missing:
            if there := self.remotes.find(name):
                return there
            known = [missing.known, *(told.name for told in self.derived.all())]
            known += [model.name for model in self.remotes.models()]
            raise ModelNotFound(missing.name, ", ".join(filter(None, known))) from None
        return here if here.name == name else self.remotes.find(name) or here

    def described(self, name: str) -> LocalModel:
        """The model of that name, with the chat template that was chosen for it. Raises ModelNotFound."""
        if is_copy(name):
            model = self.described(base(name))
            return dataclasses.replace(model, name=model.name + MARK)
        model = self.named(name)
        if model.base and not model.problem:
            described, told = self.described(model.base), self.derived.find(model.name)
            alone = told is not None and told.is_alone
            return dataclasses.replace(described, name=model.name, base=model.base) if alone else described
        chosen = self._config.of_model(model.name).chat_template
        return model if chosen is None else dataclasses.replace(model, chat_template=chosen)

    def stamp(self, model: LocalModel) -> object:
        """Another one when the files of a model of this machine have changed since it was found before."""
        return None if model.elsewhere else self.catalog.stamp(model)

    # ── derived models ──────────────────────────────────────────────────────────────────────────────

    def weights(self, name: str) -> LocalModel:
        """The model whose weights a name means. Raises ModelNotFound."""
        model = self.find(name)
        return self._underived(model.base) if model.base else model

    def wish(self, name: str, wish: Wish) -> Wish:
        """For a load by hand: what a derived model wishes, under what is asked."""
        told = self.derived.find(name)
        return dataclasses.replace(wish, options=wish.options.over(told.wishes())) if told else wish

    def derivation(self, name: str) -> Derived | None:
        """What a derived model adds to its base; None for any other, and for one whose base has gone."""
        told = self.derived.find(name)
        return told if told and not self._of(told).problem else None

    def _made(self, known: Iterable[LocalModel]) -> list[LocalModel]:
        by_name = {model.name: model for model in known}
        return [_derived(told, by_name.get(told.base)) for told in self.derived.all()]

    def _of(self, told: Derived) -> LocalModel:
        try:
            found = self._underived(told.base)
        except ModelNotFound:
            return _derived(told, None)
        return _derived(told, found if found.name == told.base else None)

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
        told = self.derived.find(base(model.name)) if model.base else None
        said = self._config.of_model(model.base or base(model.name)).over(common)
        said = told.load.over(said) if told else said
        return ALONE.over(said) if said.is_exact or is_copy(model.name) else said

    def engine_of(self, model: LocalModel) -> Choice:
        """Raises BadParameter when no engine can run it."""
        if model.elsewhere:
            return remotes.choice(model)
        return choose(model, self._config.of_model(model.base or model.name))

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
        self._config.save_model(model.name, dataclasses.replace(options, adapters=options.adapters or None))

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


def _derived(told: Derived, base: LocalModel | None) -> LocalModel:
    """As the shelf shows it; without its base it can only be removed."""
    if base is None:
        gone = "models.problem.base_gone"
        return LocalModel(
            name=told.name, path=Path(f"{told.base} (gone)"), size=0, problem=gone, base=told.base
        )
    template = told.template or base.chat_template
    return dataclasses.replace(base, name=told.name, base=base.name, chat_template=template, place="")


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
