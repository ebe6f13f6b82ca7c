"""Tables of chats: a tree of messages, each with immutable versions, and a log of pointer changes.

Rows of `versions` never change. Of the others only pointers do: what a chat is called and told with, which
message is its head, and of messages the version that is shown, where they stand, and how they are marked. ""
stands for "none" in pointers and parents. Times are Unix seconds.
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
    UniqueConstraint,
    text,
)

from fabula.store.schema.base import metadata

chats = Table(
    "chats",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner_id", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("sampling", JSON, nullable=False),
    Column("head_id", String(64), nullable=False),  # the last message that is shown
    Column("revision", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("deleted_at", Double),  # null = not in the trash
    Column("character_id", String(64), nullable=False, server_default=""),  # "" = none
    Column("persona", JSON, nullable=False, server_default="{}"),  # {name, description}
    Column("variables", JSON, nullable=False, server_default="{}"),  # of macros
    Column("memory", JSON, nullable=False, server_default="{}"),  # what the next prompt needs of the last
    Column("story", JSON, nullable=False, server_default="{}"),  # note, lorebooks, layout, group …
    Column("folder", Text, nullable=False, server_default=""),  # "" = none
    Column("favourite", Boolean, nullable=False, server_default=text("0")),
    Column("origin", JSON, nullable=False, server_default="{}"),  # what another program's file said besides
    Index(None, "owner_id", "updated_at"),
    Index(None, "owner_id", "character_id", "updated_at"),
)

chat_tags = Table(
    "chat_tags",
    metadata,
    Column("chat_id", String(64), ForeignKey("chats.id", ondelete="CASCADE"), primary_key=True),
    Column("tag", String(200), primary_key=True),
    Column("owner_id", String(64), nullable=False),
    Index(None, "owner_id", "tag"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner_id", String(64), nullable=False),
    Column("chat_id", String(64), ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", String(64), nullable=False),
    Column("position", Integer, nullable=False),  # among all siblings, hidden ones too, from 0
    Column("depth", Integer, nullable=False),  # messages from the first one to this one
    Column("role", String(16), nullable=False),
    Column("author", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("version_id", String(64), nullable=False),  # the version that is shown
    Column("hidden", Boolean, nullable=False),  # deleted, with all below it
    Column("shown_id", String(64), nullable=False),  # the child that was shown last
    Column("checkpoint", Text, nullable=False, server_default=""),  # its name, "" = none
    Column("left_out", Boolean, nullable=False, server_default=text("0")),  # of prompts
    Column("origin", JSON),  # what another program's file said of it besides; null = written here
    Column("revision", Integer, nullable=False, server_default=text("0")),  # the chat's, at its last change
    UniqueConstraint("chat_id", "parent_id", "position"),
    Index(None, "chat_id", "revision"),
)

versions = Table(
    "versions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner_id", String(64), nullable=False),
    Column("message_id", String(64), ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("turn_id", String(64), unique=True),  # the turn that wrote it; null = a person
    Column("text", Text, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("tokenizer", String(64), nullable=False),
    Column("facts", JSON),
    Column("created_at", Double, nullable=False),
    Column("token_ids", LargeBinary, nullable=False),  # int32, little-endian; late, as it may be long
    Column("reasoning", Text, nullable=False, server_default=""),  # what was thought before the text
    Column("reasoning_ids", LargeBinary, nullable=False, server_default=text("x''")),  # as token_ids
    Index(None, "message_id"),
)

counts = Table(
    "counts",
    metadata,
    Column("version_id", String(64), ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True),
    Column("tokenizer", String(64), primary_key=True),
    Column("tokens", Integer, nullable=False),
)

chat_changes = Table(
    "chat_changes",
    metadata,
    Column("chat_id", String(64), ForeignKey("chats.id", ondelete="CASCADE"), primary_key=True),
    Column("revision", Integer, primary_key=True),  # the chat's revision after this change
    Column("owner_id", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("message_id", String(64), nullable=False),
    Column("path_from", String(64), nullable=False),
    Column("patch", JSON, nullable=False),  # [{table, id, field, before, after}]
    Column("state", String(16), nullable=False),  # done, undone, or dropped (a new change came after undo)
    Column("created_at", Double, nullable=False),
    Index(None, "chat_id", "state", "revision"),
)
