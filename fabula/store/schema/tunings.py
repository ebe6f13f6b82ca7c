"""The table of what was measured: how a model runs fastest on a machine. Times are Unix seconds."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Double, String, Table

from fabula.store.schema.base import metadata

tunings = Table(
    "tunings",
    metadata,
    Column("model", String(64), primary_key=True),  # hash of the weights
    Column("engine", String(200), primary_key=True),  # the build and its version
    Column("machine", String(64), primary_key=True),  # hash of processor, cores, memory and GPUs
    Column("options", JSON, nullable=False),  # load options that were chosen
    Column("report", JSON, nullable=False),  # what was measured, as it is shown
    Column("created_at", Double, nullable=False),
)
