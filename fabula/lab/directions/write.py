"""The job kind `direction_write`: a direction is taken out of a model's weights, which become a new model.

Folders as Hugging Face keeps models are written shard by shard, GGUF files in their own types: only what is
touched changes. What was written lies in `.directions` beside the models until all of it is there; the shelf
sees the new model only then. Afterwards what is left of the direction is measured on the files themselves.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabula.core.errors import DirectUnavailable, ModelExists, TooCoarse
from fabula.core.model import LocalModel
from fabula.core.texts import Phrase, phrase
from fabula.engine.direct.library import Drifted
from fabula.lab.directions import cost, tensors
from fabula.lab.directions import recipe as recipes
from fabula.lab.directions.edit import PART, Edit, File, Ledger, left, spans
from fabula.lab.directions.folder_engine import FolderEngine
from fabula.lab.directions.saved import Direction, Shelf
from fabula.lab.directions.space import disk_full
from fabula.lab.directions.use import Chosen
from fabula.lab.directions.weights import FolderWeights, GgufWeights, open_weights
from fabula.lab.directions.writers import Writer
from fabula.lab.quantize.exact import Engine
from fabula.lab.quantize.quality import Pair
from fabula.models.catalog import Catalog
from fabula.models.formats.folders import FORMAT as FOLDER
from fabula.models.formats.folders import TENSORS, files_of
from fabula.models.formats.identify import identify, parts_of
from fabula.models.formats.types import TENSOR_TYPES
from fabula.models.sources.landing import land, plain_name
from fabula.store.files import require_space, writing
from fabula.store.home import Home
from fabula.store.job_child import Report

KIND = "direction_write"
WORKSHOP = ".directions"  # beside the models; its name hides it from the shelf
SPARE = 64 << 20  # bytes that stay free
LANDING = "landing"
FINE_BITS = 6.5  # per weight: Q6_K has 6.5625
STAYS = {
    "Q5_K": 0.083,
    "Q5_1": 0.071,
    "Q5_0": 0.146,
    "Q4_K": 0.358,
    "Q4_1": 0.296,
    "IQ4_NL": 0.393,
    "Q4_0": 0.436,
    "Q3_K": 0.666,
    "Q2_K": 0.856,
}
"""Share of the direction that rounding puts back when weights of that type are edited in place: of rᵀW, by
tensor, the mean. Measured as `LOST` of from_gguf: the starter model, 2026-11-22, `python -m bench direction
--parts losses`; other models differ. A type that is not here was not measured."""
WRITING, CHECKING = "lab.directions.writing", "lab.directions.checking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing(Chosen):
    """What is written; `name` is the new model's. `measure` compares the two afterwards."""

    measure: bool = True


@dataclass(frozen=True, slots=True)
class Order:
    """`place` is where the new model will lie: a file, or a folder."""

    wishes: Writing
    model: LocalModel
    direction: Direction
    place: Path

    @property
    def name(self) -> str:
        return self.place.name if self.model.format == FOLDER else self.place.stem


def order(home: Home, wishes: Writing) -> Order:
    """All that can be refused is refused. Raises ModelNotFound, DirectionNotFound, DirectionUnfit,
    ModelExists, TooCoarse, UnknownWriter, WeightsUnusable, BadParameter."""
    model = Catalog(home.models).find(wishes.model)
    direction = Shelf(home.directions).find(wishes.direction)
    direction.require_fit(model)
    name = plain_name(wishes.name or f"{model.name.rsplit('/', 1)[-1]}-{direction.name}")
    is_folder, parts = model.format == FOLDER, parts_of(model.path)
    place = home.models / (name if is_folder or len(parts) > 1 else f"{name}.gguf")
    asked = Order(wishes, model, direction, place)
    if place.exists() and not (stage_of(home, asked) / LANDING).exists():
        raise ModelExists(name)
    with open_weights(model) as weights:
        touched = wishes.use.touched(weights.writers, direction)
        if isinstance(weights, GgufWeights):
            require_fine(model.name, weights, touched)
    return asked


def stage_of(home: Home, asked: Order) -> Path:
    """Where it is made."""
    return home.models / WORKSHOP / f"{asked.name}.{fingerprint(asked)[:12]}"


