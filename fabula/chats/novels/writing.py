"""Passages of a novel: from a wish to a stored text. Knows no HTTP and no engine.

What a turn needs for storing its texts goes into the journal's header before the first token, so that
`recover` can store what a killed studio wrote, exactly once.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection

from fabula.chats import items, packs, places, story_settings
from fabula.chats.lorebooks.entries import Parsed
from fabula.chats.novels import pieces
from fabula.chats.novels.book import Novels, require_places
from fabula.chats.novels.memory import NovelMemories
from fabula.chats.novels.records import Change, NovelSettings, PassageKind
from fabula.chats.novels.records import Novel as Kept
from fabula.chats.novels.summing import Summaries
from fabula.chats.story_settings import StoryDefaults
from fabula.chats.templates import template_of
from fabula.core.errors import (
    BadParameter,
    ChapterNotFound,
    FabulaError,
    NovelBusy,
    NovelChanged,
    NovelNotFound,
)
from fabula.core.load import wish_of
from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.request import Caller, Context
from fabula.core.sampling import Sampling
from fabula.core.seams import Journal
from fabula.core.stream import Token
from fabula.core.texts import phrase
from fabula.engine.presets.shelf import Presets
from fabula.prompt.lore.activate import ordered
from fabula.prompt.lore.entry import Entry
from fabula.prompt.lore.settings import LoreSettings
from fabula.prompt.novel.model import Chapter, Memory, Novel, Task, anchor
from fabula.store.database import Database
from fabula.turn.live import Live, Outcome, replay
from fabula.turn.looking import Looked
from fabula.turn.seeds import alternatives
from fabula.turn.stream import Turns
from fabula.turn.writing import LaidPassage, PassageRequest, Writing

ROOM = "novel"  # of the headers of journals
MOST_PASSAGES = 16  # that one turn writes side by side
USUAL: Mapping[str, Any] = {"loop_count": 12, "max_tokens": 400, "think": False}
"""What holds where nobody said otherwise: a passage is a page or so, written without thinking aloud."""
log = logging.getLogger(__name__)
FindModel = Callable[[str], LocalModel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is to be written. `at` is the cursor (None: the chapter's end); a passage from `at` to `end` is
    rewritten or expanded. `continue` with an `end` is another try: what stands up to there is not told, and
    goes when the new passage comes. `take`: the first goes into the text at once; None: where it is the only
    one."""

    novel_id: str
    revision: int
    chapter_id: str = ""  # "" = the last one
    kind: PassageKind = "continue"
    at: int | None = None
    end: int | None = None
    instruction: str = ""
    count: int = 1
    take: bool | None = None
    model: str = ""
    sampling: dict[str, Any] = field(default_factory=dict)
    load: dict[str, Any] = field(default_factory=dict)
    keep_alive: str | float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where a turn's passages go; the journal keeps it. `base` is the version of the chapter that they were
    written for."""

    turn_id: str
    owner_id: str
    novel_id: str
    chapter_id: str
    kind: PassageKind
    start: int
    replaced: str
    before: str
    base: str
    take: bool
    instruction: str
    model: str
    tokenizer: str
    passage_ids: tuple[str, ...]
    sampling: dict[str, Any] = field(default_factory=dict)
    room: str = ROOM

    def place(self) -> places.Place:
        """As replies know theirs, for the facts that are told of all generations."""
        return places.Place(
            turn_id=self.turn_id,
            owner_id=self.owner_id,
            chat_id=self.novel_id,
            kind="reply",
            message_id=self.passage_ids[0],
            parent_id="",
            head_id="",
            model=self.model,
            tokenizer=self.tokenizer,
            sampling=self.sampling,
        )

    def start_event(self) -> dict[str, Any]:
        names = ("turn_id", "novel_id", "chapter_id", "kind", "start", "replaced", "take", "model")
        return {name: getattr(self, name) for name in names} | {"passage_ids": list(self.passage_ids)}


@dataclass(frozen=True, slots=True)
class Begun:
    turn_id: str
    passage_ids: tuple[str, ...]
    spot: Spot


class NovelWriting:
    """All turns that write on novels, one at a time on each."""

    def __init__(
        self,
        database: Database,
        novels: Novels,
        turns: Turns,
        live: Live,
        journal: Journal,
        find: FindModel,
        presets: Presets,
        memories: NovelMemories,
        summaries: Summaries,
    ) -> None:
        self._database, self._novels, self._turns = database, novels, turns
        self._memories, self._summaries = memories, summaries
        self._live, self._journal, self._find, self._presets = live, journal, find, presets
        self._parsed = Parsed()
        self._active: dict[str, str] = {}  # novel → turn

    def turn_of(self, novel_id: str) -> str:
        """The turn that is writing on a novel, or ""."""
        return self._active.get(novel_id, "")

    async def start(self, caller: Caller, ask: Ask) -> Begun:
        """Begin to write. Raises NovelBusy, NovelChanged, BadParameter, or that something does not exist."""
        if running := self.turn_of(ask.novel_id):
            raise NovelBusy(ask.novel_id, running)
        turn_id = self._active[ask.novel_id] = uuid.uuid4().hex
        self._summaries.interrupt(ask.novel_id)
        try:
            return await self._begin(caller, ask, turn_id)
        except BaseException:
            del self._active[ask.novel_id]
            raise

    async def stop_in(self, novel_id: str) -> None:
        """Stop the turn of a novel that goes away, and wait until its text is stored."""
        while (turn_id := self.turn_of(novel_id)) and not self._live.running(turn_id):
            await asyncio.sleep(0.01)
        if turn_id:
            self._live.stop(turn_id)
            async for _ in self._live.follow(turn_id):
                pass

    async def recover(self) -> int:
        """Store the passages that a killed studio left in the journal; the number of turns."""
        found = 0
        for turn_id in self._journal.unfinished():
            header, events = self._journal.read(turn_id)
            if header.get("room") != ROOM:
                continue
            try:
                spot = Spot(**header | {"passage_ids": tuple(header["passage_ids"])})
                await self._store(spot, replay(events, len(spot.passage_ids)))
            except (TypeError, LookupError, FabulaError) as reason:
                log.warning("turn %s cannot be stored, its journal is kept: %s", turn_id, reason)
            else:
                self._journal.fold(turn_id)
                found += 1
        return found

    async def look(self, caller: Caller, ask: Ask) -> tuple[str, Looked]:
        """The model, and the prompt of a passage as it would be made now. Nothing is kept of it."""
        request, _, _ = await self._request(caller, ask)
        return request.model, await self._turns.look(request)

    async def _begin(self, caller: Caller, ask: Ask, turn_id: str) -> Begun:
        most = phrase("expected.whole_range", low=1, high=MOST_PASSAGES)
        if not 1 <= ask.count <= MOST_PASSAGES:
            raise BadParameter("count", f"{ask.count}", most)
        request, novel, spot = await self._request(caller, ask)
        if novel.revision != ask.revision:
            raise NovelChanged(ask.novel_id, ask.revision, novel.revision, text=ask.instruction)
        ids = tuple(uuid.uuid4().hex for _ in range(ask.count))
        take = ask.count == 1 if ask.take is None else ask.take
        asked_for = alternatives(request, ask.count)
        kept = places.journaled(asked_for[0].sampling)
        spot = replace(spot, turn_id=turn_id, passage_ids=ids, take=take, sampling=kept)
        streams = [self._turns.stream(each) for each in asked_for]
        header = dataclasses.asdict(spot)
        self._live.start(turn_id, header, spot.start_event(), streams, _Keeper(self, spot), request.hurry.ask)
        self._novels.begun(novel, turn_id)
        return Begun(turn_id, ids, spot)

    async def _request(self, caller: Caller, ask: Ask) -> tuple[PassageRequest, Kept, Spot]:
        """What a passage is asked with, the novel, and where the passage goes."""
        owner = caller.owner_id
        kept, texts = await self._novels.texts(owner, ask.novel_id)
        settings = NovelSettings.of(kept.settings)
        chapter_id = ask.chapter_id or kept.chapters[-1].id
        if chapter_id not in texts:
            raise ChapterNotFound(ask.novel_id, chapter_id)
        runs = texts[chapter_id]
        text = pieces.text_of(runs)
        at, end = _span(ask, len(text))
        model = self._find(ask.model or kept.model)
        memory = Memory.of(await self._novels.memory(owner, kept.id))
        novel = await self._told(owner, kept, settings, texts, chapter_id, at, text[end:])
        passage = "" if ask.kind == "continue" else text[at:end]
        wanted = "\n".join(part for part in (text[:at], passage, ask.instruction) if part)
        recalled = await self._memories.recalled(kept, settings, novel.chapters, memory, wanted)
        novel = replace(novel, recalled=recalled)
        writing = Writing(
            novel=novel,
            task=Task(kind=ask.kind, instruction=ask.instruction, passage=passage),
            memory=memory,
            seed=secrets.randbits(32),
            form="raw" if kept.kind == "notebook" else settings.form,
            keep=self._keeping(owner, kept.id),
        )
        spot = Spot(
            turn_id="",
            owner_id=owner,
            novel_id=kept.id,
            chapter_id=chapter_id,
            kind=ask.kind,
            start=at,
            replaced=text[at:end],
            before=anchor(text, at),
            base=next(one.version_id for one in kept.chapters if one.id == chapter_id),
            take=False,
            instruction=ask.instruction,
            model=model.name,
            tokenizer=model.tokenizer,
            passage_ids=(),
        )
        request = PassageRequest(
            model=model.name,
            sampling=await self._sampling(owner, kept, settings, ask),
            context=Context(caller, kept.id, "chat", siblings=ask.count),
            messages=(Message(role="user", text=ask.instruction or "…"),),
            overflow="cut",
            wish=wish_of(ask.load, ask.keep_alive),
            writing=writing,
        )
        return request, kept, spot

    async def _sampling(self, owner: str, kept: Kept, settings: NovelSettings, ask: Ask) -> Sampling:
        laid = await self._presets.laid(owner, kept.sampling, ask.sampling)
        usual = dict(USUAL)
        if kept.kind == "notebook":
            usual |= {"logprobs": settings.logprobs}
            usual.pop("think")  # raw text has no thinking to be switched off
        elif settings.form == "raw":
            usual.pop("think")
        return Sampling.of(usual | laid)

    def _keeping(self, owner: str, id: str) -> Callable[[LaidPassage], Any]:
        async def keep(laid: LaidPassage) -> None:
            await self._novels.remember(owner, id, laid.prompt.memory.all())

        return keep

    async def _told(
        self,
        owner: str,
        kept: Kept,
        settings: NovelSettings,
        texts: Mapping[str, Sequence[pieces.Row]],
        chapter_id: str,
        at: int,
        behind: str,
    ) -> Novel:
        """The novel up to the cursor, as prompts take it."""
        order = [chapter.id for chapter in kept.chapters]
        upto = kept.chapters[: order.index(chapter_id) + 1]
        ends = {chapter_id: at}
        is_novel = kept.kind == "novel"
        chapters = tuple(
            Chapter(
                id=one.id,
                title=one.title if is_novel else "",
                outline=one.outline,
                notes=one.notes,
                summary=one.summary,
                runs=pieces.for_prompt(texts[one.id], ends.get(one.id)),
            )
            for one in upto
        )
        if not is_novel:
            return Novel(chapters=chapters)
        pack, lore_settings, lore = await self._database.read(lambda c: self._world(c, owner, settings))
        own = settings.prompt.strip()
        here = (chapter_id, at, anchor(pieces.text_of(texts[chapter_id]), at))
        return Novel(
            title=kept.title,
            language=settings.language,
            prompt=own or pack.text,
            prompt_name="" if own else pack.name,
            outline=settings.outline,
            notes=settings.notes,
            facts=settings.facts,
            chapters=chapters,
            behind=behind,
            lore=lore,
            lore_settings=lore_settings,
            user=settings.user,
            passages=await self._novels.written(owner, kept.id, [one.version_id for one in upto], here),
        )

    def _world(
        self, connection: Connection, owner: str, settings: NovelSettings
    ) -> tuple[packs.Pack, LoreSettings, list[Entry]]:
        """The system prompt, and the lore of books that hold everywhere or for this novel."""
        templates = [template_of(one) for one in items.listed(connection, owner, "template", whole=True)]
        pack = packs.find(settings.pack or f"{packs.CO_WRITER}.{settings.language}", templates)
        row, _ = story_settings.read(connection, owner)
        lore = StoryDefaults.of(row).lore_settings("steady")
        heads = items.listed(connection, owner, "lorebook")
        wanted = [one.id for one in heads if one.links.everywhere or one.id in settings.lorebooks]
        books = items.several(connection, owner, wanted)

        def of(some: Sequence[str]) -> list[Entry]:
            return [entry for id in some for entry in self._parsed.entries(books[id], books[id].id, v3=True)]

        own = [id for id in wanted if id in settings.lorebooks]
        everywhere = [id for id in wanted if id not in own]
        return pack, lore, ordered(lore.strategy, everywhere=of(everywhere), chat=of(own))

    # ── the end of a turn ───────────────────────────────────────────────────────────────────────────

    async def settle(self, spot: Spot, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        try:
            return await self._store(spot, outcomes)
        finally:
            self._active.pop(spot.novel_id, None)
            self._summaries.settled(spot.owner_id, spot.novel_id)

    async def _store(self, spot: Spot, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        """Keep the passages; the data of the turn's last event. Repeating it changes nothing."""
        brought = [_brought(spot, number, outcome) for number, outcome in enumerate(outcomes)]
        found = [each for each in brought if each]
        change = None
        ids: Sequence[str] = ()
        if found:
            with contextlib.suppress(NovelNotFound):  # deleted while it was written
                change, ids = await self._novels.finish_turn(
                    spot.owner_id, spot.novel_id, found, spot.base if spot.take else None
                )
        shown = next((number for number, each in enumerate(brought) if each), 0)
        return {
            "reason": outcomes[shown].reason,
            "facts": places.facts(spot.place(), outcomes[shown]),
            "passages": list(ids),
            "novel": _told_change(change) if change else None,
        }


