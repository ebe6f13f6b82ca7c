"""A direction as LoRA of rank 1, exactly: B = −s r, A = rᵀW. As GGUF for the engine, and as PEFT's folder.

What is multiplied with is the model's own unpacked weight, so on a quantized model too the adapter takes out
what that model has. Biases have no form in LoRA: they are told as left. Experts keep a pair each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabula.core.errors import BadParameter
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.lab.directions import ablate, finite, saved
from fabula.lab.directions.ablate import Cut
from fabula.lab.directions.saved import Direction
from fabula.lab.directions.use import Use
from fabula.lab.directions.weights import Weights, open_weights
from fabula.lab.directions.writers import Writer
from fabula.models.adapters.adapter import LORA
from fabula.models.formats import gguf_writing
from fabula.models.formats.gguf_writing import Draft, Value
from fabula.store.files import write_atomic, writing
from fabula.store.job_child import Report

F32 = 0
MADE_BY = "fabula.direction"
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"  # as PEFT calls them
EXPORTING = "lab.directions.exporting"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pair:
    """A [matrices, 1, columns] and B [matrices, width, 1] of one tensor; one matrix but for experts."""

    writer: Writer
    a: Floats
    b: Floats


def pairs(weights: Weights, direction: Direction, use: Use, report: Report) -> Iterator[Pair]:
    """Of every matrix that is touched. Raises WeightsUnusable, BadParameter, UnknownWriter."""
    touched = [one for one in use.touched(weights.writers, direction) if is_expressible(one)]
    for number, writer in enumerate(touched):
        report.check()
        report.progress(number, len(touched), "tensors", EXPORTING)
        cut = use.cut(writer, direction, weights.norm(writer))
        yield pair(weights, writer, cut)


def is_expressible(writer: Writer) -> bool:
    return not writer.is_bias and writer.layer is not None


def pair(weights: Weights, writer: Writer, cut: Cut) -> Pair:
    """Raises WeightsUnusable for a matrix with what is no number."""
    along = [_along(weights, writer, matrix, cut) for matrix in range(matrices(writer))]
    if not np.isfinite(along).all():
        raise finite.of_rows(weights.read, writer, weights.name)
    b = np.broadcast_to(-cut.strength * cut.direction[None, :, None], (len(along), len(cut.direction), 1))
    return Pair(writer, np.stack(along)[:, None].astype(np.float32), b.astype(np.float32))


def matrices(writer: Writer) -> int:
    return writer.shape[0] if len(writer.shape) == 3 else 1


def _along(weights: Weights, writer: Writer, matrix: int, cut: Cut) -> NDArray[np.float64]:
    """rᵀW [columns] of one matrix."""
    rows, columns = writer.shape[-2:]
    start = matrix * rows
    if writer.axis == len(writer.shape) - 2:
        along, _ = ablate.along_rows(
            lambda first, count: weights.read(writer, start + first, count), rows, columns, cut.direction
        )
        return along
    parts = [
        weights.read(writer, start + first, count).astype(np.float64) @ cut.direction
        for first, count in ablate.steps(rows, columns)
    ]
    return np.concatenate(parts)


# ── files ───────────────────────────────────────────────────────────────────────────────────────────


def gguf(model: LocalModel, direction: Direction, use: Use, file: Path, report: Report) -> dict[str, Any]:
    """The adapter for a GGUF, whole or not there."""
    with open_weights(model) as weights:
        found = list(pairs(weights, direction, use, report))
        left = _left(weights, direction, use)
    save(file, model, direction, found)
    return {"path": str(file), "tensors": len(found), "left": left, "size": file.stat().st_size}


def save(file: Path, model: LocalModel, direction: Direction, found: Sequence[Pair]) -> None:
    """As GGUF, whole or not there. Raises StoreUnwritable."""
    put(file, model, direction, [draft for one in found for draft in _drafts(one)], LORA)


def put(file: Path, model: LocalModel, direction: Direction, drafts: Sequence[Draft], kind: str) -> None:
    """An adapter's file, whole or not there. Raises StoreUnwritable."""
    told: dict[str, Value] = {
        "general.type": "adapter",
        "general.architecture": model.architecture,
        "general.name": direction.name,
        "adapter.type": kind,
        "adapter.lora.alpha": 1.0,
        MADE_BY: direction.recipe_hash,
    }
    part = file.with_name(f".{file.name}.part")
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as out:
            gguf_writing.write(out, told, drafts)
        part.replace(file)


def _drafts(one: Pair) -> Iterator[Draft]:
    """In GGUF's order of sizes; the matrices of experts lie behind one another."""
    for ending, values in ((".lora_a", one.a), (".lora_b", one.b)):
        data = np.ascontiguousarray(values, "<f4").tobytes()
        shape = values.shape[:0:-1] if len(values) == 1 else values.shape[::-1]
        yield Draft(one.writer.name + ending, shape, F32, len(data), partial(bytes, data))


def require_free(out: str) -> None:
    """Raises BadParameter where there is somebody else's adapter, or no folder can be."""
    try:
        folder = Path(out).expanduser()
        there = any((folder / name).exists() for name in (WEIGHTS, CONFIG))
        taken = "\0" in out or (folder.exists() and not folder.is_dir()) or (there and not _is_ours(folder))
    except (OSError, RuntimeError):
        taken = True
    if taken:
        raise BadParameter("out", out[:80], phrase("expected.peft_folder"))


def _is_ours(folder: Path) -> bool:
    """Whether a direction made it."""
    try:
        return "recipe_hash" in saved.told_in(folder / WEIGHTS)
    except saved.UNTOLD:
        return False


def peft(model: LocalModel, direction: Direction, use: Use, folder: Path, report: Report) -> dict[str, Any]:
    """As PEFT saves adapters; matrices of linear layers only, as experts in one tensor have no name there."""
    arrays: dict[str, Floats] = {}
    modules: list[str] = []
    with open_weights(model) as weights:
        found = list(pairs(weights, direction, use, report))
        left = _left(weights, direction, use)
    for one in found:
        if len(one.a) > 1:
            left.append(one.writer.name)
            continue
        module = one.writer.name.removesuffix(".weight")
        modules.append(module)
        arrays[f"base_model.model.{module}.lora_A.weight"] = one.a[0]
        arrays[f"base_model.model.{module}.lora_B.weight"] = one.b[0]
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": model.name,
        "r": 1,
        "lora_alpha": 1,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": sorted(modules),
    }
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    saved.write(folder / WEIGHTS, arrays, {"recipe_hash": direction.recipe_hash})
    write_atomic(folder / CONFIG, json.dumps(config, indent=1).encode(), 0o644)
    return {"path": str(folder), "tensors": len(modules), "left": left}


def _left(weights: Weights, direction: Direction, use: Use) -> list[str]:
    """What would be edited, and no adapter can say."""
    touched: Sequence[Writer] = use.touched(weights.writers, direction)
    return [writer.name for writer in touched if not is_expressible(writer)]
