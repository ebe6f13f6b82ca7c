"""Reading and writing single rows of novels. Knows the tables, not what a change means."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, tuple_, update

from fabula.chats.novels import pieces
from fabula.chats.novels.records import ChapterInfo, Listed, Novel, Passage, Pointer, Summed, Version
from fabula.core.errors import ChapterNotFound, NothingToUndo, NovelChanged, NovelNotFound, PassageNotFound
from fabula.prompt.novel.model import anchor
from fabula.store.ids import new_id
from fabula.store.schema.novels import (
    novel_changes,
    novel_chapters,
    novel_passages,
    novel_versions,
    novels,
)

SNAPSHOT = 32  # so many versions apart the whole text is kept
OF_NOVELS = frozenset({"title", "model", "sampling", "settings", "chapters"})
OF_CHAPTERS = frozenset({"title", "outline", "notes", "summary", "summed", "version_id"})
TABLES = {"novels": (novels, OF_NOVELS), "novel_chapters": (novel_chapters, OF_CHAPTERS)}


def find(connection: Connection, owner: str, id: str, *, trashed: bool = False) -> Row[Any]:
    """Raises NovelNotFound."""
    query = select(novels).where(novels.c.id == id, novels.c.owner_id == owner)
    row = connection.execute(query).one_or_none()
    if row is None or (row.deleted_at is not None and not trashed):
        raise NovelNotFound(id)
    return row


def expect(connection: Connection, owner: str, id: str, revision: int) -> Row[Any]:
    """Raises NovelNotFound, or NovelChanged where its caller saw an older one."""
    row = find(connection, owner, id)
    if row.revision != revision:
        raise NovelChanged(id, revision, row.revision)
    return row


def chapter(connection: Connection, novel: Row[Any], id: str) -> Row[Any]:
    """A chapter that the novel has now. Raises ChapterNotFound."""
    row = connection.execute(
        select(novel_chapters).where(novel_chapters.c.id == id, novel_chapters.c.novel_id == novel.id)
    ).one_or_none()
    if row is None or id not in novel.chapters:
        raise ChapterNotFound(novel.id, id)
    return row


def novel(connection: Connection, owner: str, id: str, *, trashed: bool = False) -> Novel:
    row = find(connection, owner, id, trashed=trashed)
    sizes = (novel_versions.c.characters, novel_versions.c.words)
    query = select(novel_chapters, *sizes).outerjoin_from(
        novel_chapters, novel_versions, novel_chapters.c.version_id == novel_versions.c.id
    )
    found = {one.id: one for one in connection.execute(query.where(novel_chapters.c.novel_id == id))}
    chapters = tuple(_chapter_info(found[one]) for one in row.chapters)
    shown = ("id", "owner_id", "kind", "title", "model", "sampling", "settings", "revision")
    return Novel(
        **{name: getattr(row, name) for name in shown},
        chapters=chapters,
        created_at=row.created_at,
        updated_at=row.updated_at,
        can_undo=_last(connection, row, "done") is not None,
        can_redo=_last(connection, row, "undone") is not None,
        trashed=row.deleted_at is not None,
    )


def _chapter_info(row: Row[Any]) -> ChapterInfo:
    names = ("id", "title", "outline", "notes", "summary", "version_id")
    texts: dict[str, Any] = {name: getattr(row, name) for name in names}
    summed = Summed(**row.summed) if row.summed else None
    return ChapterInfo(**texts, characters=row.characters or 0, words=row.words or 0, summed=summed)


def listed(
    connection: Connection, owner: str, kind: str, *, trashed: bool, words: str, offset: int, limit: int
) -> tuple[list[Listed], int]:
    """Newest first, and how many there are."""
    mine = (novels.c.owner_id == owner) & (novels.c.kind == kind)
    mine &= novels.c.deleted_at.is_not(None) if trashed else novels.c.deleted_at.is_(None)
    if words:
        mine &= func.lower(novels.c.title).contains(words.lower(), autoescape=True)
    total = connection.scalar(select(func.count()).select_from(novels).where(mine)) or 0
    query = select(novels).where(mine).order_by(novels.c.updated_at.desc(), novels.c.id.desc())
    rows = connection.execute(query.offset(offset).limit(limit)).all()
    sizes = _sizes(connection, [row.id for row in rows])
    names = ("id", "kind", "title", "model", "revision", "created_at", "updated_at")
    return [
        Listed(
            **{name: getattr(row, name) for name in names},
            chapters=len(row.chapters),
            characters=sum(sizes.get(one, (0, 0))[0] for one in row.chapters),
            words=sum(sizes.get(one, (0, 0))[1] for one in row.chapters),
        )
        for row in rows
    ], total


def _sizes(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Characters and words by chapter."""
    query = select(novel_chapters.c.id, novel_versions.c.characters, novel_versions.c.words).join_from(
        novel_chapters, novel_versions, novel_chapters.c.version_id == novel_versions.c.id
    )
    found = connection.execute(query.where(novel_chapters.c.novel_id.in_(ids)))
    return {row.id: (row.characters, row.words) for row in found}


