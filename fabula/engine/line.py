"""Who waits for one model, in the order in which they came, and who is being served. Knows no engine."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from fabula.core.errors import EngineFailure, FabulaError, QueueFull
from fabula.core.load import LoadOptions, Wish
from fabula.core.model import LocalModel
from fabula.core.stream import Loading, Queued
from fabula.core.texts import Phrase
from fabula.core.worker import Worker

NEAR = 10  # positions up to this one are all told, farther ones by tens
LONGEST_RETRY_S = 600
MEMORY = 0.8  # share of the past in the mean duration of a request

News = Loading | Queued


@dataclass(eq=False)
class Loaded:
    """One loaded worker and who uses it. Times on the monotonic clock, except `loaded_at`."""

    worker: Worker
    asked: LoadOptions  # the wishes that it was loaded for
    keep_alive_s: float = 0.0
    said_s: float | None = None  # how long it is to stay, by whoever said so last; None = nobody has
    why: Phrase | None = None  # it was loaded again
    stamp: object = None  # of the model's files as they were loaded
    loaded_at: float = field(default_factory=time.time)  # Unix seconds
    used_at: float = field(default_factory=time.monotonic)
    busy: int = 0
    expiry: asyncio.Handle | None = None
    expires_at: float = 0.0  # Unix seconds; 0 while no clock runs
    on_gpus: dict[str, int] = field(default_factory=dict)  # bytes by device, measured after loading

    def stay(self) -> None:
        """It is used, or already on its way out: no clock runs for it."""
        if self.expiry:
            self.expiry.cancel()
            self.expiry, self.expires_at = None, 0.0


@dataclass
class Trouble:
    """Loads and crashes of one model in a row, with no request served between them."""

    error: EngineFailure
    times: int
    until: float  # monotonic; before it, `error` is told again instead of another try
    usual: LoadOptions  # what was set for the model then
    wished: LoadOptions | None = None  # the wishes of the load that failed; None = it was no load

    def is_of(self, wished: LoadOptions, usual: LoadOptions) -> bool:
        """Other wishes may be served nevertheless, and any once something else is set: it may be the mend."""
        return self.usual == usual and (self.wished is None or self.wished == wished)


class Seat:
    """One request's place: what it hears while it waits, and in the end a worker or an error."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.loaded: Loaded | None = None
        self.began = 0.0  # monotonic
        self._error: FabulaError | None = None
        self._news: News | None = None
        self._bell = asyncio.Event()

    @property
    def worker(self) -> Worker:
        assert self.loaded, "a place has no worker before its steps have ended"
        return self.loaded.worker

    async def steps(self) -> AsyncGenerator[News, None]:
        told: News | None = None
        while self.loaded is None:
            if self._error:
                raise self._error
            if self._news and self._news != told:
                told = self._news
                yield told
                continue
            await self._bell.wait()
            self._bell.clear()

    def hear(self, news: News) -> None:
        far = isinstance(news, Queued) and news.position > NEAR and news.position % NEAR
        if not (far and isinstance(self._news, Queued)) and news != self._news:
            self._news = news
            self._bell.set()

    def serve(self, loaded: Loaded) -> None:
        self.loaded, self.began = loaded, time.monotonic()
        loaded.busy += 1
        self._bell.set()

    def refuse(self, error: FabulaError) -> None:
        self._error = dataclasses.replace(error)  # each one raises its own, with its own traceback
        self._bell.set()


@dataclass(eq=False)
class Line:
    """Everything about one model: its worker, its load, its requests."""

    model: LocalModel
    waiting: list[Seat] = field(default_factory=list)
    loaded: Loaded | None = None
    loading: asyncio.Task[Loaded] | None = None
    trouble: Trouble | None = None
    closed: bool = False  # another model needs the memory: nobody new is served until that is loaded
    behind: str = ""  # the busy model whose memory its load waits for
    why: Phrase | None = None  # the reason of a reload that is under way
    slots: int = 1  # of the last load
    said_s: float | None = (
        None  # how long the one that was lost or replaced was to stay; the next one stays so
    )
    mean_s: float = 1.0  # how long a request takes
    stamp: object = None  # another one when the model's files have changed

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def busy(self) -> int:
        return self.loaded.busy if self.loaded else 0

    @property
    def is_outdated(self) -> bool:
        """Whether the model's files are others than those that are loaded."""
        return self.loaded is not None and self.loaded.stamp != self.stamp

    @property
    def idle(self) -> bool:
        """Loaded, and nobody has any use for it as it is."""
        if self.loaded is None or self.busy:
            return False
        return not self.waiting or self.closed or self.loading is not None

    def join(self, wish: Wish, limit: int) -> Seat:
        """Raises QueueFull when `limit` requests wait already beyond those that can be served."""
        beyond = len(self.waiting) - (self.slots - self.busy)
        if beyond >= limit:
            raise QueueFull(len(self.waiting), self.retry_s)
        seat = Seat(wish)
        self.waiting.append(seat)
        return seat

    @property
    def retry_s(self) -> int:
        """When those who wait now will probably have been served."""
        return max(1, min(math.ceil(self.mean_s * len(self.waiting) / self.slots), LONGEST_RETRY_S))

    def tell(self) -> None:
        """Says to everyone who waits what they wait for."""
        for number, seat in enumerate(self.waiting, 1):
            if self.loading and not self.behind:
                seat.hear(Loading(self.name, self.why))
            else:
                seat.hear(Queued(number, self.behind))

    def refuse_all(self, error: FabulaError, wished: LoadOptions | None = None) -> None:
        """All who wait; with `wished` only those who wish the same."""
        for seat in list(self.waiting):
            if wished is None or seat.wish.options == wished:
                self.waiting.remove(seat)
                seat.refuse(error)

    def ended(self, seat: Seat) -> None:
        """The seat's request is over."""
        assert seat.loaded
        seat.loaded.busy -= 1
        seat.loaded.used_at = now = time.monotonic()
        self.mean_s = MEMORY * self.mean_s + (1 - MEMORY) * (now - seat.began)
