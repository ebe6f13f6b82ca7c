"""The characters that a person keeps: tables and transactions. Knows no file format and no HTTP."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from fabula.chats.characters.card import Card
from fabula.core.errors import CharacterChanged, CharacterNotFound
from fabula.store import search
from fabula.store.ids import new_id
from fabula.store.schema.characters import character_tags, characters

KIND = "character"
ABOUT = 240  # characters
TAG_LIMIT = 200  # characters of one tag
Sort = Literal["name", "updated", "created"]
_SEARCHED = ("description", "personality", "scenario", "creator_notes", "creator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of the library. `picture` is a digest, "" = none."""

    id: str
    name: str
    creator: str
    about: str
    folder: str
    favourite: bool
    picture: str
    revision: int
    created_at: float
    updated_at: float
    tags: tuple[str, ...] = ()


_LISTED = tuple(field.name for field in fields(Listed) if field.name != "tags")  # columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Character(Listed):
    """With its card. `files` are those of its assets: path → digest. `deleted`: it is in the trash."""

    card: Card
    files: Mapping[str, str]
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What of the library is wanted; what is None does not matter."""

    words: str = ""
    tags: tuple[str, ...] = ()  # all of them
    folder: str | None = None
    favourite: bool | None = None
    trashed: bool = False
    sort: Sort = "name"


@dataclass(frozen=True, slots=True)
class Page:
    characters: Sequence[Listed]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """A change of many at once; what is None stays."""

    folder: str | None = None
    favourite: bool | None = None
    trashed: bool | None = None
    add_tags: Sequence[str] = ()
    remove_tags: Sequence[str] = ()


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────


def get(connection: Connection, owner: str, id: str) -> Character:
    """Also from the trash. Raises CharacterNotFound."""
    row = find(connection, owner, id)
    tags = _tags(connection, [id]).get(id, ())
    listed = {name: row._mapping[name] for name in _LISTED}
    gone = row.deleted_at is not None
    return Character(**listed, tags=tags, card=Card(row.document), files=row.files, deleted=gone)


def find(connection: Connection, owner: str, id: str) -> Row[Any]:
    query = select(characters).where(characters.c.id == id, characters.c.owner_id == owner)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise CharacterNotFound(id)
    return row


def twin(connection: Connection, owner: str, one: Character) -> str:
    """The id of another one with the same card and picture outside the trash; "" for none."""
    columns = characters.c
    query = select(columns.id, columns.document).where(
        columns.owner_id == owner,
        columns.deleted_at.is_(None),
        columns.sort_name == one.name.casefold(),
        columns.picture == one.picture,
        columns.id != one.id,
    )
    rows = connection.execute(query)
    return next((str(row.id) for row in rows if row.document == dict(one.card.document)), "")


def page(connection: Connection, owner: str, wanted: Filter, offset: int, limit: int) -> Page:
    """The best match comes first where words are given, else as `sort` says."""
    asked = search.Search(KIND, owner, wanted.words, wanted.trashed)
    if wanted.words and asked.finds_nothing:
        return Page((), 0)
    if wanted.words and not (wanted.tags or wanted.folder is not None or wanted.favourite is not None):
        ids = asked.best(connection, limit, offset)
        return Page(_listed(connection, ids), asked.total(connection))
    query = _filtered(owner, wanted)
    if wanted.words:
        hits = asked.found(connection).subquery("found")
        query = query.add_columns(hits.c.rank).join(hits, hits.c.item_id == characters.c.id)
    total = connection.scalar(select(func.count()).select_from(query.subquery())) or 0
    rows = connection.execute(_ordered(query, wanted).offset(offset).limit(limit)).all()
    return Page(_listed(connection, [row.id for row in rows]), total)


def ids(connection: Connection, owner: str, wanted: Filter) -> list[str]:
    """All that a filter finds, for a change of all of them."""
    query = _filtered(owner, wanted)
    if wanted.words:
        asked = search.Search(KIND, owner, wanted.words, wanted.trashed)
        if asked.finds_nothing:
            return []
        hits = asked.found(connection).subquery("found")
        query = query.join(hits, hits.c.item_id == characters.c.id)
    return [str(row.id) for row in connection.execute(query)]


def _listed(connection: Connection, ids: Sequence[str]) -> list[Listed]:
    """In the order of their ids."""
    query = select(*(characters.c[name] for name in _LISTED)).where(characters.c.id.in_(ids))
    rows = {row.id: row._asdict() for row in connection.execute(query)}
    tags = _tags(connection, ids)
    return [Listed(**rows[id], tags=tags.get(id, ())) for id in ids if id in rows]


def _filtered(owner: str, wanted: Filter) -> Select[Any]:
    columns = characters.c
    query = select(columns.id, columns.sort_name, columns.updated_at, columns.created_at)
    query = query.where(columns.owner_id == owner)
    query = query.where(columns.deleted_at.is_not(None) if wanted.trashed else columns.deleted_at.is_(None))
    if wanted.folder is not None:
        query = query.where(columns.folder == wanted.folder)
    if wanted.favourite is not None:
        query = query.where(columns.favourite == wanted.favourite)
    for tag in wanted.tags:
        has = (character_tags.c.owner_id == owner) & (character_tags.c.tag == tag)
        query = query.where(columns.id.in_(select(character_tags.c.character_id).where(has)))
    return query


def _ordered(query: Select[Any], wanted: Filter) -> Select[Any]:
    if wanted.words:
        return query.order_by(query.selected_columns["rank"], characters.c.id)
    by = {
        "name": characters.c.sort_name,
        "updated": characters.c.updated_at.desc(),
        "created": characters.c.created_at.desc(),
    }
    return query.order_by(by[wanted.sort], characters.c.id)


def tags(connection: Connection, owner: str) -> dict[str, int]:
    """Every tag that is in use outside the trash, with how many characters carry it; the most used first."""
    tagged, gone = character_tags.c, characters.c
    trash = select(gone.id).where(gone.owner_id == owner, gone.deleted_at.is_not(None))
    everywhere = _tag_counts(connection, tagged.owner_id == owner)
    there = _tag_counts(connection, tagged.character_id.in_(trash))  # with the owner, all rows were read
    left = {tag: count - there.get(tag, 0) for tag, count in everywhere.items()}
    return {tag: count for tag, count in sorted(left.items(), key=lambda one: (-one[1], one[0])) if count}


def _tag_counts(connection: Connection, *conditions: Any) -> dict[str, int]:
    """Read from the index alone where nothing but the owner is asked for."""
    query = select(character_tags.c.tag, func.count()).where(*conditions).group_by(character_tags.c.tag)
    return {str(tag): int(count) for tag, count in connection.execute(query)}


def folders(connection: Connection, owner: str) -> dict[str, int]:
    """Every folder that holds something, with how much."""
    query = (
        select(characters.c.folder, func.count().label("count"))
        .where(characters.c.owner_id == owner, characters.c.deleted_at.is_(None), characters.c.folder != "")
        .group_by(characters.c.folder)
        .order_by(characters.c.folder)
    )
    return {row.folder: row.count for row in connection.execute(query)}  # type: ignore[misc]


def _tags(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    query = (
        select(character_tags).where(character_tags.c.character_id.in_(ids)).order_by(character_tags.c.tag)
    )
    found: dict[str, tuple[str, ...]] = {}
    for row in connection.execute(query):
        found[row.character_id] = (*found.get(row.character_id, ()), row.tag)
    return found


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────


def add(
    connection: Connection, owner: str, card: Card, picture: str = "", files: Mapping[str, str] | None = None
) -> Character:
    """The card's own tags become tags of the library."""
    id, now = new_id(), time.time()
    row = {"id": id, "owner_id": owner, "folder": "", "favourite": False, "picture": picture, "revision": 1}
    row |= {"created_at": now, "updated_at": now, "files": dict(files or {})}
    connection.execute(insert(characters).values(**row, **_of_card(card)))
    _add_tags(connection, owner, [id], card.texts("tags"))
    _index(connection, owner, id, card)
    return get(connection, owner, id)


