"""Control vectors: files with a direction for some layers, which are added to what those layers give.

They lie in the folder `vectors/` as GGUF, in llama.cpp's own format (`direction.N` is the row for layer N).
What is asked of them stands in each request's sampling. Knows no engine that runs.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabula.core.errors import BadParameter, VectorNotFound
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.texts import phrase
from fabula.models.formats.gguf import BadHeader, Tensor, read_header
from fabula.models.formats.gguf_writing import Draft, write
from fabula.store.files import write_atomic, writing

ARCHITECTURE = "controlvector"
PREFIX = "direction."
MADE_BY = "fabula.direction"  # in the metadata of what a learned direction made: the hash of its recipe
F32 = 0
MOST_LAYERS, MOST_NUMBERS = 1024, 1 << 20
_NAME = re.compile(r"[\w][\w .()+-]{0,79}")


@dataclass(frozen=True, slots=True)
class ControlVector:
    """`layers` are those that it has a direction for, in order; `width` the numbers of each."""

    name: str
    path: Path
    size: int
    layers: tuple[int, ...]
    width: int
    model: str = ""  # what kind it was made for, where the file says that
    is_learned: bool = False  # made of a direction, which may make it anew


class Vectors:
    """The control vectors of one home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[Path, tuple[tuple[int, int], ControlVector]] = {}

    def list(self) -> list[ControlVector]:
        """All that can be used, by name."""
        found = (self._look(path) for path in self.folder.glob("*.gguf"))
        return sorted((one for one in found if one), key=lambda one: one.name.lower())

    def find(self, name: str) -> ControlVector:
        """Raises VectorNotFound."""
        known = self.list()
        for one in known:
            if one.name == name:
                return one
        raise VectorNotFound(name, ", ".join(one.name for one in known) or "–")

    def take(self, name: str, source: Path) -> ControlVector:
        """A copy of a file, under a name. Raises BadParameter for what is none, or a name that is taken."""
        found = _read(source)
        if found is None:
            raise BadParameter("path", str(source), phrase("expected.vector_file"))
        place = self._place(name)
        self._put(place, source.read_bytes())
        return self.find(place.stem)

    def make(
        self, name: str, directions: Mapping[int, Sequence[float]], model: str = "", made_by: str = ""
    ) -> ControlVector:
        """A file of directions by layer, of one width. `made_by` is the hash of a recipe. Raises
        BadParameter."""
        place = self._place(name)
        rows = _checked(directions)
        told = {
            "general.architecture": ARCHITECTURE,
            "general.name": name,
            f"{ARCHITECTURE}.model_hint": model,
        }
        told |= {MADE_BY: made_by} if made_by else {}
        with tempfile.TemporaryFile() as file:
            write(file, told, [_draft(layer, row) for layer, row in rows.items()])
            file.seek(0)
            self._put(place, file.read())
        return self.find(place.stem)

    def remove(self, name: str) -> None:
        """Raises VectorNotFound."""
        one = self.find(name)
        with writing(one.path):
            one.path.unlink()

    # ── what a request asks ─────────────────────────────────────────────────────────────────────────

    def asked(self, sampling: Sampling, model: LocalModel) -> Sequence[Sequence[Any]]:
        """[path, bytes, changed, scale, first layer, last layer] of each one that is here, for the child that
        reads it. Raises BadParameter for one of another width."""
        known = {one.name: one for one in self.list()} if sampling.control_vectors else {}
        rows = []
        for name, scale, first, last in sampling.control_vectors:
            if (one := known.get(name)) and scale:
                _require_width(one, model)
                state = one.path.stat()
                rows.append([str(one.path), state.st_size, state.st_mtime_ns, scale, first, last])
        return rows

    def ignored(self, sampling: Sampling) -> tuple[str, ...]:
        """Those that are not here."""
        known = {one.name for one in self.list()} if sampling.control_vectors else set()
        return tuple(f"control_vectors.{name}" for name, *_ in sampling.control_vectors if name not in known)

    # ── files ───────────────────────────────────────────────────────────────────────────────────────

    def _look(self, path: Path) -> ControlVector | None:
        state = path.stat()
        key = (state.st_size, state.st_mtime_ns)
        if (known := self._known.get(path)) and known[0] == key:
            return known[1]
        if found := _read(path):
            self._known[path] = key, found
        return found

    def _place(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise BadParameter("name", name[:80], phrase("expected.vector_name"))
        place = self.folder / f"{name}.gguf"
        if place.exists():
            raise BadParameter("name", name, phrase("expected.new_name"))
        return place

    def _put(self, place: Path, data: bytes) -> None:
        with writing(self.folder):
            self.folder.mkdir(exist_ok=True)
        write_atomic(place, data)


def rows_of(path: Path) -> dict[int, tuple[Tensor, int]]:
    """Each layer's tensor, and where its numbers begin in the file. Raises BadHeader, OSError."""
    header = read_header(path)
    found = {}
    for tensor in header.tensors:
        layer = tensor.name.removeprefix(PREFIX)
        if tensor.name.startswith(PREFIX) and layer.isdecimal() and int(layer) > 0:
            found[int(layer)] = tensor, header.data_start + tensor.offset
    return found


def _read(path: Path) -> ControlVector | None:
    """None for what is no control vector, or one of numbers of another kind."""
    try:
        header = read_header(path)
        rows = rows_of(path)
    except (BadHeader, OSError):
        return None
    widths = {tensor.elements for tensor, _ in rows.values()}
    if not rows or len(widths) != 1 or any(tensor.type != F32 for tensor, _ in rows.values()):
        return None
    hint = header.text(f"{ARCHITECTURE}.model_hint")
    size, layers, ours = path.stat().st_size, tuple(sorted(rows)), MADE_BY in header.metadata
    return ControlVector(path.stem, path, size, layers, widths.pop(), hint, ours)


def _checked(directions: Mapping[int, Sequence[float]]) -> dict[int, Sequence[float]]:
    widths = {len(row) for row in directions.values()}
    if not 0 < len(directions) <= MOST_LAYERS or len(widths) != 1 or not 0 < min(widths) <= MOST_NUMBERS:
        raise BadParameter("directions", f"{len(directions)}", phrase("expected.directions"))
    if wrong := [layer for layer in directions if layer < 1]:
        raise BadParameter("directions", f"{wrong[0]}", phrase("expected.layer_from_one"))
    return dict(sorted(directions.items()))


def _draft(layer: int, row: Sequence[float]) -> Draft:
    def data() -> bytes:
        import numpy as np

        return np.asarray(row, "<f4").tobytes()

    return Draft(f"{PREFIX}{layer}", (len(row),), F32, 4 * len(row), data)


def _require_width(one: ControlVector, model: LocalModel) -> None:
    if model.embedding and one.width != model.embedding:
        expected = phrase("expected.vector_width", width=model.embedding, found=one.width)
        raise BadParameter("control_vectors", one.name, expected)
