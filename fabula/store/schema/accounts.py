"""Tables of keys and of the browsers that signed in with one. Times are Unix seconds, 0 = never.

A secret is nowhere in here: `digest` is what is kept of one.
"""

from __future__ import annotations

from sqlalchemy import JSON, Column, Double, ForeignKey, Index, String, Table, UniqueConstraint

from fabula.store.schema.base import metadata

keys = Table(
    "api_keys",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner_id", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("beginning", String(16), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("requests", String(32), nullable=False),  # a rate like "60/min", "" = no limit
    Column("tokens", String(32), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("used_at", Double, nullable=False),
    UniqueConstraint("owner_id", "name"),
    UniqueConstraint("digest"),
)

sessions = Table(
    "key_sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("key_id", String(64), ForeignKey("api_keys.id", ondelete="CASCADE"), nullable=False),
    Column("owner_id", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index(None, "key_id"),
)
