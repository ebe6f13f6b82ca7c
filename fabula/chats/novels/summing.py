"""Summaries of chapters: on a wish, or by themselves before the window is cut. Knows no HTTP and no table.

They are written when a passage has ended and nobody waits; the next one interrupts them. What goes wrong then
is no error of a turn: it is kept and told with the novel's memory.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from itertools import pairwise

from fabula.chats.memory import writing
from fabula.chats.memory.afterwards import Afterwards
from fabula.chats.memory.book import NEARLY_FULL
from fabula.chats.memory.passages import stretches
from fabula.chats.novels import pieces
from fabula.chats.novels.book import Novels
from fabula.chats.novels.records import ChapterInfo, Novel, NovelSettings, Summed
from fabula.core.errors import ChapterNotFound, ContextExceeded, FabulaError, NothingToSum, NovelNotFound
from fabula.core.model import LocalModel
from fabula.core.request import Caller, Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Token
from fabula.prompt.novel.model import Memory
from fabula.turn.request import TurnRequest
from fabula.turn.stream import Turns

log = logging.getLogger(__name__)
LEAST = 300  # characters of a block that has to fit into the context
CHAPTER = "chapter "  # in front of a chapter's id among the parts of a prompt


class Summaries:
    """`problems` has what went wrong last, by novel."""

    def __init__(self, novels: Novels, turns: Turns, find: Callable[[str], LocalModel]) -> None:
        self._novels, self._turns, self._find = novels, turns, find
        self.afterwards = Afterwards()
        self.problems: dict[str, FabulaError] = {}

    def interrupt(self, novel_id: str) -> None:
        """A turn begins."""
        self.afterwards.interrupt(novel_id)

    def settled(self, owner: str, novel_id: str) -> None:
        """A turn has ended."""
        self.afterwards.begin(novel_id, self._after(Caller(owner), novel_id))

    async def close(self) -> None:
        await self.afterwards.close()

    async def sum_up(self, caller: Caller, novel_id: str, chapter_id: str) -> tuple[str, Summed]:
        """A summary of a chapter by its novel's model, block by block, on top of the one before if that still
        holds; nothing is kept of it yet. Raises NothingToSum, or what a turn raises."""
        kept, runs = await self._novels.text(caller.owner_id, novel_id, chapter_id)
        text = pieces.text_of(runs)
        info = next(one for one in kept.chapters if one.id == chapter_id)
        words, summary, start = NovelSettings.of(kept.settings).words, "", 0
        if info.summed and info.summed.stands(text) and info.summed.upto < len(text):
            summary, start = info.summary, info.summed.upto
        left, size = text[start:].strip(), writing.BLOCK
        while left:
            block = stretches(left, size)[0]
            try:
                summary = await self._block(caller, kept, words, summary, block)
            except ContextExceeded:
                if size <= LEAST:
                    raise
                size //= 2
            else:
                left = left[len(block) :]
        if not summary:
            raise NothingToSum(novel_id)
        return summary, Summed.of_text(text, edited=False)

    async def _block(self, caller: Caller, kept: Novel, words: int, before: str, block: str) -> str:
        request = TurnRequest(
            model=self._find(kept.model).name,
            context=Context(caller, kept.id, "title"),
            messages=writing.anew(words, before, block),
            sampling=Sampling.of({**writing.sampling(words), "think": False}),
            overflow="cut",
        )
        async with contextlib.aclosing(self._turns.stream(request)) as deltas:
            return "".join([one.text async for one in deltas if isinstance(one, Token)]).strip()

    async def _after(self, caller: Caller, novel_id: str) -> None:
        owner = caller.owner_id
        try:
            kept, texts = await self._novels.texts(owner, novel_id)
            if kept.kind != "novel" or NovelSettings.of(kept.settings).summary != "auto":
                return
            memory = Memory.of(await self._novels.memory(owner, novel_id))
            for chapter_id in due(kept, {id: pieces.text_of(runs) for id, runs in texts.items()}, memory):
                text, summed = await self.sum_up(caller, novel_id, chapter_id)
                await self._novels.sum_up(owner, novel_id, chapter_id, text, summed)
            self.problems.pop(novel_id, None)
        except (NovelNotFound, ChapterNotFound):
            log.info("novel %s, or a chapter of it, went before it was summed up", novel_id)
        except FabulaError as problem:
            log.warning("no summary in novel %s: %s", novel_id, problem)
            self.problems[novel_id] = problem


def due(kept: Novel, texts: dict[str, str], memory: Memory) -> Sequence[str]:
    """The chapters that are to be summed up: of which the window has lost something that no summary covers,
    or is about to lose it."""
    lost = _lost([one.id for one in kept.chapters], texts, memory)
    return [one.id for one in kept.chapters if not _covers(one, texts[one.id], lost.get(one.id, 0))]


def _lost(order: Sequence[str], texts: dict[str, str], memory: Memory) -> dict[str, int]:
    """By chapter, how many of its first characters. Half of a window that is nearly full will go next."""
    shown = [one.part.removeprefix(CHAPTER) for one, _ in memory.shown if one.part.startswith(CHAPTER)]
    last = order.index(shown[-1]) if shown and shown[-1] in order else -1
    sizes = [len(texts[id]) for id in order[: last + 1]]
    ends = [0, *(sum(sizes[: number + 1]) for number in range(len(sizes)))]
    edge = 0
    if memory.start_chapter in order[: last + 1]:
        edge = ends[order.index(memory.start_chapter)] + max(memory.start_offset, 0)
    if memory.filled >= NEARLY_FULL:
        edge += (ends[-1] - edge) // 2
    return {
        id: min(edge, end) - start
        for id, (start, end) in zip(order, pairwise(ends), strict=False)
        if edge > start
    }


def _covers(chapter: ChapterInfo, text: str, lost: int) -> bool:
    """What a person wrote is not written anew unasked."""
    summed = chapter.summed
    if not lost or not text.strip() or (chapter.summary and (summed is None or summed.edited)):
        return True
    return bool(chapter.summary and summed and summed.upto >= lost and summed.stands(text))
