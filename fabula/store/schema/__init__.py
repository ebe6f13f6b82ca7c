"""The tables of the database, one file per room. Knows no queries."""

from __future__ import annotations

from fabula.store.schema import chats, jobs, presets, tunings
from fabula.store.schema.base import metadata

__all__ = ["chats", "jobs", "metadata", "presets", "tunings"]
