"""Plan how a model is loaded on a machine: bytes per device, verdict, choices. Three tiers, one result.

    engine        its own plan, asked of it with a file that has no weights (the seam `oracle`)
    closed form   `breakdown`, from the tensors and numbers of a header; exact for weights and caches
    rough         from a model's few known numbers, or its parameter count, and told to be so

`plan` decides; `placing` puts a model onto devices; `breakdown` is the formula; `anatomy` reads a header.
"""

from __future__ import annotations

from fabula.models.fit.placing import GPU_RESERVE, RESERVE
from fabula.models.fit.plan import DEFAULT_CONTEXT, SMALLEST_CONTEXT, left, needed_bytes, plan
from fabula.models.fit.wanted import MICRO_BATCH, NOTHING_BESIDE, Beside, Wanted
from fabula.models.hardware import Machine

__all__ = [
    "DEFAULT_CONTEXT",
    "GPU_RESERVE",
    "MICRO_BATCH",
    "NOTHING_BESIDE",
    "RESERVE",
    "SMALLEST_CONTEXT",
    "Beside",
    "Machine",
    "Wanted",
    "left",
    "needed_bytes",
    "plan",
]
