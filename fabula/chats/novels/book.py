"""Novels and notebooks as they are kept: every change is a version, and can be undone. Knows no engine.

Whoever changes one gives the revision that was seen: who saw an older one is told, and gets the text back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection, Row

from fabula.chats.novels import pieces, rows
from fabula.chats.novels.records import (
    Change,
    Listed,
    Novel,
    NovelSettings,
    Passage,
    Pointer,
    Summed,
    Version,
)
from fabula.core.errors import BadParameter, NovelChanged, PassageMoved, PassageNotFound
from fabula.core.texts import phrase
from fabula.prompt.novel.model import anchor
from fabula.store.database import Database
from fabula.store.events import MemoryEvents

MOST_TEXT = 10_000_000  # characters of a chapter
FIELDS = ("title", "model", "sampling")
CHAPTER_FIELDS = ("title", "outline", "notes", "summary")


class Novels:
    """What asks for an owner shows no novel of anyone else."""

    def __init__(self, database: Database, events: MemoryEvents) -> None:
        self._database, self._events = database, events

    # ── read ────────────────────────────────────────────────────────────────────────────────────────

    async def list(
        self,
        owner: str,
        kind: str,
        *,
        trashed: bool = False,
        words: str = "",
        offset: int = 0,
        limit: int = 100,
    ) -> tuple[Sequence[Listed], int]:
        """Newest first, and how many there are."""
        return await self._database.read(
            lambda c: rows.listed(c, owner, kind, trashed=trashed, words=words, offset=offset, limit=limit)
        )

    async def get(self, owner: str, id: str, *, trashed: bool = False) -> Novel:
        """Raises NovelNotFound."""
        return await self._database.read(lambda c: rows.novel(c, owner, id, trashed=trashed))

    async def text(
        self, owner: str, id: str, chapter_id: str, version_id: str = ""
    ) -> tuple[Novel, Sequence[pieces.Row]]:
        """The runs of a chapter, as it is now or as one of its versions has it. Raises ChapterNotFound."""

        def work(connection: Connection) -> tuple[Novel, Sequence[pieces.Row]]:
            novel = rows.find(connection, owner, id)
            chapter = rows.chapter(connection, novel, chapter_id)
            if version_id and all(
                one.id != version_id for one in rows.versions(connection, chapter, 0, 1_000_000)
            ):
                raise PassageNotFound(version_id)
            return rows.novel(connection, owner, id), rows.runs(connection, version_id or chapter.version_id)

        return await self._database.read(work)

    async def texts(self, owner: str, id: str) -> tuple[Novel, dict[str, Sequence[pieces.Row]]]:
        """The runs of all chapters, by id."""

        def work(connection: Connection) -> tuple[Novel, dict[str, Sequence[pieces.Row]]]:
            novel = rows.novel(connection, owner, id)
            return novel, {one.id: rows.runs(connection, one.version_id) for one in novel.chapters}

        return await self._database.read(work)

    async def versions(
        self, owner: str, id: str, chapter_id: str, offset: int = 0, limit: int = 100
    ) -> Sequence[Version]:
        """Newest first."""

        def work(connection: Connection) -> Sequence[Version]:
            novel = rows.find(connection, owner, id)
            return rows.versions(connection, rows.chapter(connection, novel, chapter_id), offset, limit)

        return await self._database.read(work)

    async def passages(
        self,
        owner: str,
        id: str,
        *,
        chapter_id: str = "",
        turn_id: str = "",
        offset: int = 0,
        limit: int = 100,
    ) -> Sequence[Passage]:
        """What models wrote, those that nobody chose too; newest turn first."""

        def work(connection: Connection) -> Sequence[Passage]:
            novel = rows.find(connection, owner, id)
            return rows.passages(connection, novel, chapter_id, turn_id, offset, limit)

        return await self._database.read(work)

    # ── change ──────────────────────────────────────────────────────────────────────────────────────

    async def create(
        self, owner: str, fields: Mapping[str, Any], chapters: Sequence[tuple[str, str]] = (("", ""),)
    ) -> Novel:
        """With chapters of these titles and texts."""
        for _, text in chapters:
            _check(text)

        def work(connection: Connection) -> Novel:
            id = rows.create(connection, owner, fields)
            novel = rows.find(connection, owner, id)
            order = []
            for title, text in chapters:
                order.append(rows.add_chapter(connection, owner, id, {"title": title}))
                if text:
                    self._first_text(connection, novel, order[-1], text)
            rows.apply(connection, novel, [Pointer("novels", id, "chapters", [], order)])
            return rows.novel(connection, owner, id)

        return self._announced(await self._database.write(work))

    def _first_text(self, connection: Connection, novel: Row[Any], chapter_id: str, text: str) -> None:
        order = Pointer("novels", novel.id, "chapters", [], [*novel.chapters, chapter_id])
        rows.apply(connection, novel, [order])
        chapter = rows.chapter(connection, rows.find(connection, novel.owner_id, novel.id), chapter_id)
        version = rows.add_version(connection, chapter, 0, 0, pieces.written(text), "imported")
        rows.apply(connection, novel, [Pointer("novel_chapters", chapter_id, "version_id", "", version)])

    async def change(self, owner: str, id: str, revision: int, changes: Mapping[str, Any]) -> Novel:
        """Other values of title, model, sampling, or of settings."""

        def work(connection: Connection) -> Novel:
            novel = rows.expect(connection, owner, id, revision)
            pointers = [
                Pointer("novels", id, name, getattr(novel, name), changes[name])
                for name in FIELDS
                if name in changes
            ]
            if told := changes.get("settings"):
                after = dict(novel.settings) | dict(told)
                NovelSettings.of(after)
                pointers.append(Pointer("novels", id, "settings", novel.settings, after))
            rows.record(connection, novel, "fields", pointers)
            return rows.novel(connection, owner, id)

        return self._announced(await self._write(work))

    async def add_chapter(
        self, owner: str, id: str, revision: int, fields: Mapping[str, Any], at: int | None = None
    ) -> Novel:
        """At a place in the order, or at the end; `text` may be given with it."""
        text = str(fields.get("text", ""))
        _check(text)

        def work(connection: Connection) -> Novel:
            novel = rows.expect(connection, owner, id, revision)
            given = {name: fields[name] for name in CHAPTER_FIELDS if name in fields}
            chapter_id = rows.add_chapter(connection, owner, id, given)
            if text:
                self._first_text(connection, novel, chapter_id, text)
            place = len(novel.chapters) if at is None else at
            order = [*novel.chapters[:place], chapter_id, *novel.chapters[place:]]
            pointer = Pointer("novels", id, "chapters", novel.chapters, order)
            rows.record(connection, novel, "chapter", [pointer], chapter_id)
            return rows.novel(connection, owner, id)

        return self._announced(await self._write(work, text))

    async def change_chapter(
        self, owner: str, id: str, revision: int, chapter_id: str, changes: Mapping[str, Any]
    ) -> Novel:
        """Other values of title, outline, notes, summary; or another place in the order (`at`, from 0).
        `by_model` says that a model wrote the summary."""

        def work(connection: Connection) -> Novel:
            novel = rows.expect(connection, owner, id, revision)
            chapter = rows.chapter(connection, novel, chapter_id)
            given = {name: changes[name] for name in CHAPTER_FIELDS if name in changes}
            if "summary" in given:
                given["summed"] = _summed(connection, chapter, bool(changes.get("by_model")))
            pointers = [
                Pointer("novel_chapters", chapter_id, name, getattr(chapter, name), value)
                for name, value in given.items()
            ]
            if (at := changes.get("at")) is not None:
                order = [one for one in novel.chapters if one != chapter_id]
                order.insert(at, chapter_id)
                pointers.append(Pointer("novels", id, "chapters", novel.chapters, order))
            rows.record(connection, novel, "chapter", pointers, chapter_id)
            return rows.novel(connection, owner, id)

        return self._announced(await self._write(work))

    async def remove_chapter(self, owner: str, id: str, revision: int, chapter_id: str) -> Novel:
        """Out of the order; its text stays, and undo brings it back."""

        def work(connection: Connection) -> Novel:
            novel = rows.expect(connection, owner, id, revision)
            rows.chapter(connection, novel, chapter_id)
            if len(novel.chapters) == 1:
                raise BadParameter("chapter_id", chapter_id, phrase("expected.not_the_last_chapter"))
            order = [one for one in novel.chapters if one != chapter_id]
            pointer = Pointer("novels", id, "chapters", novel.chapters, order)
            rows.record(connection, novel, "chapter", [pointer], chapter_id)
            return rows.novel(connection, owner, id)

        return self._announced(await self._write(work))

    async def edit(
        self,
        owner: str,
        id: str,
        revision: int,
        chapter_id: str,
        text: str,
        start: int | None = None,
        end: int | None = None,
    ) -> Change:
        """Another text between two places; of the whole chapter where none is given, and then only what
        differs counts as changed."""
        _check(text)

        def work(connection: Connection) -> Change:
            novel = rows.expect(connection, owner, id, revision)
            chapter = rows.chapter(connection, novel, chapter_id)
            before = pieces.text_of(rows.runs(connection, chapter.version_id))
            if start is None:
                place, removed, inserted = pieces.difference(before, text)
            else:
                last = len(before) if end is None else end
                require_places(start, last, len(before))
                place, removed, inserted = start, last - start, text
            if removed or inserted:
                self._put(connection, novel, chapter, place, removed, pieces.written(inserted), "written")
            return Change(rows.novel(connection, owner, id), chapter_id, place, removed, inserted)

        return await self._changed(work, text)

    def _put(
        self,
        connection: Connection,
        novel: Row[Any],
        chapter: Row[Any],
        start: int,
        removed: int,
        runs: Sequence[pieces.Row],
        reason: str,
        turn_id: str = "",
    ) -> None:
        version = rows.add_version(connection, chapter, start, removed, runs, reason, turn_id)
        pointer = Pointer("novel_chapters", chapter.id, "version_id", chapter.version_id, version)
        rows.record(connection, novel, reason, [pointer], chapter.id)

    async def restore_version(
        self, owner: str, id: str, revision: int, chapter_id: str, version_id: str
    ) -> Change:
        """An earlier version of a chapter is shown again; itself a change that can be undone."""

        def work(connection: Connection) -> Change:
            novel = rows.expect(connection, owner, id, revision)
            chapter = rows.chapter(connection, novel, chapter_id)
            known = {one.id for one in rows.versions(connection, chapter, 0, 1_000_000)}
            if version_id not in known:
                raise PassageNotFound(version_id)
            pointer = Pointer("novel_chapters", chapter_id, "version_id", chapter.version_id, version_id)
            rows.record(connection, novel, "restore", [pointer], chapter_id)
            return _difference(connection, owner, id, chapter_id, chapter.version_id)

        return await self._changed(work)

    async def undo(self, owner: str, id: str, revision: int) -> Change:
        """Raises NothingToUndo."""
        return await self._replay(owner, id, revision, back=True)

    async def redo(self, owner: str, id: str, revision: int) -> Change:
        """Raises NothingToUndo."""
        return await self._replay(owner, id, revision, back=False)

    async def _replay(self, owner: str, id: str, revision: int, *, back: bool) -> Change:
        def work(connection: Connection) -> Change:
            novel = rows.expect(connection, owner, id, revision)
            shown = {one.id: one.version_id for one in rows.novel(connection, owner, id).chapters}
            chapter_id = rows.replay(connection, novel, back=back)
            return _difference(connection, owner, id, chapter_id, shown.get(chapter_id, ""))

        return await self._changed(work)

    async def choose(self, owner: str, id: str, revision: int, passage_id: str) -> Change:
        """A passage takes the place of what stands there: of another that was written there, or of what it
        was written for. Raises PassageNotFound, or PassageMoved where the text around it is another one by
        now."""

        def work(connection: Connection) -> Change:
            novel = rows.expect(connection, owner, id, revision)
            wanted = rows.passage(connection, novel, passage_id)
            chapter = rows.chapter(connection, novel, wanted.chapter_id)
            text = pieces.text_of(rows.runs(connection, chapter.version_id))
            beside = [pieces.text_of(one.runs) for one in rows.passages_there(connection, wanted)]
            there = _standing(wanted, text, beside)
            written = pieces.text_of(wanted.runs)
            if there != written:
                self._put(
                    connection,
                    novel,
                    chapter,
                    wanted.start,
                    len(there),
                    wanted.runs,
                    "chosen",
                    wanted.turn_id,
                )
            return Change(
                rows.novel(connection, owner, id), wanted.chapter_id, wanted.start, len(there), written
            )

        return await self._changed(work)

    async def pick(
        self, owner: str, id: str, revision: int, chapter_id: str, at: int, token_id: int
    ) -> Change:
        """In a notebook: another token in the place of the one that begins there. What followed goes (undo
        brings it back). Raises BadParameter where no such alternative was kept."""

        def work(connection: Connection) -> Change:
            novel = rows.expect(connection, owner, id, revision)
            chapter = rows.chapter(connection, novel, chapter_id)
            runs = rows.runs(connection, chapter.version_id)
            run = _alternative(runs, at, token_id)
            size = len(pieces.text_of(runs))
            self._put(connection, novel, chapter, at, size - at, [run], "picked")
            return Change(rows.novel(connection, owner, id), chapter_id, at, size - at, run["text"])

        return await self._changed(work)

    # ── what a turn brings ──────────────────────────────────────────────────────────────────────────

    async def finish_turn(
        self, owner: str, id: str, passages: Sequence[Mapping[str, Any]], take_version: str | None
    ) -> tuple[Change | None, Sequence[str]]:
        """Keeps what a turn wrote, once, however often it is told; the ids of what is kept. With
        `take_version`, the first goes into the text, if the chapter still shows that version."""

        def work(connection: Connection) -> tuple[Change | None, Sequence[str]]:
            novel = rows.find(connection, owner, id, trashed=True)
            first = passages[0]
            known = rows.passages_of_turn(connection, first["turn_id"])
            if known:
                return Change(rows.novel(connection, owner, id, trashed=True), first["chapter_id"]), [
                    one.id for one in known
                ]
            mine = {"owner_id": owner, "novel_id": id}
            rows.add_passages(connection, [mine | dict(passage) for passage in passages])
            ids = [str(passage["id"]) for passage in passages]
            return _taken(self, connection, novel, first, take_version), ids

        change, ids = await self._database.write(work)
        if change:
            self._announced(change.novel)
        return change, ids

    async def sum_up(self, owner: str, id: str, chapter_id: str, text: str, summed: Summed) -> None:
        """A summary that came by itself: no change of a person's, so that nobody's revision grows old by it.
        One that a person wrote meanwhile stays. Raises ChapterNotFound."""

        def work(connection: Connection) -> Novel:
            novel = rows.find(connection, owner, id)
            chapter = rows.chapter(connection, novel, chapter_id)
            if not (chapter.summed or {}).get("edited", bool(chapter.summary)):
                news = {"summary": text, "summed": asdict(summed)}
                rows.apply(
                    connection,
                    novel,
                    [Pointer("novel_chapters", chapter_id, name, None, news[name]) for name in news],
                )
            return rows.novel(connection, owner, id)

        self._announced(await self._database.write(work))

    async def written(
        self, owner: str, id: str, version_ids: Sequence[str], apart: tuple[str, int, str]
    ) -> int:
        """How many passages stand in the texts of these versions, but for those of one place."""

        def work(connection: Connection) -> int:
            rows.find(connection, owner, id)
            return rows.written(connection, version_ids, apart)

        return await self._database.read(work)

    async def memory(self, owner: str, id: str) -> dict[str, Any]:
        return await self._database.read(lambda c: dict(rows.find(c, owner, id, trashed=True).memory))

    async def remember(self, owner: str, id: str, memory: Mapping[str, Any]) -> None:
        await self._database.write(lambda c: rows.remember(c, owner, id, memory))

    # ── away ────────────────────────────────────────────────────────────────────────────────────────

    async def remove(self, owner: str, id: str, *, forever: bool = False) -> None:
        """Into the trash, or for good."""
        await self._database.write(lambda c: rows.trash(c, owner, id, forever=forever))
        self._events.publish("studio", "novel", {"id": id, "revision": 0, "deleted": True})

    async def restore(self, owner: str, id: str) -> Novel:
        await self._database.write(lambda c: rows.restore(c, owner, id))
        return self._announced(await self.get(owner, id))

    # ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _write(self, work: Callable[[Connection], Novel], text: str = "") -> Novel:
        try:
            return await self._database.write(work)
        except NovelChanged as stale:
            raise replace(stale, text=text) from stale

    async def _changed(self, work: Callable[[Connection], Change], text: str = "") -> Change:
        """Who saw an older revision is told, and gets the text back."""
        try:
            change = await self._database.write(work)
        except NovelChanged as stale:
            raise replace(stale, text=text) from stale
        self._announced(change.novel)
        return change

    def begun(self, novel: Novel, turn_id: str) -> None:
        """Tells every reader of the studio's events that a passage is being written."""
        self._announced(novel, turn_id)

    def _announced(self, novel: Novel, turn_id: str = "") -> Novel:
        """Tells every reader of the studio's events that something about this novel is new."""
        data = {"id": novel.id, "revision": novel.revision, "updated_at": novel.updated_at}
        self._events.publish("studio", "novel", data | {"deleted": False, "turn_id": turn_id})
        return novel


