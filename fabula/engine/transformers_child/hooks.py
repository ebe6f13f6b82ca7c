"""What changes a model while it computes: traits that are taken out of what its parts write, or are added.

Taken out: y ← y + Σ scale · b (a · y), of what a block of a layer writes. With a the direction and b its
opposite, that is what the block would write if each of its matrices had lost scale of that direction. Added:
a row to what a layer gives. Both are torch's own hooks, set where a request asks for something and gone where
not: at scale 0 the model is itself, bit for bit. Several add up, as they do in llama.cpp.

Runs in the child process only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabula.engine.direct.weights import Refused
from fabula.engine.transformers_child import parts
from fabula.models.formats.gguf import BadHeader, read_header

A, B = ".lora_a", ".lora_b"

Pair = tuple[NDArray[np.float32], NDArray[np.float32]]
"""a [width] and b [width]"""
Adapter = Mapping[str, Pair]
"""By part."""


class CannotHook(Exception):
    """The message says which adapter, and why."""


def read(file: Path) -> Adapter:
    """Raises CannotHook."""
    found: dict[str, dict[str, NDArray[np.float32]]] = {}
    try:
        header = read_header(file)
        for tensor in header.tensors:
            part, half = tensor.name[: -len(A)], tensor.name[-len(A) :]
            values = np.fromfile(file, "<f4", tensor.elements, offset=header.data_start + tensor.offset)
            found.setdefault(part, {})[half] = values
        return {part: (halves[A], halves[B]) for part, halves in found.items()}
    except (BadHeader, OSError, KeyError) as wrong:
        raise CannotHook(f"the adapter {file.stem} could not be read: {wrong}") from wrong


class Hooks:
    """Those of one model. `width` is that of its residual stream. Raises CannotHook for an adapter of parts
    that the model has not."""

    def __init__(self, torch: Any, model: Any, width: int, files: Sequence[Path]) -> None:
        self._torch, self._model, self._width = torch, model, width
        self._adapters = [read(file) for file in files]
        for file, adapter in zip(files, self._adapters, strict=True):
            self._require(file.stem, adapter)
        self._set: list[Any] = []

    def _require(self, name: str, adapter: Adapter) -> None:
        for part, pair in adapter.items():
            if any(len(half) != self._width for half in pair):
                raise CannotHook(f"the adapter {name} is for another width than {self._width}")
            if not parts.modules_of(self._model, part):
                raise CannotHook(f"the adapter {name} is for {part}, which this model has not")

    def change(self, scales: Sequence[float], rows: NDArray[np.float32] | None) -> None:
        """In place of what was set: how strong each adapter is, and row k of [layers − 1, width] for what
        layer k + 1 gives. Raises Refused where the layers are not known."""
        self._clear()
        for part, (a, b) in self._taken(scales).items():
            self._take(part, a, b)
        layers = parts.layers_of(self._model)
        if rows is not None and len(layers) != len(rows) + 1:
            raise Refused("nothing can be added in this model: its layers are not known")
        for layer, row in zip(layers[1:], [] if rows is None else rows, strict=False):
            if row.any():
                self._on(layer, _added(self._tensor(row)))

    def _clear(self) -> None:
        for handle in self._set:
            handle.remove()
        self._set.clear()

    def _taken(self, scales: Sequence[float]) -> dict[str, tuple[Any, Any]]:
        """By part, of all adapters that do anything: [adapters, width] twice, the second scaled."""
        found: dict[str, list[Pair]] = {}
        for adapter, scale in zip(self._adapters, scales, strict=True):
            for part, (a, b) in adapter.items() if scale else ():
                found.setdefault(part, []).append((a, np.float32(scale) * b))
        return {
            part: (
                self._tensor(np.stack([a for a, _ in pairs])),
                self._tensor(np.stack([b for _, b in pairs])),
            )
            for part, pairs in found.items()
        }

    def _take(self, part: str, a: Any, b: Any) -> None:
        for module in parts.modules_of(self._model, part):
            self._on(module, _taken_out(a, b))
        output = parts.reads_what_embeds(self._model) if part == parts.EMBEDDINGS else None
        if output is not None:  # the same weights once more, from their other side

            def before(_: Any, given: Any) -> Any:
                return (_without(given[0], a, b), *given[1:])

            self._set.append(output.register_forward_pre_hook(before))

    def _on(self, module: Any, change: Any) -> None:
        def hook(_: Any, __: Any, made: Any) -> Any:
            return (change(made[0]), *made[1:]) if isinstance(made, tuple) else change(made)

        self._set.append(module.register_forward_hook(hook))

    def _tensor(self, values: NDArray[np.float32]) -> Any:
        return self._torch.from_numpy(np.ascontiguousarray(values)).to(self._model.device)


def _taken_out(a: Any, b: Any) -> Any:
    return lambda made: _without(made, a, b)


def _added(row: Any) -> Any:
    return lambda made: (made.float() + row).to(made.dtype)


def _without(made: Any, a: Any, b: Any) -> Any:
    """In 32 bits, whatever the model calculates with."""
    wide = made.float()
    return (wide + (wide @ a.T) @ b).to(made.dtype)
