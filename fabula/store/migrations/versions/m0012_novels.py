"""Novels and notebooks: chapters with append-only versions of their text, passages, and changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "novels",
        *_named("id", "owner_id"),
        sa.Column("kind", sa.String(16), nullable=False),
        *_texts("title", "model"),
        *(
            sa.Column(name, sa.JSON, nullable=False)
            for name in ("sampling", "settings", "chapters", "memory")
        ),
        sa.Column("revision", sa.Integer, nullable=False),
        *_times("created_at", "updated_at"),
        sa.Column("deleted_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_novels"),
    )
    op.create_index("ix_novels_owner_id_kind_updated_at", "novels", ["owner_id", "kind", "updated_at"])
    op.create_table(
        "novel_chapters",
        *_named("id", "owner_id", "novel_id"),
        *_texts("title", "outline", "notes", "summary"),
        *_named("version_id"),
        *_times("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_novel_chapters"),
        _of_a_novel("novel_chapters"),
    )
    op.create_index("ix_novel_chapters_novel_id", "novel_chapters", ["novel_id"])
    op.create_table(
        "novel_versions",
        *_named("id", "owner_id", "novel_id", "chapter_id", "base_id"),
        *_numbers("depth", "start", "removed"),
        sa.Column("reason", sa.String(16), nullable=False),
        *_named("turn_id"),
        *_numbers("characters", "words"),
        *_times("created_at"),
        sa.Column("runs", sa.JSON, nullable=False),
        sa.Column("whole", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_novel_versions"),
        _of_a_novel("novel_versions"),
    )
    op.create_index("ix_novel_versions_chapter_id_created_at", "novel_versions", ["chapter_id", "created_at"])
    _passages()
    op.create_table(
        "novel_changes",
        *_named("novel_id"),
        *_numbers("revision"),
        *_named("owner_id"),
        sa.Column("kind", sa.String(16), nullable=False),
        *_named("chapter_id"),
        sa.Column("patch", sa.JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        *_times("created_at"),
        sa.PrimaryKeyConstraint("novel_id", "revision", name="pk_novel_changes"),
        _of_a_novel("novel_changes"),
    )
    op.create_index(
        "ix_novel_changes_novel_id_state_revision", "novel_changes", ["novel_id", "state", "revision"]
    )


def _passages() -> None:
    op.create_table(
        "novel_passages",
        *_named("id", "owner_id", "novel_id", "chapter_id", "turn_id"),
        *_numbers("number"),
        sa.Column("kind", sa.String(16), nullable=False),
        *_numbers("start"),
        *_texts("replaced"),
        *_named("before"),
        *_texts("instruction"),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        *_times("created_at"),
        sa.Column("runs", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_novel_passages"),
        sa.UniqueConstraint("turn_id", "number", name="uq_novel_passages_turn_id_number"),
        _of_a_novel("novel_passages"),
    )
    op.create_index("ix_novel_passages_novel_id_created_at", "novel_passages", ["novel_id", "created_at"])


def _named(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(64), nullable=False) for name in names]


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer, nullable=False) for name in names]


def _times(*names: str) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Double, nullable=False) for name in names]


def _of_a_novel(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["novel_id"], ["novels.id"], name=f"fk_{table}_novel_id_novels", ondelete="CASCADE"
    )
