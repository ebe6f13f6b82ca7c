"""A plan as the direct child's settings; and where there can be no such child. Pure."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.texts import Phrase, phrase
from fabula.engine.builds.builds import Build
from fabula.engine.llamacpp.loading import EXPERTS, load_mode
from fabula.models.formats.types import TENSOR_TYPES

BATCH = 512  # tokens
SEQUENCES = 33  # a prefix, and as many continuations of it at a time
FEW_SEQUENCES = 2  # where each one needs a state or a window of its own

KV = {row.name.lower(): number for number, row in TENSOR_TYPES.items()}
FLASH = {"auto": -1, "off": 0, "on": 1}
SPLIT = {"none": 0, "layer": 1, "row": 2}
ROPE = {"": -1, "none": 0, "linear": 1, "yarn": 2}
LOAD = {"AUTO": -1, "NONE": 0, "MMAP": 1, "MLOCK": 2, "MMAP_MLOCK": 3}
"""Our words → the engine's numbers (llama.h)."""


def obstacle(build: Build, system: str = sys.platform) -> Phrase | None:
    """Why the engine's functions cannot be called here; None when they can."""
    if system == "win32":
        return phrase("engine.direct.windows")
    if build.program:
        return phrase("engine.direct.own_server", program=build.program)
    return None


def settings(
    model: LocalModel, plan: Plan, build: Build, adapters: Sequence[Path], *, is_one_way: bool, proof: Path
) -> dict[str, Any]:
    """What the child is told first: `weights.Settings`, and where to find the engine and keep its proof."""
    options = plan.options
    kv_type_v = options.kv_type_v or plan.kv_type
    return {
        "model": str(model.path),
        "context": plan.context,
        "batch": options.batch or BATCH,
        "sequences": FEW_SEQUENCES if is_one_way else SEQUENCES,
        "threads": plan.threads,
        "gpu_layers": plan.gpu_layers,
        "kv_type": KV[plan.kv_type],
        "kv_type_v": KV[kv_type_v],
        "flash_attention": FLASH[options.flash_attention or "auto"],
        "split_mode": SPLIT[options.split_mode or "layer"],
        "tensor_split": list(options.tensor_split or ()),
        "main_gpu": options.main_gpu or 0,
        "kv_offload": options.kv_offload is not False,
        "overrides": _overrides(options.moe_cpu or 0),
        "rope_scaling": ROPE[options.rope_scaling or ""],
        "rope_base": options.rope_base or 0.0,
        "rope_scale": options.rope_scale or 0.0,
        "rope_original": options.rope_original or 0,
        "load_mode": LOAD[load_mode(options)],
        "adapters": [str(path) for path in adapters],
        "packages": _packages(build),
        "proof": str(proof),
    }


def _overrides(layers: int) -> list[str]:
    if layers < 0:
        return [EXPERTS]
    return [rf"blk\.{layer}\.{EXPERTS}" for layer in range(layers)]


def _packages(build: Build) -> str:
    """Where another build's engine lies; its own Python has nothing of ours."""
    if not build.python:
        return ""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return str(Path(build.python).parent.parent / "lib" / version / "site-packages")
