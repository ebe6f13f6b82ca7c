"""Tables of novels and notebooks: chapters whose text is kept as append-only versions, and a log of changes.

Rows of `novel_versions` and `novel_passages` never change. Of the others only pointers do: what a novel is
called and told with, the order of its chapters, and of a chapter the version that is shown. "" stands for
"none". Places are characters (Unicode code points). Times are Unix seconds.
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
)

from fabula.store.schema.base import metadata

novels = Table(
    "novels",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner_id", String(64), nullable=False),
    Column("kind", String(16), nullable=False),  # "novel" or "notebook"
    Column("title", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("sampling", JSON, nullable=False),
    Column("settings", JSON, nullable=False),  # language, prompt, outline, notes, facts, lorebooks …
    Column("chapters", JSON, nullable=False),  # ids, in order
    Column("memory", JSON, nullable=False),  # what the next prompt needs of the last
    Column("revision", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("deleted_at", Double),  # null = not in the trash
    Index(None, "owner_id", "kind", "updated_at"),
)


def _of_a_novel() -> Column[str]:
    return Column("novel_id", String(64), ForeignKey("novels.id", ondelete="CASCADE"), nullable=False)


novel_chapters = Table(
    "novel_chapters",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner_id", String(64), nullable=False),
    _of_a_novel(),
    Column("title", Text, nullable=False),
    Column("outline", Text, nullable=False),
    Column("notes", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("version_id", String(64), nullable=False),  # the version that is shown, "" = no text
    Column("created_at", Double, nullable=False),
    Column("summed", JSON),  # what of the text the summary covers: {upto, digest, edited}; null = none of it
    Index(None, "novel_id"),
)

novel_versions = Table(
    "novel_versions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner_id", String(64), nullable=False),
    _of_a_novel(),
    Column("chapter_id", String(64), nullable=False),
    Column("base_id", String(64), nullable=False),  # the version that it changes
    Column("depth", Integer, nullable=False),  # versions from the first one to this one
    Column("start", Integer, nullable=False),  # from here …
    Column("removed", Integer, nullable=False),  # … so many characters of the base are gone
    Column("reason", String(16), nullable=False),  # written, generated, chosen, imported, picked
    Column("turn_id", String(64), nullable=False),  # the turn that wrote it
    Column("characters", Integer, nullable=False),  # of the whole text
    Column("words", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("runs", JSON, nullable=False),  # what stands there instead: [{text, ids, tokenizer, tokens}]
    Column("whole", JSON),  # all runs of the text, of every so-manieth version; null = not kept
    Index(None, "chapter_id", "created_at"),
)

novel_passages = Table(
    "novel_passages",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner_id", String(64), nullable=False),
    _of_a_novel(),
    Column("chapter_id", String(64), nullable=False),
    Column("turn_id", String(64), nullable=False),
    Column("number", Integer, nullable=False),  # among those that one turn has written, from 0
    Column("kind", String(16), nullable=False),  # continue, rewrite, expand
    Column("start", Integer, nullable=False),
    Column("replaced", Text, nullable=False),  # what stood there
    Column("before", String(64), nullable=False),  # a digest of what stood in front of it
    Column("instruction", Text, nullable=False),
    Column("reason", String(16), nullable=False),  # why it ended
    Column("facts", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("runs", JSON, nullable=False),
    UniqueConstraint("turn_id", "number"),
    Index(None, "novel_id", "created_at"),
)

novel_changes = Table(
    "novel_changes",
    metadata,
    Column("novel_id", String(64), ForeignKey("novels.id", ondelete="CASCADE"), primary_key=True),
    Column("revision", Integer, primary_key=True),  # the novel's revision after this change
    Column("owner_id", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("chapter_id", String(64), nullable=False),
    Column("patch", JSON, nullable=False),  # [{table, id, field, before, after}]
    Column("state", String(16), nullable=False),  # done, undone, or dropped
    Column("created_at", Double, nullable=False),
    Index(None, "novel_id", "state", "revision"),
)

novel_memories = Table(
    "novel_memories",  # as `memories` of chats; a novel has documents
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner_id", String(64), nullable=False),
    _of_a_novel(),
    Column("kind", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("upto_id", String(64), nullable=False),
    Column("covered", String(64), nullable=False),
    Column("edited", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("text", Text, nullable=False),
    Index(None, "novel_id", "kind", "created_at"),
)

novel_memory_passages = Table(
    "novel_memory_passages",
    metadata,
    Column("novel_id", String(64), ForeignKey("novels.id", ondelete="CASCADE"), primary_key=True),
    Column("source_id", String(64), primary_key=True),  # a document, or a digest of a stretch of text
    Column("number", Integer, primary_key=True),  # within its source
    Column("embedder", String(200), primary_key=True),
    Column("owner_id", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("vector", LargeBinary, nullable=False),  # float32, little-endian, of length 1
)
