"""What a chat remembers beyond its window: facts, summaries, documents, passages with vectors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "memories",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.Column("chat_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("upto_id", sa.String(64), nullable=False),
        sa.Column("covered", sa.String(64), nullable=False),
        sa.Column("edited", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_memories"),
        _of_a_chat("memories"),
    )
    op.create_index("ix_memories_chat_id_kind_created_at", "memories", ["chat_id", "kind", "created_at"])
    key = ["chat_id", "source_id", "number", "embedder"]
    op.create_table(
        "memory_passages",
        sa.Column("chat_id", sa.String(64), nullable=False),
        sa.Column("source_id", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("embedder", sa.String(200), nullable=False),
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint(*key, name="pk_memory_passages"),
        _of_a_chat("memory_passages"),
    )
    op.create_table(
        "memory_settings",
        sa.Column("chat_id", sa.String(64), nullable=False),
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("chat_id", name="pk_memory_settings"),
        _of_a_chat("memory_settings"),
    )


def _of_a_chat(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_chat_id_chats"
    return sa.ForeignKeyConstraint(["chat_id"], ["chats.id"], name=name, ondelete="CASCADE")