@dataclass(frozen=True, slots=True)
class _Keeper:
    """Implements `turn.live.Keeper` for one turn."""

    writing: NovelWriting
    spot: Spot

    def facts(self, outcome: Outcome) -> dict[str, Any]:
        return places.facts(self.spot.place(), outcome)

    async def settle(self, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        return await self.writing.settle(self.spot, outcomes)


def _told_change(change: Change) -> dict[str, Any]:
    """What the last event says of a novel: where its text is another one now."""
    place = {name: getattr(change, name) for name in ("chapter_id", "start", "removed", "inserted")}
    return {"id": change.novel.id, "revision": change.novel.revision} | place


def _span(ask: Ask, size: int) -> tuple[int, int]:
    """From the cursor to the end of the passage that goes. Raises BadParameter."""
    at = size if ask.at is None else ask.at
    end = at if ask.end is None else ask.end
    require_places(at, end, size)
    if ask.kind != "continue" and at == end:
        raise BadParameter("end", f"{at}–{end}", phrase("expected.some_text"))
    return at, end


def _brought(spot: Spot, number: int, outcome: Outcome) -> dict[str, Any] | None:
    """A row for what one stream wrote; None when it wrote nothing."""
    if not outcome.text:
        return None
    facts = places.facts(spot.place(), outcome)
    return {
        "id": spot.passage_ids[number],
        "chapter_id": spot.chapter_id,
        "turn_id": spot.turn_id,
        "number": number,
        "kind": spot.kind,
        "start": spot.start,
        "replaced": spot.replaced,
        "before": spot.before,
        "instruction": spot.instruction,
        "reason": outcome.reason or "interrupted",
        "facts": facts,
        "runs": _runs(spot, outcome, facts),
    }


def _runs(spot: Spot, outcome: Outcome, facts: Mapping[str, Any]) -> list[pieces.Row]:
    """The text as runs: what joins it to the text before, then what was sampled, with its ids."""
    if spot.kind != "continue":
        edge = spot.replaced
        lead, tail = edge[: len(edge) - len(edge.lstrip())], edge[len(edge.rstrip()) :]
        return pieces.rewritten(lead + outcome.text.strip() + tail)
    joint = pieces.written(str((facts.get("story") or {}).get("joint", "")))
    run: pieces.Row = {"text": outcome.text}
    if outcome.has_ids and spot.tokenizer:
        run |= {"ids": outcome.token_ids, "tokenizer": spot.tokenizer}
    if outcome.tokens and "".join(token.text for token in outcome.tokens) == outcome.text:
        run |= {"tokens": [_token(token) for token in outcome.tokens]}
        run |= {"tokenizer": spot.tokenizer}
    return [*joint, run] if pieces.by_model(run) else [*joint, *pieces.rewritten(outcome.text)]


def _token(token: Token) -> list[Any]:
    """As notebooks keep it: id, text, log-probability, and the candidates."""
    assert token.chosen
    likeliest = [[one.id, one.text, round(one.logprob, 5)] for one in token.likeliest]
    return [token.chosen.id, token.text, round(token.chosen.logprob, 5), likeliest]