def require_places(start: int, end: int, size: int) -> None:
    """Raises BadParameter for places that the text does not have."""
    if not 0 <= start <= end <= size:
        expected = phrase("expected.whole_range", low=0, high=size)
        raise BadParameter("start" if not 0 <= start <= size else "end", f"{start}–{end}", expected)


def _summed(connection: Connection, chapter: Row[Any], by_model: bool) -> dict[str, Any]:
    """A summary that a person changes goes on covering what it did; another one covers all of the text."""
    text = pieces.text_of(rows.runs(connection, chapter.version_id))
    before = Summed(**chapter.summed) if chapter.summed else None
    if before and not by_model and before.stands(text):
        return asdict(replace(before, edited=True))
    return asdict(Summed.of_text(text, edited=not by_model))


def _check(text: str) -> None:
    if len(text) > MOST_TEXT:
        raise BadParameter("text", f"{text[:60]}…", phrase("expected.shorter", most=MOST_TEXT))


def _taken(
    book: Novels, connection: Connection, novel: Row[Any], first: Mapping[str, Any], version: str | None
) -> Change | None:
    """The first passage in the text, if the chapter is still as it was when it began."""
    id, chapter_id = novel.id, first["chapter_id"]
    unchanged = novel.deleted_at is None and chapter_id in novel.chapters
    chapter = rows.chapter(connection, novel, chapter_id) if unchanged else None
    if version is None or chapter is None or chapter.version_id != version:
        rows.touch(connection, novel)
        return Change(rows.novel(connection, novel.owner_id, id, trashed=True), chapter_id)
    removed = len(first["replaced"])
    book._put(
        connection, novel, chapter, first["start"], removed, first["runs"], "generated", first["turn_id"]
    )
    text = pieces.text_of(first["runs"])
    return Change(rows.novel(connection, novel.owner_id, id), chapter_id, first["start"], removed, text)


