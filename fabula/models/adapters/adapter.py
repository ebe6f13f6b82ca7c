"""Say what an adapter file is, from its own header. Knows no model that it could fit, and no folder.

LoRA changes matrices of a GGUF. What Fabula makes of a direction for a folder of safetensors is of the same
form, but changes what a block of a layer writes (`blk.7.mlp`): such adapters are of the kind `outputs`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fabula.core.texts import Phrase, phrase
from fabula.models.formats.gguf import BadHeader, Header, read_header
from fabula.models.formats.types import TENSOR_TYPES

HALVES = (".lora_a", ".lora_b")
LORA, OUTPUTS = "lora", "outputs"  # values of adapter.type
ALPHA = "adapter.lora.alpha"
NEVER_MULTIPLIED = ("I8", "I16", "I32", "I64", "F64", "Q8_1", "Q8_K")
"""Types that a matrix of an adapter cannot have: the engine reads them, and crashes at the first request."""
UNHEEDED = "_norm.weight"  # the engine reads such tensors of an adapter, and leaves them unused

Shape = tuple[int, ...]
Pairs = dict[str, tuple[Shape, Shape]]
"""The two halves of each change by the name of the tensor that they change, in GGUF's order of sizes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One adapter file. `problem` says why it cannot be used, None when it can."""

    name: str
    path: Path
    size: int  # bytes
    title: str = ""
    kind: str = LORA
    architecture: str = ""
    rank: int = 0  # of its widest change
    alpha: float = 0.0
    changes: int = 0  # tensors of the model that it changes
    unheeded: int = 0  # tensors that the engine leaves unused
    problem: Phrase | None = None


def describe(path: Path, name: str = "") -> Adapter:
    """Never raises for what is wrong with the file: see `problem`."""
    name = name or path.stem
    try:
        header = read_header(path)
    except BadHeader as bad:
        size = path.stat().st_size if path.is_file() else 0
        return Adapter(name=name, path=path, size=size, problem=file_problem(bad.reason, path))
    pairs, lone = paired({tensor.name: tensor.shape for tensor in header.tensors})
    alpha = header.metadata.get(ALPHA)
    return Adapter(
        name=name,
        path=path,
        size=header.file_size,
        title=header.text("general.name"),
        kind=header.text("adapter.type"),
        architecture=header.text("general.architecture"),
        rank=max((second[0] for _, second in pairs.values()), default=0),
        alpha=float(alpha) if isinstance(alpha, int | float) else 0.0,
        changes=len(pairs),
        unheeded=sum(tensor.name.endswith(UNHEEDED) for tensor in header.tensors),
        problem=_problem(header, pairs, lone),
    )


def file_problem(reason: str, path: Path) -> Phrase:
    return phrase(f"models.problem.{reason}", name=path.stem, file=path.name)


def paired(shapes: Mapping[str, Shape]) -> tuple[Pairs, str]:
    """The halves that belong together, and the name of a tensor that has no other half ("" when all have)."""
    halves = {name: shape for name, shape in shapes.items() if not name.endswith(UNHEEDED)}
    pairs: Pairs = {}
    for name, shape in halves.items():
        base, mark = name[:-7], name[-7:]
        other = halves.get(base + HALVES[1 - HALVES.index(mark)]) if mark in HALVES else None
        if other is None:
            return pairs, name
        pairs[base] = (shape, other) if mark == HALVES[0] else (other, shape)
    return pairs, ""


def _problem(header: Header, pairs: Pairs, lone: str) -> Phrase | None:
    if header.text("general.type") != "adapter" or header.text("adapter.type") not in (LORA, OUTPUTS):
        return phrase("models.adapter.no_lora")
    if header.data_end > header.file_size:
        return file_problem("truncated", header.path)
    if "adapter.alora.invocation_tokens" in header.metadata:
        return phrase("models.adapter.activated")
    if lone:
        return phrase("models.adapter.half", tensor=lone[:80])
    if not pairs:
        return phrase("models.problem.no_weights", file=header.path.name)
    return _number_problem(header, pairs)


def _number_problem(header: Header, pairs: Pairs) -> Phrase | None:
    """What the engine would end with, without a word on the reason."""
    alpha = header.metadata.get(ALPHA, 0.0)  # the engine takes one that is not there for "leave it out"
    if not (isinstance(alpha, float) and math.isfinite(alpha)):
        return phrase("models.adapter.alpha", value=f"{alpha}"[:80])
    for name, (first, second) in pairs.items():
        if 0 in (*first, *second):
            return phrase("models.adapter.ranks", tensor=name[:80])
    for tensor in header.tensors:
        known = TENSOR_TYPES.get(tensor.type)
        if known and known.name in NEVER_MULTIPLIED:
            return phrase("models.adapter.tensor_type", tensor=tensor.name[:80], type=known.name)
    return None
