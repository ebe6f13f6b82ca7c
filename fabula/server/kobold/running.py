"""Answers that are being written, and the last ones, by the key under which clients poll and stop them.

Knows no body and no engine. A key reaches only its own owner's answers; without a key, only those that were
asked for without one, and of them only the one that there is: two programs never see each other's text.
"""

from __future__ import annotations

import itertools
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from fabula.core.stream import Delta
from fabula.server.answering import Written
from fabula.server.stopping import Stop, Turn

KEPT = 64  # answers that are over


@dataclass(slots=True, eq=False)
class Generation:
    owner: str
    key: str
    stop: Stop = field(default_factory=Stop)
    written: Written = field(default_factory=Written)


class Generations:
    def __init__(self) -> None:
        self.started = self.used = time.monotonic()
        self.total = 0
        self.last: Generation | None = None  # that was finished
        self._running: set[Generation] = set()
        self._over: OrderedDict[tuple[str, str], Generation] = OrderedDict()

    async def follow(self, generation: Generation, turn: Turn) -> AsyncGenerator[Delta, None]:
        """The same deltas, remembered while they pass."""
        self._running.add(generation)
        try:
            async with aclosing(turn):
                async for delta in turn:
                    generation.written.take(delta)
                    yield delta
            self.total += 1
            self.last = generation
        finally:
            self._end(generation)

    def _end(self, generation: Generation) -> None:
        self.used = time.monotonic()
        self._running.discard(generation)
        place = (generation.owner, generation.key)
        self._over[place] = generation
        self._over.move_to_end(place)
        for old in list(itertools.islice(self._over, max(len(self._over) - KEPT, 0))):
            del self._over[old]

    def find(self, owner: str, key: str) -> Generation | None:
        """What a key reaches: what is being written, else what was written last."""
        found = self._writing(owner, key)
        if not key and len(found) > 1:
            return None
        return found[0] if found else self._over.get((owner, key))

    def stop(self, owner: str, key: str) -> bool:
        """Ends what a key reaches; whether there was anything."""
        found = self._writing(owner, key)
        if not found or (not key and len(found) > 1):
            return False
        for generation in found:
            generation.stop.ask()
        return True

    def _writing(self, owner: str, key: str) -> list[Generation]:
        return [one for one in self._running if (one.owner, one.key) == (owner, key)]