def create(connection: Connection, owner: str, fields: Mapping[str, Any]) -> str:
    now, id = time.time(), new_id()
    row: dict[str, Any] = {
        "id": id,
        "owner_id": owner,
        "kind": "novel",
        "title": "",
        "model": "",
        "sampling": {},
    }
    row |= {"settings": {}, "chapters": [], "memory": {}, "revision": 1}
    connection.execute(insert(novels).values(**row | dict(fields), created_at=now, updated_at=now))
    return id


def add_chapter(connection: Connection, owner: str, novel_id: str, fields: Mapping[str, Any]) -> str:
    """A row that no order names yet."""
    id = new_id()
    row: dict[str, Any] = {
        "id": id,
        "owner_id": owner,
        "novel_id": novel_id,
        "created_at": time.time(),
        "version_id": "",
    }
    row |= {"title": "", "outline": "", "notes": "", "summary": ""}
    connection.execute(insert(novel_chapters).values(**row | dict(fields)))
    return id


# ── text ────────────────────────────────────────────────────────────────────────────────────────────


def runs(connection: Connection, version_id: str) -> list[pieces.Row]:
    """The text of a version. Raises PassageNotFound."""
    steps: list[Row[Any]] = []
    id = version_id
    while id:
        row = connection.execute(select(novel_versions).where(novel_versions.c.id == id)).one_or_none()
        if row is None:
            raise PassageNotFound(version_id)
        steps.append(row)
        id = "" if row.whole is not None else row.base_id
    found: list[pieces.Row] = []
    for row in reversed(steps):
        whole = row.whole is not None
        found = list(row.whole) if whole else pieces.splice(found, row.start, row.removed, row.runs)
    return found


def add_version(
    connection: Connection,
    chapter: Row[Any],
    start: int,
    removed: int,
    inserted: Sequence[pieces.Row],
    reason: str,
    turn_id: str = "",
) -> str:
    """The chapter's text with other runs in a place of it."""
    before = runs(connection, chapter.version_id)
    after = pieces.splice(before, start, removed, inserted)
    text, id = pieces.text_of(after), new_id()
    base = select(novel_versions.c.depth).where(novel_versions.c.id == chapter.version_id)
    depth = (connection.scalar(base) or 0) + 1
    connection.execute(
        insert(novel_versions).values(
            id=id,
            owner_id=chapter.owner_id,
            novel_id=chapter.novel_id,
            chapter_id=chapter.id,
            base_id=chapter.version_id,
            depth=depth,
            start=start,
            removed=removed,
            reason=reason,
            turn_id=turn_id,
            characters=len(text),
            words=pieces.words(text),
            created_at=time.time(),
            runs=list(inserted),
            whole=after if depth % SNAPSHOT == 0 else None,
        )
    )
    return id


