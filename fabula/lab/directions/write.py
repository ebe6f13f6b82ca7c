"""The job kind `direction_write`: a direction is taken out of a model's weights, or added for good, as a new
model.

Folders as Hugging Face keeps models are written shard by shard, GGUF files in their own types: only what is
touched changes. What was written lies in `.directions` beside the models until all of it is there; the shelf
sees the new model only then. Afterwards what is left of the direction, or how near what was added comes to
what was wanted, is measured on the files themselves. The result is kept, so that the same order again finds
what it made.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from filelock import FileLock, Timeout

from fabula.core.errors import BadParameter, ModelExists, TooCoarse
from fabula.core.model import LocalModel
from fabula.core.texts import Phrase, phrase
from fabula.lab.directions import adding, bias_files, cost, cost_streamed, cutting
from fabula.lab.directions import recipe as recipes
from fabula.lab.directions.adding import Made
from fabula.lab.directions.biases import After
from fabula.lab.directions.edit import PART, Edit, Ledger, left
from fabula.lab.directions.folder_engine import FolderEngine
from fabula.lab.directions.saved import Direction, Shelf
from fabula.lab.directions.space import disk_full
from fabula.lab.directions.use import Chosen
from fabula.lab.directions.weights import FolderWeights, GgufWeights, open_weights
from fabula.lab.directions.writers import Writer
from fabula.lab.product import Product, digest, short, stamps
from fabula.lab.quantize.exact import Engine
from fabula.lab.quantize.quality import Pair
from fabula.models.catalog import Catalog
from fabula.models.formats.folders import FORMAT as FOLDER
from fabula.models.formats.folders import TENSORS, files_of
from fabula.models.formats.identify import identify, parts_of
from fabula.models.formats.types import TENSOR_TYPES
from fabula.models.sources.landing import flush, plain_name
from fabula.store.files import require_space, sync_folder, writing
from fabula.store.home import Home
from fabula.store.job_child import Report

KIND = "direction_write"
WORKSHOP = ".directions"  # beside the models; its name hides it from the shelf
SPARE = 64 << 20  # bytes that stay free
LEDGER, READY = "ledger.json", "ready"
RECORDS = ".written"  # of the home's directions: what was made, and its result
LAYOUT = 2  # raise it when the same order cuts its files into other pieces: notes count those
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


Way = Literal["remove", "add"]
ONLY_REMOVED: dict[str, Any] = {
    "attention": True,
    "mlp": True,
    "embeddings": False,
    "keep_norms": False,
    "attention_ramp": None,
    "mlp_ramp": None,
}
"""What says how matrices change, and what it is where nobody says anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing(Chosen):
    """What is written; `name` is the new model's. With `way` add, `strength` is the scale of a control
    vector, and `after` where it is added. `measure` compares the two models afterwards."""

    way: Way = "remove"
    after: After = "layer"
    measure: bool = True
    probes: bool = True  # asked of both, where they are compared

    def __post_init__(self) -> None:
        for name, kind in (("way", Way), ("after", After)):
            if getattr(self, name) not in get_args(kind):
                self._refuse(name, phrase("expected.one_of", names=", ".join(get_args(kind))))
        usual = ONLY_REMOVED if self.adds else {"after": "layer"}
        for name, value in usual.items():
            if getattr(self, name) != value:
                self._refuse(name, phrase(f"lab.directions.add.only_{'removed' if self.adds else 'added'}"))

    def _refuse(self, name: str, expected: Phrase) -> None:
        raise BadParameter(name, f"{getattr(self, name)}"[:80], expected)

    @property
    def adds(self) -> bool:
        return self.way == "add"


@dataclass(frozen=True, slots=True)
class Order:
    """`place` is where the new model will lie: a file, or a folder; `stage` where it is made. `mark` is of
    everything that its bytes depend on; `record` tells afterwards what was made."""

    wishes: Writing
    model: LocalModel
    direction: Direction
    name: str
    mark: str
    place: Path
    stage: Path
    record: Path

    @property
    def whole(self) -> Path:
        """What gets the model's name when all of it is there."""
        ready, names = self.stage / READY, file_names(self)
        return ready / names[0] if len(names) == 1 else ready

    @property
    def product(self) -> Product:
        """What it makes: the stage may be gone before anybody is told, and the model is no stranger."""
        return Product(self.record, (self.place,), self.mark)


