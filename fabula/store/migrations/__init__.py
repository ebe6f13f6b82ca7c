"""The history of the schema: one file per step, append-only. Knows only what each step needs."""

from __future__ import annotations

HEAD = "0015"
"""The newest step. Written down so that a start with an up-to-date database need not load Alembic."""