def versions(connection: Connection, chapter: Row[Any], offset: int, limit: int) -> list[Version]:
    """Newest first."""
    query = select(novel_versions).where(novel_versions.c.chapter_id == chapter.id)
    query = query.order_by(novel_versions.c.created_at.desc(), novel_versions.c.id.desc())
    names = [one.name for one in dataclasses.fields(Version) if one.name != "inserted"]
    return [
        Version(**{name: getattr(row, name) for name in names}, inserted=pieces.text_of(row.runs))
        for row in connection.execute(query.offset(offset).limit(limit))
    ]


def written(connection: Connection, version_ids: Sequence[str], apart: tuple[str, int, str]) -> int:
    """How many passages were written on into the texts of these versions, and not taken back: several tries
    at one place (chapter, start, digest of what is before it) are one. Those `apart` do not count."""
    columns = (novel_versions.c.id, novel_versions.c.base_id, novel_versions.c.turn_id)
    chain = select(*columns).where(columns[0].in_(version_ids)).cte(recursive=True)
    chain = chain.union_all(select(*columns).where(columns[0] == chain.c.base_id))
    passages = novel_passages.c
    place = (passages.chapter_id, passages.start, passages.before)
    went_on = select(*place).where(passages.kind == "continue", passages.turn_id.in_(select(chain.c.turn_id)))
    there = went_on.where(tuple_(*place) != apart).distinct().subquery()
    return connection.scalar(select(func.count()).select_from(there)) or 0


# ── passages ────────────────────────────────────────────────────────────────────────────────────────


def add_passages(connection: Connection, found: Sequence[Mapping[str, Any]]) -> None:
    """All of one turn, at one time."""
    now = time.time()
    connection.execute(insert(novel_passages), [{**row, "created_at": now} for row in found])


def passages_of_turn(connection: Connection, turn_id: str) -> list[Row[Any]]:
    query = select(novel_passages).where(novel_passages.c.turn_id == turn_id)
    return list(connection.execute(query.order_by(novel_passages.c.number)))


def passages_there(connection: Connection, one: Row[Any]) -> list[Row[Any]]:
    """All that were written at the place of one, in the same turn or in another."""
    there = [novel_passages.c[name] == getattr(one, name) for name in ("chapter_id", "start", "before")]
    return list(connection.execute(select(novel_passages).where(*there)))


