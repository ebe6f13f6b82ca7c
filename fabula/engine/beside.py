"""A model's exact copy, loaded beside the one that serves chats, where memory plans say that both fit.

The copy has a line of its own under the model's name with `MARK` behind it, so that it is planned, kept and
unloaded like any other. Knows workers only by their seam.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from fabula.core.errors import DirectUnavailable, DoesNotFit, ModelLoadFailed, NoRoomBeside
from fabula.core.load import NO_WISH, LoadOptions, Wish
from fabula.core.plan import Held, Plan
from fabula.core.sampling import Sampling
from fabula.core.stream import Exactness, Loading, Queued
from fabula.core.texts import Phrase
from fabula.core.worker import Place, Running, Worker, Workers
from fabula.engine import memory

MARK = "@direct"

REFERENCE = LoadOptions(slots=1, kv_type="f32", kv_type_v="f32", flash_attention="off")
"""How a copy for measuring is loaded: in the precision in which engines agree to 1e-4 nats."""

Lacks = Callable[[str, LoadOptions, Sampling], tuple[str, ...]]
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
    whether its usual engine is one that needs none, and `lacks` which parameters that engine would ignore,
    where another one may be chosen for them. `named` gives a model's whole name for one of its names.
    """

    def __init__(
        self,
        workers: Workers,
        running: Callable[[], Sequence[Running]],
        plan: PlanIt,
        obstacle: Callable[[str], Phrase | None],
        is_exact: Callable[[str], bool] = lambda name: False,
        lacks: Lacks = lambda name, options, sampling: (),
        named: Callable[[str], str] = lambda name: name,
    ) -> None:
        self._workers, self._running, self._plan = workers, running, plan
        self._obstacle, self._is_exact, self._lacks = obstacle, is_exact, lacks
        self._named = named

    def place(self, model: str, wish: Wish = NO_WISH) -> AbstractAsyncContextManager[Place]:
        """As `Workers.place`; a wish for an exact worker is served by one, or refused with the numbers.

        Raises DirectUnavailable or NoRoomBeside too.
        """
        wished, wish = wish.options, _plain(wish)
        if wished.is_exact:
            return self._exact(model, wish, swap=wished.exact == "swap")
        lacks = self._lacks(base(model), wished, wish.sampling) if wish.sampling else ()
        return self._as_needed(model, wish, lacks) if lacks else self._workers.place(model, wish)

    @asynccontextmanager
    async def _exact(self, model: str, wish: Wish, *, swap: bool) -> AsyncIterator[Place]:
        async with self._workers.place(await self.chosen(model, wish, swap=swap), wish) as place:
            yield place

    @asynccontextmanager
    async def _as_needed(self, model: str, wish: Wish, lacks: tuple[str, ...]) -> AsyncIterator[Place]:
        async with AsyncExitStack() as stack:
            yield _AsNeeded(self, self._workers, model, wish, lacks, stack)

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

    async def chosen(
        self, model: str, wish: Wish = NO_WISH, *, swap: bool = False, whole: bool = False
    ) -> str:
        """The name under which an exact worker is found or loaded.

        With `swap` the served one may have to go, once it is idle, if both do not fit; with `whole`, a copy
        that would lie only in part where the model lies does not fit.
        """
        model = self._named(base(model))
        if self._is_exact(model):
            return model
        if why := self._obstacle(model):
            raise DirectUnavailable(why)
        copy = model + MARK
        loaded = {running.model: running for running in self._running()}
        served = loaded.get(model)
        if served and served.plan.options.is_exact:
            return model
        if served and copy not in loaded and not swap:
            plan = await asyncio.to_thread(self._plan, copy, wish.options, self._held())
            if plan.verdict == "no" or (whole and plan.verdict == "partial"):
                raise NoRoomBeside(model, plan.total, plan.available)
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


class _AsNeeded:
    """A place with the exact copy; where there is no room for it, or it cannot be loaded, with the usual
    engine, which then ignores what it lacks."""

    def __init__(
        self,
        beside: Beside,
        workers: Workers,
        model: str,
        wish: Wish,
        lacks: tuple[str, ...],
        stack: AsyncExitStack,
    ) -> None:
        self._beside, self._workers, self._stack = beside, workers, stack
        self._model, self._wish, self._lacks = model, wish, lacks
        self._place: Place | None = None
        self.exactness: Exactness | None = None

    async def steps(self) -> AsyncGenerator[Loading | Queued, None]:
        try:
            copy = await self._beside.chosen(self._model, self._wish, whole=True)
            async for news in self._waited(copy):
                yield news
            self.exactness = Exactness(self._lacks, used=True)
        except (DirectUnavailable, NoRoomBeside, DoesNotFit, ModelLoadFailed) as why:
            self.exactness = Exactness(self._lacks, used=False, why=why.as_phrase())
            async for news in self._waited(self._model):
                yield news

    async def _waited(self, name: str) -> AsyncGenerator[Loading | Queued, None]:
        self._place = await self._stack.enter_async_context(self._workers.place(name, self._wish))
        async for news in self._place.steps():
            yield news

    @property
    def worker(self) -> Worker:
        assert self._place, "a place has no worker before its steps have ended"
        return self._place.worker


def _plain(wish: Wish) -> Wish:
    """Without what only chooses the engine."""
    if wish.options.exact is None:
        return wish
    return dataclasses.replace(wish, options=dataclasses.replace(wish.options, exact=None))
