"""Gives each request a slot, and moves states between slots and kv/ so that nothing is read twice.

Knows the engine only as something that saves and restores slots.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from fabula.core.errors import EngineDied, FabulaError
from fabula.core.request import Context
from fabula.core.stream import CacheReason, CacheSource, Finished, Prefill, Token
from fabula.core.worker import KeepsSlots
from fabula.engine.cache.family import Families, Family
from fabula.engine.cache.shelf import Shelf, State
from fabula.engine.cache.table import PLAIN, Slot, Table, Trace, Variant, chat_of, common, goes_on

log = logging.getLogger(__name__)
WORTH_KEEPING = 128  # tokens that a state must hold, or that would be lost, before it is saved
WORTH_RESTORING = 64  # tokens that a saved state must have more than the slot
NEWS = 8  # tokens that a state must have more than the saved one, before it is saved again
SLACK = 16  # tokens that the engine may read again without it being worth a word
UNKNOWN = (None,)


@dataclass(eq=False, slots=True)
class Seat:
    """One request's place. `expected` tokens of its prompt are there already, from `source`."""

    slot: Slot
    asked: Trace
    expected: int = 0
    source: CacheSource = "none"
    reason: CacheReason = ""
    _read: int = 0
    _written: list[int | None] = field(default_factory=list)  # ids; None where they are not known
    _answered: bool = False

    @property
    def number(self) -> int:
        return self.slot.number

    def follow(self, delta: object) -> None:
        """What the request has brought, so that the table knows what the slot holds."""
        if isinstance(delta, Token):
            self._answered = True
            if len(delta.ids) == 1:  # nearly always
                self._written.append(delta.ids[0])
            else:
                self._written += delta.ids or (UNKNOWN if delta.text else ())
        elif isinstance(delta, Prefill):
            self._read = delta.processed

    def holds(self) -> Trace:
        """A request that was refused or left before it was read leaves what was there."""
        if isinstance(self.asked, str):
            return self.asked if self._answered or self._read else self.asked[: self.expected]
        if not self._answered:
            return self.asked[: max(self._read, self.expected)]
        return (*self.asked, *_until_unknown(self._written))

    def verdict(self, finished: Finished) -> tuple[CacheSource, CacheReason]:
        """Where the reused part came from, and why the rest had to be read."""
        if self.reason == "crowded" and 2 * finished.reused_tokens >= finished.prompt_tokens:
            self.reason = ""  # the engine remembered the overwritten prompt by itself
        if isinstance(self.asked, str):
            return ("slot" if finished.reused_tokens else "none"), self.reason
        source: CacheSource = self.source if finished.reused_tokens else "none"
        if finished.reused_tokens and source == "none":
            source = "slot"  # the engine remembered more than was known here
        if self.reason != "first" and finished.reused_tokens < self.expected - SLACK:
            return source, "no_way_back"
        return source, self.reason


def _until_unknown(ids: list[int | None]) -> Iterator[int]:
    for id in ids:
        if id is None:
            return
        yield id


class Engine(KeepsSlots, Protocol):
    async def turn_to(self, slot: int, variant: Variant) -> None:
        """The slot's next request will be of that variant: what is restored before it is not thrown away."""
        ...

    async def mark(self, slot: int, held: tuple[int, ...], variant: Variant) -> None:
        """The slot will be saved: a model that cannot go back leaves a checkpoint at its end."""
        ...


