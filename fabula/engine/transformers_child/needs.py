"""Which packages a folder needs, and whether they are here. Imports none of them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

from fabula.core.errors import ExtraMissing
from fabula.core.model import LocalModel

PLAIN = ("torch", "transformers", "safetensors")
PACKED: dict[str, tuple[str, tuple[str, ...]]] = {
    "gptq": ("gptq", ("gptqmodel", "optimum", "accelerate")),
    "awq": ("gptq", ("gptqmodel", "accelerate")),
    "compressed-tensors": ("packed", ("compressed_tensors",)),
    "bitsandbytes": ("packed", ("bitsandbytes", "accelerate")),
}
"""By how the weights are packed: the extra that brings the modules, and the modules."""


def is_here(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def require(model: LocalModel, bits: int = 0, found: Callable[[str], bool] = is_here) -> None:
    """Raises ExtraMissing, with how to get it."""
    wanted: list[tuple[str, tuple[str, ...]]] = [("lab", PLAIN)]
    if model.packed in PACKED:
        wanted.append(PACKED[model.packed])
    if bits:
        wanted.append(PACKED["bitsandbytes"])
    for extra, modules in wanted:
        if missing := [module for module in modules if not found(module)]:
            raise ExtraMissing(model.name, extra, ", ".join(missing))
