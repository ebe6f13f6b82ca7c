"""Chats as things to keep: checkpoints, what is left out of prompts, folders, and a search over messages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

from fabula.store.search import words

revision = "0008"
down_revision = "0007"

# One word of `scope` says kind and owner, so that the index itself finds only what belongs to them; `title`
# has a column of its own, so that what is called by a word comes before what mentions it.
INDEX = """
CREATE VIRTUAL TABLE search_index USING fts5(
    scope, title, search_text, content='search_entries', content_rowid='number',
    tokenize="unicode61 remove_diacritics 2", prefix='1 2'
)
"""
COLUMNS = "scope, title, search_text"
ADDED = (
    f"INSERT INTO search_index(rowid, {COLUMNS}) VALUES (new.number, new.scope, new.title, new.search_text);"
)
REMOVED = (
    f"INSERT INTO search_index(search_index, rowid, {COLUMNS}) "
    "VALUES ('delete', old.number, old.scope, old.title, old.search_text);"
)
TRIGGERS = {"INSERT": ADDED, "DELETE": REMOVED, "UPDATE": REMOVED + ADDED}


def upgrade() -> None:
    _columns()
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        for what in TRIGGERS:
            op.execute(f"DROP TRIGGER search_entries_{what.lower()}")
        op.execute("DROP TABLE search_index")
    _fill(connection)
    if connection.dialect.name == "sqlite":
        op.execute(INDEX)
        op.execute("INSERT INTO search_index(search_index) VALUES ('rebuild')")
        for what, then in TRIGGERS.items():
            name = f"search_entries_{what.lower()}"
            op.execute(f"CREATE TRIGGER {name} AFTER {what} ON search_entries BEGIN {then} END")


def _columns() -> None:
    no = sa.text("0")
    op.add_column("chats", sa.Column("folder", sa.Text, nullable=False, server_default=""))
    op.add_column("chats", sa.Column("favourite", sa.Boolean, nullable=False, server_default=no))
    op.add_column("chats", sa.Column("origin", sa.JSON, nullable=False, server_default="{}"))
    columns = ["owner_id", "character_id", "updated_at"]
    op.create_index(f"ix_chats_{'_'.join(columns)}", "chats", columns)
    op.add_column("messages", sa.Column("checkpoint", sa.Text, nullable=False, server_default=""))
    op.add_column("messages", sa.Column("left_out", sa.Boolean, nullable=False, server_default=no))
    op.add_column("messages", sa.Column("origin", sa.JSON))
    op.add_column("search_entries", sa.Column("scope", sa.String(40), nullable=False, server_default=""))
    op.add_column("search_entries", sa.Column("title", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "chat_tags",
        sa.Column("chat_id", sa.String(64), nullable=False),
        sa.Column("tag", sa.String(200), nullable=False),
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("chat_id", "tag", name="pk_chat_tags"),
        sa.ForeignKeyConstraint(
            ["chat_id"], ["chats.id"], name="fk_chat_tags_chat_id_chats", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_chat_tags_owner_id_tag", "chat_tags", ["owner_id", "tag"])


def _fill(connection: sa.Connection) -> None:
    """Entries for what was kept before this step: characters get a title, messages and chats an entry."""
    scopes: dict[tuple[str, str], str] = {}

    def scope(kind: str, owner: str) -> str:
        known = scopes.get((kind, owner))
        return known or scopes.setdefault(
            (kind, owner), kind + hashlib.sha256(owner.encode()).hexdigest()[:16]
        )

    named = "SELECT e.number, e.kind, e.owner_id, c.name, c.deleted_at FROM search_entries e "
    for row in connection.execute(sa.text(named + "JOIN characters c ON c.id = e.item_id")).all():
        kind = row.kind if row.deleted_at is None else f"{row.kind}trash"
        values = {"n": row.number, "s": scope(kind, row.owner_id), "t": words(row.name)}
        connection.execute(
            sa.text("UPDATE search_entries SET scope = :s, title = :t WHERE number = :n"), values
        )
    told = "SELECT m.id, m.owner_id, v.text FROM messages m JOIN versions v ON v.id = m.version_id"
    _entries(connection, "message", f"{told} ORDER BY m.created_at", scope)
    called = "SELECT id, owner_id, title AS text FROM chats WHERE deleted_at IS NULL ORDER BY created_at"
    _entries(connection, "chat", called, scope)


def _entries(connection: sa.Connection, kind: str, query: str, scope: Callable[[str, str], str]) -> None:
    put = sa.text(
        "INSERT INTO search_entries (kind, item_id, owner_id, scope, title, search_text)"
        " VALUES (:kind, :id, :owner, :scope, :title, :words)"
    )
    for row in connection.execute(sa.text(query)):
        if cut := words(row.text):
            titled = {"title": cut, "words": ""} if kind == "chat" else {"title": "", "words": cut}
            values = {"kind": kind, "id": row.id, "owner": row.owner_id, "scope": scope(kind, row.owner_id)}
            connection.execute(put, values | titled)
