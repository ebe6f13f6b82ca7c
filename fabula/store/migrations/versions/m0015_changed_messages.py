"""Messages keep the revision of their chat at which they were changed last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    zero = sa.text("0")
    op.add_column("messages", sa.Column("revision", sa.Integer, nullable=False, server_default=zero))
    op.create_index("ix_messages_chat_id_revision", "messages", ["chat_id", "revision"])
