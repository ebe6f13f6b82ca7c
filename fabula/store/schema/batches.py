"""The tables of uploaded files and of the batches made from them. Times are Unix seconds, 0 = not yet."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Double, Index, String, Table, Text

from fabula.store.schema.base import metadata

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner_id", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("size", BigInteger, nullable=False),  # bytes
    Column("created_at", Double, nullable=False),
    Index(None, "owner_id", "created_at"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner_id", String(64), nullable=False),
    Column("key_id", String(64), nullable=False),  # of the key that it was asked with, "" = none
    Column("language", String(16), nullable=False),
    Column("endpoint", String(64), nullable=False),
    Column("input_id", String(64), nullable=False),
    Column("output_id", String(64), nullable=False),  # "" = none
    Column("error_id", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("notes", JSON, nullable=False),  # what the client wrote to it
    Column("problems", JSON, nullable=False),  # of its input: [{line, error}]
    Column("counts", JSON, nullable=False),  # {total, completed, failed}
    Column("times", JSON, nullable=False),  # state → when it was reached
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index(None, "owner_id", "created_at"),
    Index(None, "state"),
)
