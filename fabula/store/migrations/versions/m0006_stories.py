"""Chats with a character: who speaks, who the person is, and what prompts and macros remember."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("chats", sa.Column("character_id", sa.String(64), nullable=False, server_default=""))
    for name in ("persona", "variables", "memory"):
        op.add_column("chats", sa.Column(name, sa.JSON, nullable=False, server_default="{}"))
