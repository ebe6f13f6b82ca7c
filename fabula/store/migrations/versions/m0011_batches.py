"""Uploaded files, and the batches made from them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
    )
    op.create_index("ix_uploads_owner_id_created_at", "uploads", ["owner_id", "created_at"])
    texts = ("owner_id", "key_id", "language", "endpoint", "input_id", "output_id", "error_id", "state")
    lengths = {"language": 16, "state": 16}
    op.create_table(
        "batches",
        sa.Column("id", sa.String(64), nullable=False),
        *(sa.Column(name, sa.String(lengths.get(name, 64)), nullable=False) for name in texts),
        *(sa.Column(name, sa.JSON, nullable=False) for name in ("notes", "problems", "counts", "times")),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
    )
    op.create_index("ix_batches_owner_id_created_at", "batches", ["owner_id", "created_at"])
    op.create_index("ix_batches_state", "batches", ["state"])
