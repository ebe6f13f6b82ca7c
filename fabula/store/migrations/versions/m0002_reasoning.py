"""What a model thought before it answered is kept beside its text."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("versions", sa.Column("reasoning", sa.Text, nullable=False, server_default=""))
    op.add_column(
        "versions",
        sa.Column("reasoning_ids", sa.LargeBinary, nullable=False, server_default=sa.text("x''")),
    )