def require_fine(name: str, weights: GgufWeights, touched: Sequence[Writer]) -> None:
    """Raises TooCoarse where rounding would put a part of the direction back."""
    kinds = {TENSOR_TYPES[weights.tensors[writer.name].type] for writer in touched}
    coarsest = min(kinds, key=lambda kind: kind.bits)
    if coarsest.bits < FINE_BITS:
        raise TooCoarse(name, coarsest.name, "Q6_K", how_much(coarsest.name))


def how_much(type_: str) -> Phrase:
    """What is said of an edit in such a type: with a figure where one was measured."""
    if type_ not in STAYS:
        return phrase("lab.directions.rounded_unmeasured", type=type_)
    return phrase("lab.directions.rounded", share=STAYS[type_])


# ── doing ───────────────────────────────────────────────────────────────────────────────────────────


def run(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Raises as `order` does, NoDiskSpace, or the job's own Cancelled."""
    began = time.monotonic()
    asked = order(home, Writing.of(arguments))
    made = written(home, asked, report)
    if asked.wishes.measure:
        new = Catalog(home.models).find(asked.name)
        report.progress(0, 0, "tokens", "lab.quantize.loading")
        engine = FolderEngine.of(home) if asked.model.format == FOLDER else Engine.of(home)
        made["measured"] = cost.measured(Pair(asked.model, new), engine, home.models, report)
    return made | {"seconds": round(time.monotonic() - began, 1)}


def written(home: Home, asked: Order, report: Report) -> dict[str, Any]:
    """The new model on the shelf, and what was done to it."""
    stage = stage_of(home, asked)
    with writing(stage):
        stage.mkdir(parents=True, exist_ok=True)
    with open_weights(asked.model) as weights:
        assert isinstance(weights, (FolderWeights, GgufWeights))
        edit = edit_of(asked, weights)
        if not asked.place.exists():
            _write(edit, stage, Ledger.open(stage / "ledger.json", fingerprint(asked)), report)
    if not asked.place.exists():
        _finish(asked, edit, stage)
    residual = measured(asked, edit, report)
    recipes.dump(home.directions / f"{asked.name}.written.yaml", KIND, asked.wishes.arguments())
    shutil.rmtree(stage, ignore_errors=True)
    return described(asked, edit, residual)


def edit_of(asked: Order, weights: FolderWeights | GgufWeights) -> Edit:
    use, direction = asked.wishes.use, asked.direction
    touched = use.touched(weights.writers, direction)
    cuts = {one.name: (one, use.cut(one, direction, weights.norm(one))) for one in touched}
    if isinstance(weights, FolderWeights):
        return Edit(asked.model.name, folder_files(weights), cuts, _OfFolder(weights))
    return Edit(asked.model.name, gguf_files(asked, weights), cuts, _OfGguf(weights, touched))


def folder_files(weights: FolderWeights) -> list[File]:
    """The shards; what lies beside them is copied at the end."""
    places: dict[Path, dict[str, tuple[int, int]]] = {shard: {} for shard in weights.tensors.shards}
    for name, place in weights.tensors.items():
        places[place.path][name] = (place.stored.start, place.stored.end)
    return [File(path, path.name, spans(path.stat().st_size, found)) for path, found in places.items()]


def gguf_files(asked: Order, weights: GgufWeights) -> list[File]:
    files: list[File] = []
    for header in weights.source.headers:
        found = {
            tensor.name: (
                header.data_start + tensor.offset,
                header.data_start + tensor.offset + (tensor.size or 0),
            )
            for tensor in header.tensors
        }
        number = len(files) + 1
        count = len(weights.source.headers)
        name = f"{asked.name}-{number:05}-of-{count:05}.gguf" if count > 1 else f"{asked.name}.gguf"
        files.append(File(header.path, name, spans(header.file_size, found)))
    return files


class _OfFolder:
    def __init__(self, weights: FolderWeights) -> None:
        self._weights = weights
        self.read = weights.read

    def pack(self, writer: Writer, rows: NDArray[np.float32]) -> NDArray[np.uint8]:
        return tensors.packed(rows, self._weights.tensors[writer.name].stored.type)


class _OfGguf:
    """Rows are packed by the engine's own routines, in the type that they had."""

    def __init__(self, weights: GgufWeights, touched: Sequence[Writer]) -> None:
        self._weights = weights
        self.read = weights.read
        kinds = {weights.tensors[writer.name].type for writer in touched}
        try:
            weights.kernels.prepare(kinds, kinds)
        except Drifted as drift:
            raise DirectUnavailable(phrase("engine.direct.drifted", detail=f"{drift}")) from drift

    def pack(self, writer: Writer, rows: NDArray[np.float32]) -> NDArray[np.uint8]:
        kernels, kind = self._weights.kernels, self._weights.tensors[writer.name].type
        made = np.empty(len(rows) * kernels.row_size(kind, rows.shape[1]), np.uint8)
        kernels.pack(kind, rows, made)
        return made


def _write(edit: Edit, stage: Path, ledger: Ledger, report: Report) -> None:
    """Raises NoDiskSpace, and leaves what can be gone on with."""
    there = sum(file.stat().st_blocks * 512 for file in stage.rglob("*") if file.is_file())
    require_space(stage, edit.size - there + SPARE)

    def tell(done: int) -> None:
        report.check()
        report.progress(done, edit.size, "bytes", WRITING)

    with disk_full(stage, edit.size):
        edit.run(stage, ledger, tell)


def _finish(asked: Order, edit: Edit, stage: Path) -> None:
    """The files get their names, and the model its place: at once, and only whole. A note tells a later run
    that what lies there is its own."""
    with disk_full(stage, edit.size):
        ready = stage / "ready"
        ready.mkdir(exist_ok=True)
        for file in edit.files:
            part = stage / f"{file.name}{PART}"
            if part.exists():
                part.chmod(0o644)
                part.replace(ready / file.name)
        if asked.model.format == FOLDER:
            for other in files_of(asked.model.path):
                if other.suffix != TENSORS:
                    shutil.copyfile(other, ready / other.name)
        (stage / LANDING).touch()
        land(ready if asked.place.suffix != ".gguf" else ready / edit.files[0].name, asked.place)


def measured(asked: Order, edit: Edit, report: Report) -> dict[str, float]:
    """What is left of the direction in each tensor of the new files, as a share of what was there."""
    path = asked.place if asked.place.suffix == ".gguf" or asked.model.format == FOLDER else None
    path = path or asked.place / edit.files[0].name
    made = replace(asked.model, path=path) if path.is_dir() else replace(identify(path), name=asked.name)
    found: dict[str, float] = {}
    with open_weights(asked.model) as before, open_weights(made) as now:
        for name, share in left(now.read, before.read, edit.cuts):
            report.check()
            found[name] = share
            report.progress(len(found), len(edit.cuts), "tensors", CHECKING)
    return found


def made_files(asked: Order, edit: Edit) -> list[Path]:
    """The new files of weights."""
    if asked.place.is_dir():
        return [asked.place / file.name for file in edit.files]
    return [asked.place]


def described(asked: Order, edit: Edit, residual: dict[str, float]) -> dict[str, Any]:
    """The result of the job. `left` is what is left along the direction, by tensor; sizes are bytes of the
    files of weights, after and before."""
    strengths = [cut.strength for _, cut in edit.cuts.values()]
    return {
        "name": asked.name,
        "source": asked.model.name,
        "direction": asked.direction.name,
        "recipe_hash": recipes.digest(asked.wishes.arguments()),
        "size": sum(file.stat().st_size for file in made_files(asked, edit)),
        "source_size": sum(file.source.stat().st_size for file in edit.files),
        "tensors": list(edit.cuts),
        "left": {name: round(share, 9) for name, share in residual.items()},
        "most_left": max(residual.values()),
        "strengths": [min(strengths), max(strengths)],
    }


def fingerprint(asked: Order) -> str:
    """Of everything that the new bytes depend on."""
    files = files_of(asked.model.path) if asked.model.path.is_dir() else parts_of(asked.model.path)
    stamps = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    told = [stamps, asked.wishes.arguments(), hashlib.sha256(asked.direction.path.read_bytes()).hexdigest()]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