def order(home: Home, wishes: Writing) -> Order:
    """All that can be refused is refused. Raises ModelNotFound, DirectionNotFound, DirectionUnfit,
    ModelExists, TooCoarse, UnknownWriter, CannotAdd, WeightsUnusable, BadParameter."""
    model = Catalog(home.models).find(wishes.model)
    direction = Shelf(home.directions).find(wishes.direction)
    direction.require_fit(model)
    between = "-with-" if wishes.adds else "-"
    wanted = wishes.name or f"{model.name.rsplit('/', 1)[-1]}{between}{direction.name}"
    name = short(plain_name(wanted.removesuffix(".gguf")))
    _require_possible(wishes, model, direction)
    is_folder, parts = model.format == FOLDER, parts_of(model.path)
    place = home.models / (name if is_folder or len(parts) > 1 else f"{name}.gguf")
    mark = fingerprint(wishes, model, direction)
    stage = home.models / WORKSHOP / f"{name}.{mark[:12]}"
    record = home.directions / RECORDS / f"{name}.json"
    asked = Order(wishes, model, direction, name, mark, place, stage, record)
    require_free(asked)
    return asked


def _require_possible(wishes: Writing, model: LocalModel, direction: Direction) -> None:
    if wishes.adds:
        with bias_files.opened(model) as numbers:
            adding.planned(numbers, direction, wishes.use, wishes.after)
        return
    with open_weights(model) as weights:
        touched = wishes.use.touched(weights.writers, direction)
        if isinstance(weights, GgufWeights):
            require_fine(model.name, weights, touched)


def require_free(asked: Order) -> None:
    """Raises ModelExists where another model has the name."""
    if asked.place.exists() and not asked.product.is_there:
        raise ModelExists(asked.name)


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
    wishes = Writing.of(arguments)
    with _alone(home, order(home, wishes).name):
        asked = order(home, wishes)  # whoever was at it is done
        if made := asked.product.result:
            made |= {"again": True}
        else:
            asked.product.keep(made := _made(home, asked, report))
        shutil.rmtree(asked.stage, ignore_errors=True)
        return made


@contextlib.contextmanager
def _alone(home: Home, name: str) -> Iterator[None]:
    """Two jobs never write the same model."""
    folder = home.directions / RECORDS
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as taken:
        raise BadParameter("name", name, phrase("expected.other_making")) from taken
    try:
        yield
    finally:
        lock.release()


def _made(home: Home, asked: Order, report: Report) -> dict[str, Any]:
    began = time.monotonic()
    made = written(home, asked, report)
    if asked.wishes.measure:
        report.progress(0, 0, "tokens", "lab.quantize.loading")
        made["measured"] = compared(home, asked, report)
    return made | {"seconds": round(time.monotonic() - began, 1)}


def compared(home: Home, asked: Order, report: Report) -> dict[str, Any]:
    """What it cost; a folder that does not fit into memory is read layer by layer, and asked no probes."""
    pair = Pair(asked.model, Catalog(home.models).find(asked.name))
    engine: FolderEngine | Engine = FolderEngine.of(home) if asked.model.format == FOLDER else Engine.of(home)
    if isinstance(engine, FolderEngine) and not engine.fits(asked.model):
        return cost_streamed.measured(pair, asked.stage / "cost", report)
    return cost.measured(pair, engine, home.models, report, probes=asked.wishes.probes)


def written(home: Home, asked: Order, report: Report) -> dict[str, Any]:
    """The new model on the shelf, and what was done to it. What it was made in is kept until it is compared:
    so a job that is cut off there finds that the model is its own."""
    with writing(asked.stage):
        asked.stage.mkdir(parents=True, exist_ok=True)
    with work(asked) as made:
        if not asked.product.is_there:
            _write(made.edit, asked.stage, Ledger.open(asked.stage / LEDGER, asked.mark), report)
    if not asked.product.is_there:
        _finish(asked, made)
    found = (added if asked.wishes.adds else cut)(asked, made.edit, report)
    recipes.dump(home.directions / f"{asked.name}.written.yaml", KIND, asked.wishes.arguments())
    masks = (asked.product.known or {}).get("masks", [])
    return described(asked, made.edit) | found | {"masks": masks}


@contextlib.contextmanager
def work(asked: Order) -> Iterator[Made]:
    """What is to be done to the files, while the old model is open."""
    if asked.wishes.adds:
        with bias_files.opened(asked.model) as numbers:
            addition = adding.planned(numbers, asked.direction, asked.wishes.use, asked.wishes.after)
            yield numbers.made(addition, file_names(asked))
        return
    with open_weights(asked.model) as weights:
        assert isinstance(weights, (FolderWeights, GgufWeights))
        use, names = asked.wishes.use, file_names(asked)
        yield Made(cutting.edit(asked.model.name, weights, asked.direction, use, names))


