"""What stories are told with beside characters: documents with a name, kept by kind. Knows no kind's form.

A lorebook, a persona, a regex script, a note of a character and a template are all kept alike: a name, a
document as JSON, and links that say where it holds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from fabula.core.errors import ItemChanged
from fabula.store.ids import new_id
from fabula.store.schema.stories import story_items

Kind = Literal["lorebook", "persona", "script", "note", "template", "replies"]
MAX_NAME = 200  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where an item holds: in every story, in those of some characters, or of some personas (by id).

    For a persona `everywhere` means that it is taken where no other is chosen.
    """

    everywhere: bool = False
    characters: tuple[str, ...] = ()
    personas: tuple[str, ...] = ()

    @staticmethod
    def of(row: Mapping[str, Any]) -> Links:
        ids = {name: tuple(map(str, row.get(name) or ())) for name in ("characters", "personas")}
        return Links(everywhere=row.get("everywhere") is True, **ids)

    def all(self) -> dict[str, Any]:
        found = asdict(self)
        return found | {name: list(found[name]) for name in ("characters", "personas")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """`document` is empty where only a list was asked for. `size` counts the entries of a lorebook."""

    id: str
    kind: str
    name: str
    position: int
    size: int
    revision: int
    created_at: float
    updated_at: float
    links: Links
    document: Mapping[str, Any] = field(default_factory=dict)


def listed(connection: Connection, owner: str, kind: Kind, *, whole: bool = False) -> list[Item]:
    """By position, then by name; with their documents only when `whole`."""
    columns = [column for column in story_items.c if whole or column.name != "document"]
    query = select(*columns).where(story_items.c.owner_id == owner, story_items.c.kind == kind)
    query = query.order_by(story_items.c.position, story_items.c.sort_name, story_items.c.id)
    return [_item(row) for row in connection.execute(query)]


def several(connection: Connection, owner: str, ids: Sequence[str]) -> dict[str, Item]:
    """Those that exist, by id."""
    query = select(story_items).where(story_items.c.owner_id == owner, story_items.c.id.in_(ids))
    return {row.id: _item(row) for row in connection.execute(query)} if ids else {}


def find(connection: Connection, owner: str, kind: Kind, id: str) -> Item | None:
    found = several(connection, owner, [id]).get(id)
    return found if found and found.kind == kind else None


def taken(connection: Connection, id: str) -> bool:
    """Whether anyone has something under this id."""
    return connection.scalar(select(story_items.c.id).where(story_items.c.id == id)) is not None


def add(
    connection: Connection,
    owner: str,
    kind: Kind,
    name: str,
    document: Mapping[str, Any],
    links: Links,
    *,
    size: int = 0,
    id: str = "",
) -> Item:
    """Behind the others of its kind."""
    mine = (story_items.c.owner_id == owner) & (story_items.c.kind == kind)
    last = connection.scalar(select(func.max(story_items.c.position)).where(mine))
    now, id = time.time(), id or new_id()
    row = {"id": id, "owner_id": owner, "kind": kind, "revision": 1, "created_at": now, "updated_at": now}
    row |= {"position": 0 if kind != "script" else (-1 if last is None else last) + 1}
    row |= _named(name) | {"size": size, "links": links.all(), "document": dict(document)}
    connection.execute(insert(story_items).values(**row))
    return several(connection, owner, [id])[id]


def change(connection: Connection, owner: str, before: Item, revision: int, **fields: Any) -> Item:
    """Other values of `name`, `document`, `links`, `position` or `size`. Raises ItemChanged."""
    mine = story_items.c.id == before.id, story_items.c.owner_id == owner
    current = connection.scalar(select(story_items.c.revision).where(*mine))
    if current != revision:
        raise ItemChanged(before.name, revision, current or 0)
    row = {name: value.all() if isinstance(value, Links) else value for name, value in fields.items()}
    row |= _named(fields["name"]) if "name" in fields else {}
    row |= {"revision": revision + 1, "updated_at": time.time()}
    connection.execute(update(story_items).where(*mine).values(**row))
    return several(connection, owner, [before.id])[before.id]


def remove(connection: Connection, owner: str, id: str) -> None:
    connection.execute(delete(story_items).where(story_items.c.id == id, story_items.c.owner_id == owner))


def _named(name: str) -> dict[str, str]:
    name = name.strip()[:MAX_NAME] or "?"
    return {"name": name, "sort_name": name.casefold()}


def _item(row: Row[Any]) -> Item:
    fields = {name: value for name, value in row._asdict().items() if name not in ("owner_id", "sort_name")}
    return Item(**fields | {"links": Links.of(fields["links"])})
