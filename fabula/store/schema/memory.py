"""Tables of what a chat remembers beyond its window: facts, summaries, documents, passages with vectors.

Times are Unix seconds. "" stands for "none".
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from fabula.store.schema.base import metadata

memories = Table(
    "memories",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner_id", String(64), nullable=False),
    Column("chat_id", String(64), ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(16), nullable=False),  # "fact", "summary", "document", "translation"
    Column("name", Text, nullable=False),  # of a document; the language of a translation
    Column("upto_id", String(64), nullable=False),  # the last message of a summary; the one translated
    Column("covered", String(64), nullable=False),  # a digest of the versions covered; the one translated
    Column("edited", Boolean, nullable=False),  # by a person
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("text", Text, nullable=False),  # last, as it may be long
    Index(None, "chat_id", "kind", "created_at"),
)

memory_passages = Table(
    "memory_passages",
    metadata,
    Column("chat_id", String(64), ForeignKey("chats.id", ondelete="CASCADE"), primary_key=True),
    Column("source_id", String(64), primary_key=True),  # a version of a message, or a document
    Column("number", Integer, primary_key=True),  # within its source
    Column("embedder", String(200), primary_key=True),  # vectors of two models cannot be compared
    Column("owner_id", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("vector", LargeBinary, nullable=False),  # float32, little-endian, of length 1
)

memory_settings = Table(
    "memory_settings",
    metadata,
    Column("chat_id", String(64), ForeignKey("chats.id", ondelete="CASCADE"), primary_key=True),
    Column("owner_id", String(64), nullable=False),
    Column("settings", JSON, nullable=False),
)
