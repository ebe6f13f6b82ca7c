"""The table of what is searched. Knows no queries.

Beside it the full text index `search_index` is kept by triggers (migration 0007); it is no table that
SQLAlchemy knows.
"""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table, Text, UniqueConstraint

from fabula.store.schema.base import metadata

search_entries = Table(
    "search_entries",
    metadata,
    Column("number", Integer, primary_key=True),  # the index's rowid: it has to survive VACUUM
    Column("kind", String(16), nullable=False),  # "character", "message" …
    Column("item_id", String(64), nullable=False),
    Column("owner_id", String(64), nullable=False),
    Column("scope", String(40), nullable=False, server_default=""),  # kind and owner as one word
    Column("title", Text, nullable=False, server_default=""),  # what it is called, cut as `search_text` is
    Column("search_text", Text, nullable=False),  # as `store.search.words` cuts it
    UniqueConstraint("kind", "item_id"),
)