def file_names(asked: Order) -> list[str]:
    """Of a GGUF in one file or several; folders keep theirs."""
    count = len(parts_of(asked.model.path)) if asked.model.format != FOLDER else 0
    if count == 1:
        return [asked.place.name]
    return [f"{asked.name}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1)]


def _write(edit: Edit, stage: Path, ledger: Ledger, report: Report) -> None:
    """Raises NoDiskSpace, and leaves what can be gone on with."""
    there = sum(file.stat().st_blocks * 512 for file in stage.rglob("*") if file.is_file())
    require_space(stage, edit.size - there + SPARE)

    def tell(done: int) -> None:
        report.check()
        report.progress(done, edit.size, "bytes", WRITING)

    with disk_full(stage, edit.size):
        edit.run(stage, ledger, tell)


def _finish(asked: Order, made: Made) -> None:
    """The files get their names, and the model its place: at once, and only whole, even if the power fails.
    Raises ModelExists for one that came to lie there meanwhile, NoDiskSpace."""
    with disk_full(asked.stage, made.edit.size):
        ready = asked.stage / READY
        ready.mkdir(exist_ok=True)
        for each in made.edit.files:
            part = asked.stage / f"{each.name}{PART}"
            if part.exists():
                part.chmod(0o644)
                part.replace(ready / each.name)
        if asked.model.format == FOLDER:
            for other in files_of(asked.model.path):
                if other.suffix != TENSORS:
                    shutil.copyfile(other, ready / other.name)
        for name, text in made.texts.items():
            (ready / name).write_bytes(text)
        for path in ready.iterdir():
            with path.open("r+b") as file:
                flush(file)
        sync_folder(ready)
        require_free(asked)
        known = {"masks": Ledger.open(asked.stage / LEDGER, asked.mark).masks}
        (asked.stage / LEDGER).unlink(missing_ok=True)  # of a model that is removed nothing is there any more
        asked.product.land(asked.whole, asked.place, known)


def new_model(asked: Order, edit: Edit) -> LocalModel:
    """What was made, as it lies there."""
    if asked.model.format == FOLDER:
        return replace(asked.model, path=asked.place)
    path = asked.place / edit.files[0].name if asked.place.is_dir() else asked.place
    return replace(identify(path), name=asked.name)


def cut(asked: Order, edit: Edit, report: Report) -> dict[str, Any]:
    """`left` is what is left of the direction in each tensor of the new files, as a share of what was
    there."""
    found: dict[str, float] = {}
    with open_weights(asked.model) as before, open_weights(new_model(asked, edit)) as now:
        for name, share in left(now.read, before.read, edit.cuts):
            report.check()
            found[name] = share
            report.progress(len(found), len(edit.cuts), "tensors", CHECKING)
    strengths = [one.strength for _, one in edit.cuts.values()]
    return {
        "tensors": list(edit.cuts),
        "left": {name: round(share, 9) for name, share in found.items()},
        "most_left": max(found.values()),
        "strengths": [min(strengths), max(strengths)],
    }


def added(asked: Order, edit: Edit, report: Report) -> dict[str, Any]:
    """`added` is by layer how long what the new files add is; `most_off` how far from what was wanted, as a
    share of that; `zeros` counts biases that only came along."""
    wishes, lengths, shares = asked.wishes, {}, []
    with bias_files.opened(asked.model) as before, bias_files.opened(new_model(asked, edit)) as now:
        addition = adding.planned(before, asked.direction, wishes.use, wishes.after)
        for place, length, share in adding.off(addition, before, now):
            report.check()
            lengths[f"{place.layer}"] = round(length, 6)
            shares.append(share)
            report.progress(len(shares), len(addition.steered), "tensors", CHECKING)
    return {
        "after": wishes.after,
        "scale": wishes.strength,
        "tensors": [place.name for place in addition.steered],
        "zeros": len(addition.places.places) - len(shares) + len(addition.places.beside),
        "added": lengths,
        "most_off": round(max(shares), 9),
    }


def made_files(asked: Order, edit: Edit) -> list[Path]:
    """The new files of weights."""
    if asked.place.is_dir():
        return [asked.place / file.name for file in edit.files]
    return [asked.place]


def described(asked: Order, edit: Edit) -> dict[str, Any]:
    """The result of the job, but for what was found in the new files; sizes are bytes of the files of
    weights, after and before."""
    return {
        "name": asked.name,
        "way": asked.wishes.way,
        "source": asked.model.name,
        "direction": asked.direction.name,
        "recipe_hash": recipes.digest(asked.wishes.arguments()),
        "size": sum(file.stat().st_size for file in made_files(asked, edit)),
        "source_size": sum(file.source.stat().st_size for file in edit.files),
    }


def fingerprint(wishes: Writing, model: LocalModel, direction: Direction) -> str:
    """Of everything that the new bytes depend on."""
    told = [
        LAYOUT,
        stamps(model.path),
        wishes.arguments(),
        hashlib.sha256(direction.path.read_bytes()).hexdigest(),
    ]
    return digest(told)
