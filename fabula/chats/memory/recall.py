"""Passages of what a chat or a novel knows, found by vectors. Knows neither chats nor novels.

Texts get their vectors once, when they are looked in first; what a source is, its owner says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from fabula.chats.memory import passages, shelf
from fabula.chats.memory.embedding import Embedder, Embeds
from fabula.chats.memory.records import Passage
from fabula.store.database import Database


@dataclass(slots=True)
class Recall:
    """`of` are the tables in which passages are kept."""

    database: Database
    embeds: Embeds
    of: shelf.Tables = shelf.CHATS

    async def found(
        self, owner: str, id: str, embedder: str, sources: Mapping[str, str], text: str, count: int
    ) -> list[Passage]:
        """The passages of some texts (by the ids of these) that fit another one best. `embedder` names a
        model, or "" the best there is. Raises what embedding raises."""
        if not sources:
            return []
        chosen = self.embeds.chosen(embedder)
        await self._embed(owner, id, chosen, sources)
        [vector] = await self.embeds.vectors(chosen, [text[-passages.LONGEST :]])
        asked = passages.packed(vector)
        if not chosen.weak:  # what all have in common is taken off weak ones first
            best = await self.database.read(
                lambda c: shelf.nearest(c, id, chosen.key, sources, asked, count, self.of)
            )
            if best is not None:
                return best
        kept = await self.database.read(lambda c: shelf.passages(c, id, chosen.key, sources, self.of))
        return await asyncio.to_thread(passages.nearest, asked, kept, count, centred=chosen.weak)

    async def tidy(self, id: str, embedder: str, sources: Mapping[str, str], most: int) -> None:
        """Forgets vectors of texts that are no sources any more, where there are more than `most`."""
        key = self.embeds.chosen(embedder).key
        known = await self.database.read(lambda c: shelf.known(c, id, key, self.of))
        if len(gone := known - set(sources)) > most:
            await self.database.write(lambda c: shelf.forget(c, id, key, gone, self.of))

    async def _embed(self, owner: str, id: str, embedder: Embedder, sources: Mapping[str, str]) -> None:
        """Vectors for what has none of this model yet."""
        known = await self.database.read(lambda c: shelf.known(c, id, embedder.key, self.of))
        for source, text in sources.items():
            fresh = passages.passages(source, text) if source not in known else []
            if fresh:
                vectors = await self.embeds.vectors(embedder, [passage.text for passage in fresh])
                blobs = [passages.packed(vector) for vector in vectors]
                keeping = partial(
                    shelf.keep,
                    owner=owner,
                    id=id,
                    embedder=embedder.key,
                    passages=fresh,
                    vectors=blobs,
                    of=self.of,
                )
                await self.database.write(keeping)
