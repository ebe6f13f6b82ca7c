"""Models that a person loads and unloads: with the exact copy that one may have beside it.

Knows no engine, and nothing of requests.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from fabula.app.shelf import ModelShelf
from fabula.core.errors import BadParameter, ModelNotFound
from fabula.core.load import NO_WISH, Wish
from fabula.core.texts import phrase
from fabula.core.worker import Running
from fabula.engine.beside import MARK, is_copy
from fabula.engine.supervisor import Supervisor


class ByHand:
    def __init__(self, shelf: ModelShelf, supervisor: Supervisor, is_exact: Callable[[str], bool]) -> None:
        self._shelf, self._supervisor, self._is_exact = shelf, supervisor, is_exact

    async def load(self, name: str, wish: Wish = NO_WISH) -> Running:
        """Again where the wish needs that. Raises as `Supervisor.load`, and BadParameter where a model is not
        set to be loaded with the engine that is wished: a load does not choose it."""
        if exact := wish.options.exact:
            if is_copy(name) or self._is_exact(name):
                wish = dataclasses.replace(wish, options=dataclasses.replace(wish.options, exact=None))
            elif wish.options.is_exact != self._is_set_exact(name):
                raise BadParameter("exact", exact, phrase("expected.set_for_model"))
        less = bool(wish.options.said().keys() - {"exact"})
        return await self._supervisor.load(name, self._shelf.wish(name, wish), less=less)

    def _is_set_exact(self, name: str) -> bool:
        return self._shelf.load_options(self._shelf.described(name)).is_exact

    async def unload(self, name: str) -> None:
        """The model and its copy, or none of both. Raises ModelNotFound, ModelBusy."""
        await self._supervisor.unload(*self._children(name))

    async def retire(self, name: str) -> None:
        """The same, each as soon as nobody uses it."""
        for child in self._children(name):
            await self._supervisor.retire(child)

    def _children(self, name: str) -> list[str]:
        copy = f"{self._whole(name)}{MARK}"
        there = {*(running.model for running in self._supervisor.running()), *self._supervisor.loading()}
        return [name, copy] if copy in there else [name]

    def _whole(self, name: str) -> str:
        """Of a model whose file has gone the name is known only if it is whole."""
        try:
            return self._shelf.described(name).name
        except ModelNotFound:
            return name
