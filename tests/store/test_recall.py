"""Vectors are searched by numpy, or by sqlite-vec where it can be loaded: both find the same."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fabula.chats.book import Chats
from fabula.chats.memory import passages, shelf
from fabula.chats.memory.embedding import Embedder
from fabula.chats.memory.recall import Recall
from fabula.chats.memory.records import Passage
from fabula.store.database import Database
from fabula.store.events import MemoryEvents
from fabula.store.vectors import has_distances

WIDTH, SOURCES = 48, ("a", "b", "c")


@pytest.fixture
async def chat(database: Database) -> str:
    """A chat that has 300 passages with random vectors, one of them without a length."""
    import numpy as np

    rows = np.random.default_rng(7).normal(size=(300, WIDTH))
    rows[5] = 0
    blobs = [passages.packed(row) for row in rows]
    texts = [Passage(SOURCES[number % 3], number, f"text {number}") for number in range(len(blobs))]
    id = (await Chats(database, MemoryEvents()).create("ann")).id
    await database.write(lambda c: shelf.keep(c, "ann", id, "e", texts, blobs))
    return id


async def test_sqlite_vec_finds_what_numpy_finds(database: Database, chat: str) -> None:
    import numpy as np

    if not await database.read(has_distances):
        pytest.skip("sqlite-vec is not installed, or this Python cannot load extensions into SQLite")
    kept = await database.read(lambda c: shelf.passages(c, chat, "e", ("a", "c")))
    for seed in range(20):
        asked = passages.packed(np.random.default_rng(100 + seed).normal(size=WIDTH))
        one = passages.nearest(asked, kept, 7, centred=False)
        other = await database.read(lambda c, v=asked: shelf.nearest(c, chat, "e", ("a", "c"), v, 7))
        assert other is not None
        assert [found.text for found in other] == [found.text for found in one]
        assert [f.likeness for f in other] == pytest.approx([f.likeness for f in one], abs=1e-5)


class Same:
    """One vector for everything."""

    def chosen(self, named: str) -> Embedder:
        return Embedder("same", weak=False)

    async def vectors(self, embedder: Embedder, texts: Sequence[str]) -> list[Sequence[float]]:
        return [[1.0, 0.0] for _ in texts]


async def test_what_is_equally_alike_comes_in_order_and_no_more_than_asked_for(
    database: Database, chat: str
) -> None:
    recall = Recall(database, Same())
    found = await recall.found("ann", chat, "", {"y": "Fog.", "x": "Rain."}, "sea", 1)
    assert [(one.source_id, one.likeness) for one in found] == [("x", pytest.approx(1.0))]


async def test_vectors_of_texts_that_are_gone_are_forgotten_when_they_are_many(
    database: Database, chat: str
) -> None:
    recall = Recall(database, Same())
    await recall.found("ann", chat, "", {f"s{number}": "Fog." for number in range(5)}, "sea", 1)
    await recall.tidy(chat, "", {"s0": "Fog."}, 4)
    assert len(await database.read(lambda c: shelf.known(c, chat, "same"))) == 5
    await recall.tidy(chat, "", {"s0": "Fog."}, 3)
    assert await database.read(lambda c: shelf.known(c, chat, "same")) == {"s0"}
