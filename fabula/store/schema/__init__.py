"""The tables of the database, one file per room. Knows no queries."""

from __future__ import annotations

from fabula.store.schema import (
    accounts,
    batches,
    characters,
    chats,
    imports,
    jobs,
    memory,
    novels,
    presets,
    search,
    stories,
    tunings,
)
from fabula.store.schema.base import metadata

__all__ = [
    "accounts",
    "batches",
    "characters",
    "chats",
    "imports",
    "jobs",
    "memory",
    "metadata",
    "novels",
    "presets",
    "search",
    "stories",
    "tunings",
]