class Seats:
    """All slots of one loaded model. Without a `shelf`, nothing is saved."""

    def __init__(self, engine: Engine, count: int, shelf: Shelf | None, fingerprint: str) -> None:
        self._engine, self._shelf, self._fingerprint = engine, shelf, fingerprint
        self.table = Table(count, saves=shelf is not None)
        self._free = asyncio.Semaphore(count)
        self._families = Families(self._discard)
        self._token_bytes = 0.0  # as measured at the last save

    @asynccontextmanager
    async def seat(self, context: Context, asked: Trace, variant: Variant = PLAIN) -> AsyncIterator[Seat]:
        """Waits for a free slot, in the order of asking, and makes it as ready as it can be."""
        async with self._free:
            slot = self.table.take(chat_of(context), asked, variant, context.front)
            try:
                seat = await self._prepared(slot, context, asked, variant)
                try:
                    yield seat
                finally:
                    slot.trace = seat.holds()
            finally:
                self.table.give_back(slot)

    def sibling(
        self, context: Context, asked: Trace, variant: Variant = PLAIN
    ) -> AbstractAsyncContextManager[Family | None]:
        """The family that a request reads its prompt for; None when that was done, or it stands alone."""
        alone = context.siblings < 2 or self.table.count < 2 or isinstance(asked, str) or not self._shelf
        if alone or len(asked) < WORTH_RESTORING:
            return contextlib.nullcontext()
        return self._families.member((asked, variant), context.siblings)

    async def lend(self, seat: Seat, family: Family) -> None:
        """What the seat has read is there for the rest of its family from now on."""
        slot = seat.slot
        if self._shelf and not isinstance(seat.asked, str):
            fingerprint = self._key(slot.variant)
            state = State(fingerprint=fingerprint, owner=slot.owner, chat="", trace=seat.asked)
            if await self._saved(slot, state):
                family.state = state
        family.read.set()

    def _discard(self, state: State) -> None:
        if self._shelf:
            self._shelf.discard(state)

    def _key(self, variant: Variant) -> str:
        """What a saved state must have been made with."""
        return f"{self._fingerprint}-{variant.key}" if variant.key else self._fingerprint

    async def keep_all(self, limit_s: float) -> None:
        """Saves every chat that no one writes in, those used last first, as far as the time goes."""
        with contextlib.suppress(TimeoutError, EngineDied):
            async with asyncio.timeout(limit_s):
                for slot in self.table.idle_chats():
                    await self._keep(slot)

    # ── before a request ────────────────────────────────────────────────────────────────────────────

    async def _prepared(self, slot: Slot, context: Context, asked: Trace, variant: Variant) -> Seat:
        chat, owner = chat_of(context), context.caller.owner_id
        own = bool(slot.trace) and slot.chat == chat
        there = common(slot.trace, asked) if slot.variant == variant else 0
        why: CacheReason = "rescaled" if own and slot.variant != variant else ""
        why = why or _why(own, slot.trace, there, asked)
        if not chat and (isinstance(asked, str) or why == "changed"):
            why = self._why_without_chat(slot.trace, asked)
        seat = Seat(slot, asked, there, "slot" if there else "none", why)
        if len(slot.trace) - there >= WORTH_KEEPING:
            await self._keep(slot)
        if slot.variant != variant:
            slot.saved = ()
        await self._restore(seat, owner, variant)
        if slot.chat != chat:
            slot.saved = ()
        slot.chat, slot.owner, slot.trace, slot.variant = chat, owner, (), variant
        slot.front = context.front
        return seat

    def _why_without_chat(self, held: Trace, asked: Trace) -> CacheReason:
        """A program's conversation that is known to have lost its slot to another; else nothing is known."""
        lost = not goes_on(held, asked) and self.table.was_overwritten(asked)
        return "crowded" if lost else "" if isinstance(asked, str) else "changed"

    async def _restore(self, seat: Seat, owner: str, variant: Variant) -> None:
        """Puts a saved state into the slot, if one holds clearly more; a damaged one is thrown away."""
        while self._shelf and not isinstance(seat.asked, str):
            found = self._shelf.best(self._key(variant), owner, seat.asked)
            if not found or found[1] < seat.expected + WORTH_RESTORING:
                return
            state, there = found
            if await self._restored(seat.slot, state, variant):
                seat.expected, seat.source = there, "disk"
                seat.reason = _why(True, state.trace, there, seat.asked)
                return
            seat.reason = "damaged"

    async def _restored(self, slot: Slot, state: State, variant: Variant) -> bool:
        assert self._shelf
        try:
            if await asyncio.to_thread(self._shelf.is_whole, state):
                if slot.variant != variant:
                    await self._engine.turn_to(slot.number, variant)
                await self._engine.restore_slot(slot.number, self._shelf.file(state).name)
                self._shelf.used(state)
                slot.saved = state.trace
                return True
        except FabulaError as error:
            log.warning("a saved state could not be restored: %s", error)
            self._shelf.discard(state)
            if isinstance(error, EngineDied):
                raise
        self._shelf.discard(state)
        return False

    # ── saving ──────────────────────────────────────────────────────────────────────────────────────

    async def _keep(self, slot: Slot) -> None:
        """Saves a chat's state, if it is worth it. A failure costs the state, never the request."""
        trace = slot.trace
        if not self._shelf or not slot.chat or isinstance(trace, str) or len(trace) < WORTH_KEEPING:
            return
        fingerprint = self._key(slot.variant)
        state = State(fingerprint=fingerprint, owner=slot.owner, chat=slot.chat, trace=trace)
        before = replace(state, trace=slot.saved)
        if len(trace) - common(slot.saved, trace) < NEWS and self._shelf.holds(before):
            return
        if await self._saved(slot, state):
            slot.saved = trace

    async def _saved(self, slot: Slot, state: State) -> bool:
        trace = state.trace
        assert self._shelf
        if not self._shelf.wants(state) or not self._shelf.has_room(int(self._token_bytes * len(trace))):
            return False
        try:
            await self._engine.mark(slot.number, trace, slot.variant)
            held = await self._engine.save_slot(slot.number, self._shelf.part(state).name)
            if held < len(trace) - 1:  # the last token that was sampled was never read
                self._shelf.discard(state)
                return False
            size = self._shelf.part(state).stat().st_size
            await asyncio.to_thread(self._shelf.commit, state)
            self._token_bytes = size / len(trace)
            return True
        except EngineDied:
            self._shelf.discard(state)
            raise
        except (FabulaError, OSError) as error:
            self._shelf.discard(state)
            log.warning("the state of a slot could not be saved: %s", error)
            return False


def _why(own: bool, held: Trace, there: int, asked: Trace) -> CacheReason:
    """Why not all of the prompt is there."""
    if not own:
        return "first"
    return "changed" if there < min(len(held), len(asked) - 1) else ""
