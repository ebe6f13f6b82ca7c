"""Lorebooks, personas, scripts, notes and templates; what holds in one chat's story, and in all of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "story_items",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sort_name", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("links", sa.JSON, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_story_items"),
    )
    columns = ["owner_id", "kind", "sort_name"]
    op.create_index("ix_story_items_owner_id_kind_sort_name", "story_items", columns)
    op.create_table(
        "story_settings",
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("variables", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("owner_id", name="pk_story_settings"),
    )
    op.add_column("chats", sa.Column("story", sa.JSON, nullable=False, server_default="{}"))