def _standing(wanted: Row[Any], text: str, beside: Sequence[str]) -> str:
    """What the passage would replace. Raises PassageMoved."""
    if wanted.start <= len(text) and anchor(text, wanted.start) == wanted.before:
        for written in sorted(beside, key=len, reverse=True):
            if written and text.startswith(written, wanted.start):
                return written
        if text.startswith(wanted.replaced, wanted.start):
            return str(wanted.replaced)
    raise PassageMoved(wanted.id)


def _difference(connection: Connection, owner: str, id: str, chapter_id: str, before: str) -> Change:
    """Where a chapter's text is another one now."""
    novel = rows.novel(connection, owner, id)
    now = next((one.version_id for one in novel.chapters if one.id == chapter_id), "")
    if not chapter_id or now == before:
        return Change(novel, chapter_id)
    texts = [pieces.text_of(rows.runs(connection, version)) for version in (before, now)]
    return Change(novel, chapter_id, *pieces.difference(texts[0], texts[1]))


def _alternative(runs: Sequence[pieces.Row], at: int, token_id: int) -> pieces.Row:
    """The run of one token that was a candidate at a place. Raises BadParameter."""
    place = 0
    for run in runs:
        for token in run.get("tokens") or ():
            if place == at:
                for id, text, logprob in token[3]:
                    if id == token_id:
                        kept = [id, text, logprob, token[3]]
                        return {"text": text, "ids": [id], "tokenizer": run["tokenizer"], "tokens": [kept]}
            place += len(token[1])
        place += 0 if run.get("tokens") else len(run["text"])
    raise BadParameter("token_id", f"{token_id}", phrase("expected.kept_alternative"))
