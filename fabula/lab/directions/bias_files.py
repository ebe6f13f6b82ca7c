"""The biases of a model's files: read, changed, and those that come to them. Knows no job.

Folders as Hugging Face keeps models, and GGUF files.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fabula.core.errors import CannotQuantize, WeightsUnusable
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.lab.directions import biases, finite, growing, tensors
from fabula.lab.directions.adding import Addition, Floats, Made, Numbers
from fabula.lab.directions.biases import After, Places
from fabula.lab.directions.edit import Edit, File
from fabula.lab.directions.growing import New
from fabula.lab.directions.tensors import NUMBERS, Tensors
from fabula.lab.directions.weights import family_of
from fabula.lab.directions.writers import Shape
from fabula.lab.quantize.source import read_source
from fabula.models.formats.folders import CONFIG
from fabula.models.formats.folders import FORMAT as FOLDER
from fabula.models.formats.gguf import Header, Tensor
from fabula.models.formats.types import TENSOR_TYPES


@contextlib.contextmanager
def opened(model: LocalModel) -> Iterator[Numbers]:
    """Raises WeightsUnusable."""
    if model.format != FOLDER:
        yield GgufNumbers(model)
        return
    folder = FolderNumbers(model)
    try:
        yield folder
    finally:
        folder.close()


# ── GGUF ────────────────────────────────────────────────────────────────────────────────────────────


class GgufNumbers:
    """`headers` are those of the files of one model."""

    def __init__(self, model: LocalModel) -> None:
        self.name = model.name
        try:
            self.headers: tuple[Header, ...] = read_source(model).headers
        except CannotQuantize as damaged:
            raise WeightsUnusable(model.name, damaged.reason) from damaged
        self._tensors: dict[str, tuple[Header, Tensor]] = {
            tensor.name: (header, tensor) for header in self.headers for tensor in header.tensors
        }

    @property
    def shapes(self) -> Mapping[str, Shape]:
        return {name: tensor.shape[::-1] for name, (_, tensor) in self._tensors.items()}

    def type(self, name: str) -> str:
        return TENSOR_TYPES[self._tensors[name][1].type].name

    def read(self, name: str) -> Floats:
        header, tensor = self._tensors[name]
        require_numbers(self.type(name), name, self.name)
        place = header.data_start + tensor.offset
        data = np.fromfile(header.path, np.uint8, tensor.size or 0, offset=place)
        return tensors.unpacked(data, self.type(name)).reshape(tensor.shape[::-1])

    def places(self, layers: Sequence[int], after: After) -> Places:
        return biases.of_gguf(self.shapes, self.headers[0].metadata, layers, after, self.name)

    def made(self, addition: Addition, names: Sequence[str]) -> Made:
        """What is new lies in the last part of a model of several."""
        changed = _changed(addition, self)
        fresh = [place for place in addition.steered if place.is_new]
        more = [
            New(place.name, place.shape, "F32", addition.constant(place).astype("<f4").tobytes())
            for place in fresh
        ]
        files = []
        for number, (header, name) in enumerate(zip(self.headers, names, strict=True), 1):
            here = {tensor.name for tensor in header.tensors}
            own = {each: data for each, data in changed.items() if each in here}
            added = more if number == len(names) else []
            files.append(growing.gguf(header, name, own, added, len(more)))
        return Made(Edit(self.name, files))


# ── folders ─────────────────────────────────────────────────────────────────────────────────────────


class FolderNumbers:
    def __init__(self, model: LocalModel) -> None:
        if model.packed:
            raise WeightsUnusable(model.name, phrase("lab.convert.packed", method=model.quantization))
        self.name, self.folder = model.name, model.path
        self._tensors = Tensors(model.path, model.name)

    def close(self) -> None:
        self._tensors.close()

    @property
    def shapes(self) -> Mapping[str, Shape]:
        return {name: place.stored.shape for name, place in self._tensors.items()}

    def type(self, name: str) -> str:
        return self._tensors[name].stored.type

    def read(self, name: str) -> Floats:
        return self._tensors.floats(name)

    def places(self, layers: Sequence[int], after: After) -> Places:
        told, shapes = _text_part(self._config()), self.shapes
        return biases.of_folder(shapes, family_of(self.folder), told, layers, after, self.name)

    def made(self, addition: Addition, names: Sequence[str]) -> Made:
        """New biases are of their matrices' type, and lie in one shard."""
        changed, more = _changed(addition, self), list(self._new(addition))
        last = self._with_room(more)
        files: list[File] = []
        for shard in self._tensors.shards:
            stored = {name: place.stored for name, place in self._tensors.items() if place.path == shard}
            own = {name: data for name, data in changed.items() if name in stored}
            files.append(growing.shard(shard, stored, own, more if shard == last else []))
        return Made(Edit(self.name, files), self._texts(addition, more, last.name))

    def _new(self, addition: Addition) -> Iterator[New]:
        for place in addition.places.places:
            if place.is_new:
                yield self._bias(place.name, addition.constant(place))
        for name, shape in addition.places.beside.items():
            yield self._bias(name, np.zeros(shape, np.float32))

    def _bias(self, name: str, values: Floats) -> New:
        type_ = self.type(f"{name.removesuffix('bias')}weight")
        require_numbers(type_, name, self.name)
        return New(name, values.shape, type_, packed(values, type_, name, self.name))

    def _with_room(self, more: Sequence[New]) -> Path:
        """The last shard whose end suits numbers of those types: they are read where they lie."""
        size = max((NUMBERS[one.type] for one in more), default=1)
        ends = dict.fromkeys(self._tensors.shards, 0)
        starts: dict[Path, int] = {}
        for place in self._tensors.values():
            ends[place.path] = max(ends[place.path], place.stored.end)
            starts[place.path] = min(starts.get(place.path, place.stored.start), place.stored.start)
        fitting = [shard for shard in ends if (ends[shard] - starts.get(shard, 0)) % size == 0]
        return (fitting or self._tensors.shards)[-1]

    def _config(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / CONFIG).read_text(encoding="utf-8")))

    def _texts(self, addition: Addition, more: Sequence[New], shard: str) -> dict[str, bytes]:
        texts = {}
        if addition.places.switch:
            config = self._config()
            _text_part(config)[addition.places.switch] = True
            texts[CONFIG] = _json(config)
        index = self.folder / tensors.INDEX
        if more and index.is_file():
            told = json.loads(index.read_text(encoding="utf-8"))
            told["weight_map"] |= {one.name: shard for one in more}
            _count_up(told.get("metadata"), more)
            texts[tensors.INDEX] = _json(told)
        return texts


