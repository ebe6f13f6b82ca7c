"""The table of what came in from folders of other programs, so that it does not come in twice."""

from __future__ import annotations

from sqlalchemy import Column, Double, String, Table

from fabula.store.schema.base import metadata

imports = Table(
    "imports",
    metadata,
    Column("owner_id", String(64), primary_key=True),
    Column("digest", String(64), primary_key=True),  # SHA-256 of the file's place and content
    Column("kind", String(16), nullable=False),
    Column("item_id", String(200), nullable=False),  # what was made of it
    Column("created_at", Double, nullable=False),
)
