"""A model's exact copy, loaded beside the one that serves chats, where memory plans say that both fit.

The copy has a line of its own under the model's name with `MARK` behind it, so that it is planned, kept and
unloaded like any other. Knows workers only by their seam.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from fabula.core.errors import DirectUnavailable, NoRoomBeside
from fabula.core.load import NO_WISH, LoadOptions, Wish
from fabula.core.plan import Held, Plan
from fabula.core.texts import Phrase
from fabula.core.worker import Place, Running, Worker, Workers
from fabula.engine import memory

MARK = "@direct"

REFERENCE = LoadOptions(slots=1, kv_type="f32", kv_type_v="f32", flash_attention="off")
"""How a copy for measuring is loaded: in the precision in which engines agree to 1e-4 nats."""

PlanIt = Callable[[str, LoadOptions, Held], Plan]
"""How the model of a name would be loaded with such wishes, beside what is held."""


def base(name: str) -> str:
    """The model's own name."""
    return name.removesuffix(MARK)


def is_copy(name: str) -> bool:
    return name.endswith(MARK)


class Beside:
    """Workers, of which one may be wished for that is exact.

    `running` are the loaded models, `obstacle` says why there can be no exact copy of a model, `is_exact`
    whether its usual engine is one that needs none.
    """

    def __init__(
        self,
        workers: Workers,
        running: Callable[[], Sequence[Running]],
        plan: PlanIt,
        obstacle: Callable[[str], Phrase | None],
        is_exact: Callable[[str], bool] = lambda name: False,
    ) -> None:
        self._workers, self._running, self._plan = workers, running, plan
        self._obstacle, self._is_exact = obstacle, is_exact

    @asynccontextmanager
    async def place(self, model: str, wish: Wish = NO_WISH) -> AsyncIterator[Place]:
        """As `Workers.place`; a wish for an exact worker is served by one, or refused with the numbers.

        Raises DirectUnavailable or NoRoomBeside too.
        """
        if wish.options.exact:
            wish = dataclasses.replace(wish, options=dataclasses.replace(wish.options, exact=None))
            model = await self.chosen(model, wish)
        async with self._workers.place(model, wish) as place:
            yield place

    @asynccontextmanager
    async def exact(self, model: str, wish: Wish = NO_WISH, *, swap: bool = False) -> AsyncIterator[Worker]:
        """An exact worker for a measurement, once it is the request's turn."""
        name = await self.chosen(model, wish, swap=swap)
        if is_copy(name):
            wish = dataclasses.replace(wish, options=wish.options.over(REFERENCE))
        async with self._workers.place(name, wish) as place:
            async for _ in place.steps():
                pass
            yield place.worker

    async def chosen(self, model: str, wish: Wish = NO_WISH, *, swap: bool = False) -> str:
        """The name under which an exact worker is found or loaded.

        With `swap` the served one may have to go, once it is idle, if both do not fit.
        """
        if self._is_exact(base(model)):
            return base(model)
        if why := self._obstacle(base(model)):
            raise DirectUnavailable(why)
        copy = base(model) + MARK
        loaded = {running.model: running for running in self._running()}
        served = loaded.get(base(model))
        if served and served.plan.options.exact:
            return base(model)
        if served and copy not in loaded and not swap:
            plan = await asyncio.to_thread(self._plan, copy, wish.options, self._held())
            if plan.verdict == "no":
                raise NoRoomBeside(base(model), plan.total, plan.available)
        return copy

    async def fits_beside(self, model: str, wish: Wish = NO_WISH) -> bool:
        """Whether the model is loaded exactly, or fits so beside all that are."""
        copy = base(model) + ("" if self._is_exact(base(model)) else MARK)
        if copy in {running.model for running in self._running()}:
            return True
        plan = await asyncio.to_thread(self._plan, copy, wish.options, self._held())
        return plan.verdict != "no"

    def _held(self) -> Held:
        return memory.held((running.plan, running.pid) for running in self._running())
