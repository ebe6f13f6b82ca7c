"""Tables of what stories are told with beside characters: lorebooks, personas, scripts, notes, templates.

All of them are documents with a name, each kind with a form of its own. Times are Unix seconds.
"""

from __future__ import annotations

from sqlalchemy import JSON, Column, Double, Index, Integer, String, Table, Text

from fabula.store.schema.base import metadata

story_items = Table(
    "story_items",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner_id", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("sort_name", Text, nullable=False),  # folded, so that lists need no function
    Column("position", Integer, nullable=False),  # among those of its kind, where their order counts
    Column("size", Integer, nullable=False),  # of a lorebook: its entries
    Column("revision", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("links", JSON, nullable=False),  # {everywhere, characters, personas}: where it holds
    Column("document", JSON, nullable=False),  # last, as it is long
    Index(None, "owner_id", "kind", "sort_name"),
)

story_settings = Table(
    "story_settings",
    metadata,
    Column("owner_id", String(64), primary_key=True),
    Column("settings", JSON, nullable=False),  # what holds in every story
    Column("variables", JSON, nullable=False),  # of macros, those that all chats share
)
