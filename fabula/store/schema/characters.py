"""Tables of characters. A card is kept whole, as JSON; what lists show and filter is beside it.

Times are Unix seconds; digests name files in `media/`.
"""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Double, ForeignKey, Index, Integer, String, Table, Text

from fabula.store.schema.base import metadata

characters = Table(
    "characters",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner_id", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("sort_name", Text, nullable=False),  # folded, so that lists need no function
    Column("creator", Text, nullable=False),
    Column("about", Text, nullable=False),  # how the creator's notes or the description begin
    Column("folder", Text, nullable=False),  # "" = none
    Column("favourite", Boolean, nullable=False),
    Column("picture", String(64), nullable=False),  # digest, "" = none
    Column("revision", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("deleted_at", Double),  # null = not in the trash
    Column("files", JSON, nullable=False),  # {path in the card's assets: digest}
    Column("document", JSON, nullable=False),  # the card; last, as it is long
    Index(None, "owner_id", "deleted_at", "updated_at"),
    Index(None, "owner_id", "deleted_at", "sort_name"),
)

character_tags = Table(
    "character_tags",
    metadata,
    Column("character_id", String(64), ForeignKey("characters.id", ondelete="CASCADE"), primary_key=True),
    Column("tag", String(200), primary_key=True),
    Column("owner_id", String(64), nullable=False),
    Index(None, "owner_id", "tag"),
)