def passage(connection: Connection, novel: Row[Any], id: str) -> Row[Any]:
    """Raises PassageNotFound."""
    query = select(novel_passages).where(novel_passages.c.id == id, novel_passages.c.novel_id == novel.id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise PassageNotFound(id)
    return row


def passages(
    connection: Connection, novel: Row[Any], chapter_id: str, turn_id: str, offset: int, limit: int
) -> list[Passage]:
    """Newest turn first; of one turn by number."""
    query = select(novel_passages).where(novel_passages.c.novel_id == novel.id)
    query = query.where(novel_passages.c.chapter_id == chapter_id) if chapter_id else query
    query = query.where(novel_passages.c.turn_id == turn_id) if turn_id else query
    order = (novel_passages.c.created_at.desc(), novel_passages.c.turn_id, novel_passages.c.number)
    rows = connection.execute(query.order_by(*order).offset(offset).limit(limit)).all()
    texts: dict[str, str] = {}
    for row in rows:
        if row.chapter_id not in texts:
            texts[row.chapter_id] = _shown_text(connection, row.chapter_id)
    return [_passage(row, texts[row.chapter_id]) for row in rows]


def _shown_text(connection: Connection, chapter_id: str) -> str:
    query = select(novel_chapters.c.version_id).where(novel_chapters.c.id == chapter_id)
    return pieces.text_of(runs(connection, connection.scalar(query) or ""))


def _passage(row: Row[Any], text: str) -> Passage:
    names = [one.name for one in dataclasses.fields(Passage) if one.name not in ("text", "stands")]
    written = pieces.text_of(row.runs)
    return Passage(
        **{name: getattr(row, name) for name in names}, text=written, stands=stands(row, text, written)
    )


def stands(row: Row[Any], text: str, written: str) -> bool:
    """Whether a text has this at the passage's place, behind what stood in front of it."""
    return (
        anchor(text, row.start) == row.before
        and text.startswith(written, row.start)
        and row.start <= len(text)
    )


# ── changes ─────────────────────────────────────────────────────────────────────────────────────────


def apply(connection: Connection, novel: Row[Any], pointers: Sequence[Pointer]) -> None:
    for pointer in pointers:
        table, fields = TABLES[pointer.table]
        assert pointer.field in fields
        mine = (table.c.id == pointer.id) & (table.c.owner_id == novel.owner_id)
        connection.execute(update(table).where(mine).values(**{pointer.field: pointer.after}))


def record(
    connection: Connection, novel: Row[Any], kind: str, pointers: Sequence[Pointer], chapter_id: str = ""
) -> None:
    """Makes a change and writes it down for undo. What had been undone can no longer be redone."""
    pointers = [pointer for pointer in pointers if pointer.before != pointer.after]
    if not pointers:
        return
    apply(connection, novel, pointers)
    tail = novel_changes.c.novel_id == novel.id, novel_changes.c.state == "undone"
    connection.execute(update(novel_changes).where(*tail).values(state="dropped"))
    connection.execute(
        insert(novel_changes).values(
            novel_id=novel.id,
            revision=touch(connection, novel),
            owner_id=novel.owner_id,
            kind=kind,
            chapter_id=chapter_id,
            patch=[dataclasses.asdict(pointer) for pointer in pointers],
            state="done",
            created_at=time.time(),
        )
    )


def replay(connection: Connection, novel: Row[Any], *, back: bool) -> str:
    """Undo the newest change, or redo the oldest undone; the chapter that it was in. Raises NothingToUndo."""
    row = _last(connection, novel, "done" if back else "undone")
    if row is None:
        raise NothingToUndo(novel.id)
    pointers = [Pointer(**one) for one in row.patch]
    apply(connection, novel, [one.back() for one in reversed(pointers)] if back else pointers)
    same = novel_changes.c.novel_id == novel.id, novel_changes.c.revision == row.revision
    connection.execute(update(novel_changes).where(*same).values(state="undone" if back else "done"))
    touch(connection, novel)
    return str(row.chapter_id)


def touch(connection: Connection, novel: Row[Any]) -> int:
    """The novel's next revision."""
    values = {"revision": novel.revision + 1, "updated_at": time.time()}
    connection.execute(update(novels).where(novels.c.id == novel.id).values(**values))
    return int(novel.revision) + 1


def _last(connection: Connection, novel: Row[Any], state: str) -> Row[Any] | None:
    """The next change to undo (the newest done) or to redo (the oldest undone)."""
    number = novel_changes.c.revision
    query = select(novel_changes).where(novel_changes.c.novel_id == novel.id, novel_changes.c.state == state)
    return connection.execute(query.order_by(number.desc() if state == "done" else number).limit(1)).first()


def remember(connection: Connection, owner: str, id: str, memory: Mapping[str, Any]) -> None:
    mine = (novels.c.id == id) & (novels.c.owner_id == owner)
    connection.execute(update(novels).where(mine).values(memory=dict(memory)))


def trash(connection: Connection, owner: str, id: str, *, forever: bool) -> None:
    """Raises NovelNotFound."""
    find(connection, owner, id, trashed=True)
    mine = (novels.c.id == id) & (novels.c.owner_id == owner)
    if forever:
        connection.execute(delete(novels).where(mine))
    else:
        connection.execute(update(novels).where(mine).values(deleted_at=time.time()))


def restore(connection: Connection, owner: str, id: str) -> None:
    find(connection, owner, id, trashed=True)
    mine = (novels.c.id == id) & (novels.c.owner_id == owner)
    connection.execute(update(novels).where(mine).values(deleted_at=None))
