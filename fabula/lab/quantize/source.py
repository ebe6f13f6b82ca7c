"""The model that is to be quantized: its headers, and where each tensor's numbers lie. Reads no weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fabula.core.errors import BadParameter, CannotQuantize, DirectUnavailable
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.engine.builds import builds
from fabula.engine.direct.loading import obstacle
from fabula.lab.quantize.mixes import SOURCES, Mix
from fabula.lab.quantize.rules import Anatomy, Choice, anatomy, choose, in_order
from fabula.models.formats.folders import FORMAT as FOLDER
from fabula.models.formats.gguf import BadHeader, Header, Tensor, read_header
from fabula.models.formats.identify import parts_of
from fabula.models.formats.types import TENSOR_TYPES

GGUF = "gguf"
PROJECTOR = "clip"  # the architecture of files through which models see images


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor's data begins, in bytes from the start of its file."""

    path: Path
    start: int


@dataclass(frozen=True, slots=True)
class Source:
    """A model in one or several files. `tensors` are in the order of the rules."""

    headers: tuple[Header, ...]
    tensors: tuple[Tensor, ...]
    places: dict[str, Place]
    anatomy: Anatomy

    @property
    def header(self) -> Header:
        return self.headers[0]

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return sum(size_of(tensor) for tensor in self.tensors)

    @property
    def elements(self) -> int:
        return sum(tensor.elements for tensor in self.tensors)

    def choose(self, mix: Mix, *, informed: bool) -> list[Choice]:
        return choose(self.anatomy, self.tensors, mix, informed=informed)


def require_possible(model: LocalModel) -> None:
    """Raises BadParameter, CannotQuantize, CannotConvert or DirectUnavailable."""
    if model.format not in (GGUF, FOLDER):
        raise BadParameter("model", model.name, phrase("expected.gguf_model"))
    if model.problem:
        reason = phrase(model.problem, file=model.path.name, name=model.name, size=model.size)
        raise CannotQuantize(model.name, reason)
    if why := obstacle(builds.ours()):
        raise DirectUnavailable(why)


def read_source(model: LocalModel) -> Source:
    """Raises CannotQuantize for one that is damaged or incomplete, CannotConvert for a folder that has no
    form in GGUF; of any other folder, what its GGUF would be."""
    if model.format == FOLDER:
        from fabula.lab.quantize.from_folder import virtual_header

        return _source((virtual_header(model),), model.path, model.name)
    return _source(tuple(_header(file, model.name) for file in parts_of(model.path)), model.path, model.name)


def _source(headers: tuple[Header, ...], path: Path, name: str) -> Source:
    places = {
        tensor.name: Place(header.path, header.data_start + tensor.offset)
        for header in headers
        for tensor in header.tensors
    }
    tensors = in_order(tensor for header in headers for tensor in header.tensors)
    if len(places) != len(tensors) or not tensors:
        raise _broken(path, name, "damaged")
    return Source(headers, tuple(tensors), places, anatomy(headers[0]))


def _header(file: Path, name: str) -> Header:
    try:
        header = read_header(file)
    except BadHeader as bad:
        raise _broken(file, name, "parts_missing" if not file.exists() else bad.reason) from bad
    if header.data_end > header.file_size:
        raise _broken(file, name, "truncated")
    if header.text("general.architecture") == PROJECTOR:
        raise _broken(file, name, "mmproj")
    for tensor in header.tensors:
        if tensor.size is None:
            raise CannotQuantize(name, phrase("lab.quantize.unknown_type", tensor=tensor.name))
    return header


def _broken(file: Path, name: str, problem: str) -> CannotQuantize:
    return CannotQuantize(name, phrase(f"models.problem.{problem}", file=file.name, name=name))


def lossy_type(choices: Sequence[Choice]) -> str:
    """A type of the source, among the tensors that change, that has lost much already; "" when none has."""
    found = (TENSOR_TYPES[choice.tensor.type].name for choice in choices if choice.changes)
    return next((name for name in found if name not in SOURCES), "")


def size_of(tensor: Tensor, type_: int | None = None) -> int:
    """Bytes of a tensor, in another type."""
    kind = TENSOR_TYPES[tensor.type if type_ is None else type_]
    return tensor.elements // kind.block * kind.size
