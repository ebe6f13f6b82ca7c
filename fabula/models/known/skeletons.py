"""What the layers of well-known kinds of models take, by type, before any file of them is here.

The figures are data (`skeletons.json`, made by scripts/skeletons.py of headers and published shapes). Knows
no repository, no machine and no plan.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from fabula.core.model import LocalModel
from fabula.models.fit.anatomy import Anatomy, Layer, Read, Widths

FILE = Path(__file__).with_suffix(".json")
_LAYER = (
    *("weights", "on_device", "experts", "largest", "repacked", "keys", "values", "heads", "window", "state"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A shape that many models share. `context` is what the shape was trained with, in tokens."""

    name: str
    parameters: int
    architecture: str
    context: int
    types: tuple[str, ...]
    recurrent: bool = False  # its state does not grow with the context


@functools.cache
def _table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))["kinds"]
    return found


@functools.cache
def kind(name: str) -> Kind:
    """Raises KeyError."""
    row = _table()[name]
    return Kind(
        name=name,
        parameters=row["parameters"],
        architecture=row["architecture"],
        context=row["context"],
        types=tuple(row["types"]),
        recurrent=row["architecture"].startswith("rwkv"),
    )


def kinds() -> tuple[str, ...]:
    return tuple(_table())


@functools.cache
def body(name: str, quantization: str) -> Anatomy | None:
    """The kind in that type, as the memory formula sees it; None where it was not worked out.

    Raises KeyError for a kind that nobody knows.
    """
    row = _table()[name]
    packed = row["types"].get(quantization)
    if packed is None:
        return None
    inputs, embeddings, output, tables, on_host, output_reads, layers, runs = packed
    known = [_layer(each) for each in layers]
    return Anatomy(
        architecture=row["architecture"],
        layers=tuple(chain.from_iterable(repeat(known[number], count) for number, count in runs)),
        inputs=inputs,
        embeddings=embeddings,
        output=output,
        shared_tables=tables,
        on_host=(on_host[0], on_host[1]),
        unused_layers=row["unused_layers"],
        tied=row["tied"],
        widths=Widths(**{"embedding": 0, "gated": False} | row["widths"]),
        output_reads=_reads(output_reads),
        trained_context=row["context"],
        notes=tuple(row["notes"]),
    )


def model(name: str, quantization: str, title: str = "", context: int = 0) -> LocalModel:
    """The kind as a model that is planned. `context` is what its makers trained it for, where they say.

    Raises KeyError.
    """
    found, anatomy = kind(name), body(name, quantization)
    return LocalModel(
        name=title or name,
        path=Path(title or name),
        size=anatomy.weights if anatomy else 0,
        architecture=found.architecture,
        parameters=found.parameters,
        quantization=quantization,
        trained_context=context or found.context,
        layers=len(anatomy.layers) if anatomy else 0,
    )


def _layer(row: list[Any]) -> Layer:
    return Layer(**dict(zip(_LAYER, row, strict=False)), reads=_reads(row[len(_LAYER)]))


def _reads(rows: list[list[Any]]) -> tuple[Read, ...]:
    return tuple(Read(kind, size, numbers, bool(expert)) for kind, size, numbers, expert in rows)
