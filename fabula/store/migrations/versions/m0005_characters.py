"""Characters, and what is found by its words."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

# An index over the rows of search_entries that holds no second copy of their texts (FTS5, "External Content
# Tables"); the triggers are those that its documentation gives.
INDEX = """
CREATE VIRTUAL TABLE search_index USING fts5(
    search_text, content='search_entries', content_rowid='number',
    tokenize="unicode61 remove_diacritics 2", prefix='1 2'
)
"""
ADDED = "INSERT INTO search_index(rowid, search_text) VALUES (new.number, new.search_text);"
REMOVED = (
    "INSERT INTO search_index(search_index, rowid, search_text) "
    "VALUES ('delete', old.number, old.search_text);"
)
TRIGGERS = {"INSERT": ADDED, "DELETE": REMOVED, "UPDATE": REMOVED + ADDED}


def upgrade() -> None:
    op.create_table(
        "characters",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sort_name", sa.Text, nullable=False),
        sa.Column("creator", sa.Text, nullable=False),
        sa.Column("about", sa.Text, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("favourite", sa.Boolean, nullable=False),
        sa.Column("picture", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("deleted_at", sa.Double),
        sa.Column("files", sa.JSON, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_characters"),
    )
    for last in ("updated_at", "sort_name"):  # counted and ordered without a look at the rows
        columns = ["owner_id", "deleted_at", last]
        op.create_index(f"ix_characters_{'_'.join(columns)}", "characters", columns)
    op.create_table(
        "character_tags",
        sa.Column("character_id", sa.String(64), nullable=False),
        sa.Column("tag", sa.String(200), nullable=False),
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("character_id", "tag", name="pk_character_tags"),
        sa.ForeignKeyConstraint(
            ["character_id"],
            ["characters.id"],
            name="fk_character_tags_character_id_characters",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_character_tags_owner_id_tag", "character_tags", ["owner_id", "tag"])
    op.create_table(
        "search_entries",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("item_id", sa.String(64), nullable=False),
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.Column("search_text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_search_entries"),
        sa.UniqueConstraint("kind", "item_id", name="uq_search_entries_kind_item_id"),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(INDEX)
        for what, then in TRIGGERS.items():
            name = f"search_entries_{what.lower()}"
            op.execute(f"CREATE TRIGGER {name} AFTER {what} ON search_entries BEGIN {then} END")
