"""Events in memory: publish and follow by topic, inside one process. Knows nothing of what happened.

Belongs to one event loop: `publish` and `end` are called from its thread and never wait. Each topic keeps
its last `kept` events; a follower reads them at its own pace. One that falls further behind goes on with
the oldest event still kept: the gap shows in the event ids, and for turns the journal has what is missing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from typing import Any

from fabula.core.seams import Event

KEPT = 4096  # events of one topic
ENDED_KEPT = 64  # topics that have ended and can still be read


class _Topic:
    def __init__(self, kept: int) -> None:
        self.last = 0
        self.events: deque[Event] = deque(maxlen=kept)
        self.ended = False
        self.waiters: set[asyncio.Future[None]] = set()

    def after(self, id: int) -> list[Event]:
        """The kept events with a higher number, found from the end: followers are mostly up to date."""
        wanted = min(self.last - id, len(self.events))
        return [self.events[index] for index in range(len(self.events) - wanted, len(self.events))]

    def wake(self) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def change(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiters.add(waiter)
        try:
            await waiter
        finally:
            self.waiters.discard(waiter)


class MemoryEvents:
    def __init__(self, kept: int = KEPT, ended_kept: int = ENDED_KEPT) -> None:
        self._kept = kept
        self._ended_kept = ended_kept
        self._topics: dict[str, _Topic] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def publish(self, topic: str, kind: str, data: dict[str, Any]) -> Event:
        """Numbers the event and wakes the followers. Publishing to a topic that ended opens it again."""
        place = self._topic(topic)
        if place.ended:
            place.ended = False
            self._ended.pop(topic, None)
        place.last += 1
        event = Event(place.last, kind, data)
        place.events.append(event)
        place.wake()
        return event

    async def follow(self, topic: str, after: int = 0) -> AsyncIterator[Event]:
        """All kept events after number `after`, then new ones as they come, until the topic ends."""
        place = self._topic(topic)
        seen = min(after, place.last)  # a number from before a restart: start at what is here now
        while True:
            for event in place.after(seen):
                seen = event.id
                yield event
            if seen < place.last:
                continue
            if place.ended:
                return
            await place.change()

    def end(self, topic: str) -> None:
        """Nothing more will come: followers finish when they have read the rest."""
        place = self._topic(topic)
        place.ended = True
        place.wake()
        self._ended[topic] = None
        while len(self._ended) > self._ended_kept:
            oldest, _ = self._ended.popitem(last=False)
            self._topics.pop(oldest, None)

    def close(self) -> None:
        """Ends every topic, so that no follower keeps a studio from ending."""
        for topic in list(self._topics):
            self.end(topic)

    def latest(self, topic: str) -> int:
        """The number of the newest event, 0 when there was none: follow after it to get only what is new."""
        place = self._topics.get(topic)
        return place.last if place else 0

    def _topic(self, name: str) -> _Topic:
        return self._topics.setdefault(name, _Topic(self._kept))