def edit(
    connection: Connection, owner: str, id: str, revision: int, card: Card, picture: str | None = None
) -> Character:
    """Another card in the same place. Raises CharacterNotFound or CharacterChanged."""
    before = get(connection, owner, id)
    if before.revision != revision:
        raise CharacterChanged(id, revision, before.revision)
    row = {"revision": revision + 1, "updated_at": time.time()} | _of_card(card)
    row |= {} if picture is None else {"picture": picture}
    connection.execute(update(characters).where(characters.c.id == id).values(**row))
    _remove_tags(
        connection, [id], [tag for tag in before.card.texts("tags") if tag not in card.texts("tags")]
    )
    _add_tags(connection, owner, [id], card.texts("tags"))
    _index(connection, owner, id, card, before.deleted)
    return get(connection, owner, id)


def mark(connection: Connection, owner: str, ids: Sequence[str], marks: Marks) -> int:
    """Changes many at once; answers how many there were."""
    mine = (characters.c.owner_id == owner) & characters.c.id.in_(ids)
    found = [str(id) for id in connection.scalars(select(characters.c.id).where(mine))]
    row: dict[str, Any] = {} if marks.folder is None else {"folder": marks.folder}
    row |= {} if marks.favourite is None else {"favourite": marks.favourite}
    row |= {} if marks.trashed is None else {"deleted_at": time.time() if marks.trashed else None}
    if row:
        connection.execute(update(characters).where(mine).values(**row))
    if marks.trashed is not None:
        search.set_aside(connection, KIND, found, owner, marks.trashed)
    _remove_tags(connection, found, marks.remove_tags)
    _add_tags(connection, owner, found, marks.add_tags)
    return len(found)


