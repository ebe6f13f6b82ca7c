"""A folder of safetensors, loaded on a machine without GPUs. Knows no test."""

from __future__ import annotations

from pathlib import Path

from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.engine.llamacpp.adapters import Attached
from fabula.engine.transformers_child.plan import plan
from fabula.engine.transformers_child.worker import TransformersWorker
from fabula.engine.vectors import Vectors
from fabula.models.hardware import Machine

MACHINE = Machine(
    system="x", processor="x", cores=2, physical_cores=3, memory=32 << 30, memory_available=16 << 30
)


async def loaded(
    model: LocalModel,
    logs: Path,
    *,
    attached: Attached | None = None,
    vectors: Vectors | None = None,
    **options: object,
) -> TransformersWorker:
    worker = TransformersWorker(logs, start_timeout_s=120, attached=attached, vectors=vectors)
    await worker.load(model, plan(model, MACHINE, LoadOptions(threads=2, **options)))  # type: ignore[arg-type]
    return worker
