"""The starter model cut to its first layers: the same tokenizer and template, a fraction of the work.

It writes nonsense; what it keeps of a prompt and what it reads again is what the whole one would.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.tiny_models import ALIGNMENT, head_of, padded, span_bytes, value_bytes
from fabula.models.formats.gguf import Header, Span, Tensor, read_header


def write(path: Path, starter: Path, layers: int = 4) -> Path:
    """A GGUF with `layers` of the starter's layers at `path`."""
    header = read_header(starter)
    kept = [tensor for tensor in header.tensors if _layer(tensor) < layers]
    with starter.open("rb") as source, path.open("wb") as file:
        content = source.read(header.data_start)
        file.write(head_of(_facts(header, content, layers), [_entry(tensor) for tensor in kept]))
        for tensor in kept:
            source.seek(header.data_start + tensor.offset)
            file.write(padded(source.read(_size(tensor))))
    return path


def _layer(tensor: Tensor) -> int:
    """-1 for what belongs to none."""
    parts = tensor.name.split(".")
    return int(parts[1]) if parts[0] == "blk" else -1


def _size(tensor: Tensor) -> int:
    assert tensor.size is not None, f"{tensor.name} has an unknown type"
    return tensor.size


def _entry(tensor: Tensor) -> tuple[str, tuple[int, ...], int, int]:
    return tensor.name, tensor.shape, tensor.type, _size(tensor)


def _facts(header: Header, content: bytes, layers: int) -> dict[str, bytes]:
    count = f"{header.text('general.architecture')}.block_count"
    facts: dict[str, Any] = header.metadata | {count: layers}
    assert facts.get("general.alignment", ALIGNMENT) == ALIGNMENT
    return {
        name: span_bytes(value, content) if isinstance(value, Span) else value_bytes(value)
        for name, value in facts.items()
    }