def _text_part(config: dict[str, Any]) -> dict[str, Any]:
    """What a config says of the part that writes text."""
    inner = config.get("text_config")
    return inner if isinstance(inner, dict) else config


def _count_up(told: Any, more: Sequence[New]) -> None:
    """What an index tells of all tensors, where it does."""
    sizes = {"total_size": sum(len(one.data) for one in more)}
    sizes["total_parameters"] = sum(len(one.data) // NUMBERS[one.type] for one in more)
    for name, size in sizes.items():
        if isinstance(told, dict) and isinstance(told.get(name), int):
            told[name] += size


def _json(told: Mapping[str, Any]) -> bytes:
    return (json.dumps(told, ensure_ascii=False, indent=2) + "\n").encode()


# ── both ────────────────────────────────────────────────────────────────────────────────────────────


def _changed(addition: Addition, numbers: Numbers) -> dict[str, bytes]:
    """New bytes of biases that were there, by name. Raises WeightsUnusable."""
    made = {}
    for place in addition.steered:
        if not place.is_new:
            values = numbers.read(place.name) + addition.constant(place)
            made[place.name] = packed(values, numbers.type(place.name), place.name, numbers.name)
    return made


def require_numbers(type_: str, tensor: str, model: str) -> None:
    if type_ not in NUMBERS:
        raise WeightsUnusable(model, phrase("lab.convert.type", tensor=tensor, type=type_))


def packed(values: Floats, type_: str, tensor: str, model: str) -> bytes:
    """Raises WeightsUnusable for what is no number, or none that the type can hold."""
    finite.require(values, tensor, model)
    made = tensors.packed(values, type_)
    if finite.strange(made, type_):
        raise WeightsUnusable(model, phrase("lab.convert.too_large", tensor=tensor))
    return made.tobytes()