def erase(connection: Connection, owner: str, ids: Sequence[str]) -> int:
    """For good. Files in `media/` stay: another character may show them."""
    mine = (characters.c.owner_id == owner) & characters.c.id.in_(ids)
    gone = [str(id) for id in connection.scalars(select(characters.c.id).where(mine))]
    connection.execute(delete(characters).where(mine))
    search.remove(connection, KIND, gone)
    return len(gone)


def _of_card(card: Card) -> dict[str, Any]:
    about = card.text("creator_notes") or card.text("description")
    return {
        "name": card.name,
        "sort_name": card.name.casefold(),
        "creator": card.text("creator"),
        "about": " ".join(about.split())[:ABOUT],
        "document": dict(card.document),
    }


def _index(connection: Connection, owner: str, id: str, card: Card, trashed: bool = False) -> None:
    written = [*(card.text(name) for name in _SEARCHED), *card.texts("tags")]
    called = "\n".join(dict.fromkeys((card.name, card.called)))
    search.put(connection, KIND, id, owner, "\n".join(written), called)
    if trashed:
        search.set_aside(connection, KIND, [id], owner, True)


def _add_tags(connection: Connection, owner: str, ids: Sequence[str], wanted: Sequence[str]) -> None:
    known = _tags(connection, ids)
    named = dict.fromkeys(tag.strip()[:TAG_LIMIT] for tag in wanted)
    rows = [
        {"character_id": id, "tag": tag, "owner_id": owner}
        for id in ids
        for tag in named
        if tag and tag not in known.get(id, ())
    ]
    if rows:
        connection.execute(insert(character_tags), rows)


def _remove_tags(connection: Connection, ids: Sequence[str], named: Sequence[str]) -> None:
    if named:
        tagged = character_tags.c.character_id.in_(ids) & character_tags.c.tag.in_(named)
        connection.execute(delete(character_tags).where(tagged))
