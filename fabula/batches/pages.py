"""One page of a long list, newest or oldest first, from behind a given entry. Knows no table's meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, and_, or_, select


@dataclass(frozen=True, slots=True)
class Page:
    """`after` is an id: what it names is not on the page. An unknown one gives an empty page."""

    limit: int = 20
    after: str = ""
    newest_first: bool = True


def paged(
    connection: Connection, query: Select[Any], table: Table, page: Page
) -> tuple[list[Row[Any]], bool]:
    """The rows, and whether there are more. The table has `id` and `created_at`."""
    when, id = table.c.created_at, table.c.id
    if page.after:
        start = connection.scalar(select(when).where(id == page.after))
        if start is None:
            return [], False
        later = or_(when < start, and_(when == start, id < page.after))
        if not page.newest_first:
            later = or_(when > start, and_(when == start, id > page.after))
        query = query.where(later)
    order = (when.desc(), id.desc()) if page.newest_first else (when, id)
    rows = list(connection.execute(query.order_by(*order).limit(page.limit + 1)))
    return rows[: page.limit], len(rows) > page.limit
