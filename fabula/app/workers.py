"""Which worker runs a model, with everything that it is given. Knows every engine, and starts none."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fabula.app.config import Config
from fabula.app.engines import Engines
from fabula.app.shelf import ModelShelf
from fabula.core.errors import DraftUnfit
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.texts import Phrase, phrase
from fabula.core.worker import Worker
from fabula.engine.beside import is_copy
from fabula.engine.cache.shelf import Shelf as States
from fabula.engine.choice import TRANSFORMERS
from fabula.engine.sampling.knobs import BY_NAME, tried
from fabula.engine.vectors import Vectors
from fabula.models import drafts
from fabula.models.adapters.attached import Attached
from fabula.models.formats.folders import FORMAT as SAFETENSORS
from fabula.store.home import Home

Heed = Literal["yes", "exact", "no"]


class WorkerMaker:
    """Each engine's code is read when a model first asks for it."""

    def __init__(
        self, home: Home, config: Config, shelf: ModelShelf, engines: Engines, states: States
    ) -> None:
        self._home, self._config, self._shelf = home, config, shelf
        self._engines, self._states = engines, states

    def make(self, model: LocalModel) -> Worker:
        if model.elsewhere:
            return self._shelf.remotes.worker(model)
        if self._shelf.engine_of(model).engine == TRANSFORMERS:
            return self._transformers()
        if is_copy(model.name) or self._shelf.load_options(model).is_exact:
            return self._direct()
        return self._llamacpp()

    def check(self, model: LocalModel, options: LoadOptions) -> None:
        """Raises what a worker would that is loaded with these adapters and this draft."""
        if model.elsewhere:
            return
        self._attached().files(model, [name for name, _ in options.adapters or ()])
        if options.draft:
            self._draft(model, options.draft)

    def is_exact(self, name: str) -> bool:
        """Whether the model's usual engine scores, and honours every parameter, by itself."""
        return self._shelf.described(name).format == SAFETENSORS

    def lacks(self, name: str, wished: LoadOptions, sampling: Sampling) -> tuple[str, ...]:
        """What the model's usual engine would ignore, where the exact one may be chosen for it."""
        from fabula.engine.llamacpp import wire

        mode = wished.exact or self._config.of_model(name).exact or self._config.now.engine_exact
        if mode != "auto" or not (lost := wire.lacks(sampling)):
            return ()
        model = self._shelf.described(name)
        writes_here = not (model.elsewhere or model.problem or model.pooling)
        return lost if writes_here and model.format != SAFETENSORS else ()

    async def heeds(self, model: LocalModel) -> dict[str, Heed]:
        """What becomes of each parameter when it is set: the usual engine heeds it, another one is taken for
        it, or nobody does."""
        from fabula.engine.llamacpp import wire

        asked = {name: Sampling.of(tried(name)) for name in BY_NAME}
        if model.elsewhere:
            lost = await self._shelf.remotes.ignored(model, asked)
        elif model.format == SAFETENSORS or self._shelf.load_options(model).is_exact:
            lost = frozenset()
        else:
            lost = frozenset(name for name, each in asked.items() if name in wire.ignored(each))
        no_exact = bool(lost) and (model.elsewhere is not None or self.no_direct(model.name) is not None)
        exact = {name for name in lost if not no_exact and self.lacks(model.name, LoadOptions(), asked[name])}
        return {name: "exact" if name in exact else "no" if name in lost else "yes" for name in asked}

    def no_direct(self, name: str) -> Phrase | None:
        """Why the engine's own functions cannot be called for a model."""
        from fabula.engine.direct.loading import obstacle

        if self._shelf.described(name).elsewhere:
            return phrase("engine.direct.elsewhere")
        return obstacle(self._engines.build)

    def _llamacpp(self) -> Worker:
        from fabula.engine.llamacpp.worker import LlamaCppWorker

        return LlamaCppWorker(
            build=self._engines.build,
            logs=self._home.logs,
            start_timeout_s=self._config.now.engine_start_timeout,
            shelf=self._states,
            attached=self._attached(),
            drafts=self._draft,
        )

    def _direct(self) -> Worker:
        from fabula.engine.direct.worker import DirectWorker

        return DirectWorker(
            self._home.logs,
            self._home.engines / "direct.json",
            start_timeout_s=self._config.now.engine_start_timeout,
            build=self._engines.build,
            attached=self._attached(),
            vectors=Vectors(self._home.vectors),
        )

    def _transformers(self) -> Worker:
        from fabula.engine.transformers_child.worker import TransformersWorker

        return TransformersWorker(
            self._home.logs,
            start_timeout_s=self._config.now.engine_start_timeout,
            python=self._config.now.engine_transformers_python,
            attached=self._attached(),
            vectors=Vectors(self._home.vectors),
        )

    def _attached(self) -> Attached:
        return Attached(self._shelf.adapters, self._shelf.load_options)

    def _draft(self, model: LocalModel, name: str) -> Path:
        """The file of a model that guesses ahead for another. Raises ModelNotFound or DraftUnfit."""
        draft = self._shelf.find(name)
        if why := drafts.obstacle(model, draft):
            raise DraftUnfit(draft.name, model.name, why)
        return draft.path
