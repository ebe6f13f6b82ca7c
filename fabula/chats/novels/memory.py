"""What a novel remembers beyond its window: documents, earlier text, summaries. Knows no HTTP and no engine.

Passages are found as those of chats are. Where they cannot be found a turn goes on without them, and the
novel's memory says why.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from typing import Any

from fabula.chats.memory import passages, shelf
from fabula.chats.memory.book import MOST_TEXT
from fabula.chats.memory.embedding import Embeds
from fabula.chats.memory.recall import Recall
from fabula.chats.memory.records import Memory, Passage
from fabula.chats.novels import pieces, rows
from fabula.chats.novels.book import Novels
from fabula.chats.novels.records import ChapterInfo, Novel, NovelSettings
from fabula.chats.novels.summing import Summaries
from fabula.core.errors import BadParameter, FabulaError
from fabula.core.texts import phrase
from fabula.prompt.novel.model import Chapter
from fabula.prompt.novel.model import Memory as Laid
from fabula.prompt.steady.memory import Told, digest
from fabula.store.database import Database
from fabula.store.schema.novels import novel_memories, novel_memory_passages

NOVELS = shelf.Tables(novel_memories, novel_memory_passages, "novel_id", rows.find)
STRETCH = 3000  # characters of a chapter that get their vectors together
STALE = 200  # so many stretches of texts that are others now are kept, for an undo
log = logging.getLogger(__name__)
Sources = dict[str, tuple[str, str]]  # id → (name, text)


class NovelMemories:
    """Nothing of it is another owner's."""

    def __init__(self, database: Database, novels: Novels, embeds: Embeds, summaries: Summaries) -> None:
        self._database, self._novels, self._summaries = database, novels, summaries
        self.recall = Recall(database, embeds, NOVELS)
        self._problems: dict[str, FabulaError] = {}

    # ── what is kept ────────────────────────────────────────────────────────────────────────────────

    async def of(self, owner: str, id: str) -> dict[str, Any]:
        """All of it, with what went wrong the last time."""
        kept, texts = await self._novels.texts(owner, id)
        settings = NovelSettings.of(kept.settings)
        found = await self._database.read(lambda c: shelf.kept(c, owner, id, NOVELS))
        problem = self._summaries.problems.get(id) or self._problems.get(id)
        return {
            "settings": {
                name: getattr(settings, name) for name in ("summary", "words", "recall", "embedder")
            },
            "embedder": self._embedder(settings),
            "documents": [document_row(one) for one in found.documents],
            "summaries": [
                _summary(one, pieces.text_of(texts[one.id])) for one in kept.chapters if one.summary
            ],
            "writing": id in self._summaries.afterwards,
            "problem": problem.kept() if problem else None,
        }

    async def add(self, owner: str, id: str, text: str, name: str) -> Memory:
        """A document."""
        if not text.strip() or len(text) > MOST_TEXT:
            raise BadParameter("text", f"{len(text)}", phrase("expected.some_text"))
        return await self._database.write(
            lambda c: shelf.add(c, owner, id, "document", text.strip(), name=name, of=NOVELS)
        )

    async def remove(self, owner: str, id: str, document_id: str) -> None:
        await self._database.write(lambda c: shelf.remove(c, owner, id, document_id, NOVELS))

    def _embedder(self, settings: NovelSettings) -> dict[str, Any] | None:
        with contextlib.suppress(FabulaError):
            chosen = self.recall.embeds.chosen(settings.embedder)
            return {"model": chosen.model, "weak": chosen.weak}
        return None

    # ── passages ────────────────────────────────────────────────────────────────────────────────────

    async def recalled(
        self, kept: Novel, settings: NovelSettings, chapters: Sequence[Chapter], laid: Laid, wanted: str
    ) -> tuple[Told, ...]:
        """What fits a text best, of documents and of what the window holds no more. `chapters` are those up
        to the cursor, `laid` is what the last prompt left."""
        if kept.kind != "novel" or not settings.recall or not wanted.strip():
            return ()
        try:
            sources = await self._sources(kept, chapters, laid)
            found = await self._found(kept, settings, sources, wanted, settings.recall)
        except FabulaError as problem:
            log.warning("nothing is recalled in novel %s: %s", kept.id, problem)
            self._problems[kept.id] = problem
            return ()
        self._problems.pop(kept.id, None)
        return tuple(
            Told(f"{one.source_id} {one.number}", sources[one.source_id][0], one.text) for one in found
        )

    async def search(self, owner: str, id: str, text: str, count: int) -> list[Passage]:
        """The passages that fit a text best. Raises what embedding raises."""
        kept, texts = await self._novels.texts(owner, id)
        laid = Laid.of(await self._novels.memory(owner, id))
        chapters = [
            Chapter(id=one.id, title=one.title, runs=pieces.for_prompt(texts[one.id]))
            for one in kept.chapters
        ]
        sources = await self._sources(kept, chapters, laid)
        return await self._found(kept, NovelSettings.of(kept.settings), sources, text, count)

    async def _sources(self, kept: Novel, chapters: Sequence[Chapter], laid: Laid) -> Sources:
        found = await self._database.read(lambda c: shelf.kept(c, kept.owner_id, kept.id, NOVELS))
        sources: Sources = {one.id: (one.name, one.text) for one in found.documents}
        for chapter, text in _cut(chapters, laid):
            for stretch in passages.stretches(text, STRETCH):
                sources[digest(stretch)] = (chapter.title or kept.title, stretch)
        return sources

    async def _found(
        self, kept: Novel, settings: NovelSettings, sources: Sources, text: str, count: int
    ) -> list[Passage]:
        owner, texts = kept.owner_id, {id: text for id, (_, text) in sources.items()}
        found = await self.recall.found(owner, kept.id, settings.embedder, texts, text, count)
        if sources:
            await self.recall.tidy(kept.id, settings.embedder, texts, STALE)
        return found


def _cut(chapters: Sequence[Chapter], laid: Laid) -> list[tuple[Chapter, str]]:
    """The text in front of where the last prompt's window began."""
    ids = [chapter.id for chapter in chapters]
    if laid.start_chapter not in ids:
        return []
    place = ids.index(laid.start_chapter)
    edge = chapters[place].text[: max(laid.start_offset, 0)]
    return [*((one, one.text) for one in chapters[:place]), (chapters[place], edge)]


def document_row(one: Memory) -> dict[str, Any]:
    """Without its text."""
    return {"id": one.id, "name": one.name, "size": len(one.text), "created_at": one.created_at}


def _summary(chapter: ChapterInfo, text: str) -> dict[str, Any]:
    """`covers` characters of the chapter; `stale`: they are others by now."""
    summed = chapter.summed
    return {
        "chapter_id": chapter.id,
        "title": chapter.title,
        "text": chapter.summary,
        "covers": summed.upto if summed else 0,
        "edited": summed is None or summed.edited,
        "stale": bool(summed and not summed.stands(text)),
    }
