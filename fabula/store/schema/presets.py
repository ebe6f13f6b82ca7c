"""The table of presets that a person keeps. Times are Unix seconds."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Double, String, Table, Text

from fabula.store.schema.base import metadata

presets = Table(
    "presets",
    metadata,
    Column("owner_id", String(64), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("about", Text, nullable=False),
    Column("sampling", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
)
