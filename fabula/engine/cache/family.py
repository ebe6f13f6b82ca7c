"""Requests with one prompt that come together, as choices do: the first reads it for all of them.

Knows no engine and no file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fabula.engine.cache.shelf import State

STRAGGLERS_S = 60.0  # how long a state is kept for those that were announced and did not come


@dataclass(eq=False, slots=True)
class Family:
    """`left` requests are still to come or in the midst of it; `read` is set when no one has to wait."""

    left: int
    read: asyncio.Event = field(default_factory=asyncio.Event)
    state: State | None = None
    came: int = 0


class Families:
    """All that are being served. `discard` is told of states that nobody waits for any more."""

    def __init__(self, discard: Callable[[State], None]) -> None:
        self._discard = discard
        self._by_prompt: dict[Hashable, Family] = {}

    @asynccontextmanager
    async def member(self, prompt: Hashable, size: int) -> AsyncIterator[Family | None]:
        """For the first of `size` requests its family, at once; for the others None, when it was read."""
        family = self._by_prompt.get(prompt)
        if family is None:
            family = self._by_prompt[prompt] = Family(size)
            asyncio.get_running_loop().call_later(STRAGGLERS_S, self._end, prompt, family)
        family.came += 1
        leads = family.came == 1
        try:
            if not leads:
                await family.read.wait()
            yield family if leads else None
        finally:
            family.left -= 1
            family.read.set()  # whatever became of the first, nobody waits for it any more
            if family.left <= 0:
                self._end(prompt, family)

    def _end(self, prompt: Hashable, family: Family) -> None:
        if self._by_prompt.get(prompt) is family:
            del self._by_prompt[prompt]
        state, family.state = family.state, None
        if state:
            self._discard(state)
