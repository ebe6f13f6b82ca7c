"""What a novel remembers: documents, passages with vectors, and what of a chapter its summary covers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("novel_chapters", sa.Column("summed", sa.JSON))
    op.create_table(
        "novel_memories",
        *_named("id", "owner_id", "novel_id"),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        *_named("upto_id", "covered"),
        sa.Column("edited", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_novel_memories"),
        _of_a_novel("novel_memories"),
    )
    columns = ["novel_id", "kind", "created_at"]
    op.create_index("ix_novel_memories_novel_id_kind_created_at", "novel_memories", columns)
    key = ["novel_id", "source_id", "number", "embedder"]
    op.create_table(
        "novel_memory_passages",
        *_named("novel_id", "source_id"),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("embedder", sa.String(200), nullable=False),
        *_named("owner_id"),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint(*key, name="pk_novel_memory_passages"),
        _of_a_novel("novel_memory_passages"),
    )


def _named(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(64), nullable=False) for name in names]


def _of_a_novel(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_novel_id_novels"
    return sa.ForeignKeyConstraint(["novel_id"], ["novels.id"], name=name, ondelete="CASCADE")
