"""Getting models: the search, what a repository offers, the queue of downloads, places of other programs.

Gives the sources room its facts: this machine, the shelf, the settings. Knows no HTTP and no hub.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabula.core.errors import ModelNotFound, NotForHere, UnknownSource
from fabula.core.texts import phrase
from fabula.models.catalog import Catalog
from fabula.models.known.entries import find, plain
from fabula.models.known.own import known, named
from fabula.models.sources import places
from fabula.models.sources.discarding import discard
from fabula.models.sources.parse import parse
from fabula.models.sources.queue import Queue
from fabula.models.sources.words import Source
from fabula.store import settings
from fabula.store.events import MemoryEvents
from fabula.store.home import Home
from fabula.store.job_runner import JobRunner
from fabula.store.jobs import Job, Jobs

if TYPE_CHECKING:
    from fabula.models.fit.asking import Answers
    from fabula.models.sources.hubs import Query
    from fabula.models.sources.offers import Hit, Offers

LOOK = 2.0  # seconds between two looks at the settings
HUBS = ("hub", "modelscope")
SEARCHED = 10  # repositories
UNSEEN = "not_seen"  # the obstacle that a search may overcome


class Fetching:
    def __init__(
        self, home: Home, jobs: Jobs, runner: JobRunner, events: MemoryEvents, changed: Callable[[], None]
    ) -> None:
        self._home, self._changed = home, changed
        self.queue = Queue(home.downloads, jobs, runner, events, lambda source: discard(source, home.models))

    async def pull(self, source: str, *, first: bool = False, limit: int = 0) -> Job:
        """`limit` is bytes per second for this download alone; 0 = as it is set."""
        arguments: dict[str, Any] = {"source": source} | ({"limit": limit} if limit else {})
        return await self.queue.add(source, arguments, first=first)

    # ── what there is elsewhere ─────────────────────────────────────────────────────────────────────

    async def search(self, query: Query, place: str, answers: Answers, *, fits: bool) -> list[Hit]:
        from fabula.models.sources.offers import find

        return await asyncio.to_thread(find, query, place, answers, fits=fits)

    async def offers(self, name: str, answers: Answers, context: int = 0) -> Offers:
        """Of a repository; of a well-known model the repository that is known to have files for here, else
        the one that the hub finds.

        Raises ModelNotFound, NotInCatalog with what is called alike, UnknownSource, NotForHere or a
        DownloadFailure.
        """
        from fabula.models.sources.offers import offers

        source, found = await asyncio.to_thread(self._source_of, name, answers)
        told = await asyncio.to_thread(offers, source, answers, context)
        return replace(told, found=found)

    def _source_of(self, name: str, answers: Answers) -> tuple[Source, bool]:
        """And whether a search had to find it."""
        if ":" in name:
            source = parse(name)
            if source.kind not in HUBS:
                raise UnknownSource(name)
            return source, False
        rows = known(self._home.catalog)
        entry = find(rows, name)
        if entry is None and not any(plain(name) in plain(row.name) for row in rows):
            raise ModelNotFound(name, "")
        entry = entry or named(rows, name)  # which raises with those that it could mean
        if entry.quantized:
            return parse(entry.quantized[0].address), False
        if entry.obstacle and entry.obstacle != UNSEEN:
            raise NotForHere(entry.name, phrase(f"catalog.obstacle.{entry.obstacle}"))
        return parse(self._found(entry.name, answers)), True

    def _found(self, name: str, answers: Answers) -> str:
        """The most fetched repository of GGUF files whose name holds the model's. Raises ModelNotFound."""
        from fabula.models.sources.hubs import Query
        from fabula.models.sources.offers import find as search

        for hit in search(Query(text=f"{name} GGUF", limit=SEARCHED), "hf", answers):
            if plain(name) in plain(hit.found.name.partition("/")[2]):
                return hit.found.source
        raise ModelNotFound(name, "")

    # ── places of other programs ────────────────────────────────────────────────────────────────────

    def places(self) -> list[dict[str, Any]]:
        """Those that are used, then those that could be."""
        used = places.used(self._home.models)
        known = {place.key: place for place in places.known_places()}
        rows = []
        for key in dict.fromkeys([*used, *known]):
            models = places.models_of(key)
            title = known[key].title if key in known else key
            roots = [str(root) for root in known[key].roots] if key in known else []
            rows.append(
                {
                    "place": key,
                    "title": title,
                    "folders": roots,
                    "used": key in used,
                    "models": sorted(model.name for model in models),
                }
            )
        return rows

    def use_place(self, place: str) -> None:
        """Raises SourceMissing."""
        places.use(self._home.models, place)
        self._changed()

    def forget_place(self, place: str) -> bool:
        forgotten = places.forget(self._home.models, place)
        self._changed()
        return forgotten


def name_of(path: Path, folder: Path) -> str:
    """What the shelf calls the model in a file."""
    from fabula.models.formats.identify import identify

    for model in Catalog(folder).list():
        if model.path == path:
            return model.name
    return identify(path).name


@dataclass
class Pace:
    """How fast a download may be: what was said for it, and what is set, which may change on the way."""

    home: Home
    own: int = 0  # bytes per second; 0 = nothing was said
    _looked: float = 0.0
    _set: int = 0

    def limit(self) -> int:
        """The lower of both."""
        if time.monotonic() - self._looked > LOOK:
            self._looked = time.monotonic()
            self._set = settings.load(self.home).download_limit
        return min((rate for rate in (self.own, self._set) if rate), default=0)

    @property
    def connections(self) -> int:
        return settings.load(self.home).download_connections
