"""New models out of old ones: what is asked is checked here and done in a child process. Knows no weights."""

from __future__ import annotations

import asyncio
from typing import Any

from fabula.app.measuring import StartJob
from fabula.app.shelf import ModelShelf, require_here
from fabula.store.home import Home
from fabula.store.jobs import Job


class Making:
    def __init__(self, home: Home, shelf: ModelShelf, start: StartJob) -> None:
        self._home, self._shelf, self._start = home, shelf, start

    async def quantize(self, source: str, type: str, **wishes: Any) -> Job:
        """Raises what `lab.quantize.job.ask` raises."""
        from fabula.lab.quantize.job import ask
        from fabula.lab.quantize.ordering import Wishes

        model = self._shelf.weights(source)
        require_here(model)
        asked = Wishes(model=model.name, type=type, **wishes)
        type_made = await asyncio.to_thread(ask, self._home, model, asked)
        return await self._start("quantize", f"{model.name} → {type_made}", asked.arguments())

    async def imatrix(self, source: str, **wishes: Any) -> Job:
        """Raises what `lab.quantize.statistics.task` raises."""
        from fabula.lab.quantize.statistics import Wishes, task

        model = self._shelf.weights(source)
        require_here(model)
        asked = Wishes(model=model.name, **wishes)
        ready = await asyncio.to_thread(task, model, asked, self._home)
        return await self._start("imatrix", f"{model.name} ← {ready.dataset}", asked.arguments())

    async def quantizations(self, name: str) -> list[dict[str, Any]]:
        """What the model can be quantized to, each with the size that it would have."""
        from fabula.lab.quantize.ordering import offers

        model = self._shelf.find(name)
        require_here(model)
        return await asyncio.to_thread(offers, model)
