"""The job kind `quantize`: one model of the shelf becomes another one. Knows home and shelf, no HTTP.

What was written lies in `.quantize` beside the models until it is whole: a job that was cut off, or a new one
that wants the same, goes on there. The shelf sees the new file only when all of it is there.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fabula.core.errors import (
    BadParameter,
    CannotQuantize,
    DirectUnavailable,
    ModelBusy,
    ModelExists,
    NeedsImportance,
    NoDiskSpace,
    QuantizedAlready,
)
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.engine.builds import builds
from fabula.engine.direct.library import Drifted
from fabula.engine.direct.loading import obstacle
from fabula.lab.quantize.importance import Importance, read_importance
from fabula.lab.quantize.mixes import MIXES, Mix, mix_named, name_for
from fabula.lab.quantize.rules import Choice
from fabula.lab.quantize.source import Source, lossy_type, read_source
from fabula.lab.quantize.target import Target, sizes, target
from fabula.models import hardware
from fabula.models.catalog import Catalog
from fabula.models.sources.landing import file_name, land
from fabula.store.files import free_space, require_space, writing
from fabula.store.home import Home
from fabula.store.job_child import Report

WORKSHOP = ".quantize"  # beside the models; its name hides it from the shelf
GGUF = "gguf"
SPARE = 64 << 20  # bytes that stay free: a full disk harms more than this job
PREPARING, PACKING = "lab.quantize.preparing", "lab.quantize.packing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The arguments of the job. "" or 0 = as Fabula chooses; `importance` is a file of this machine."""

    model: str
    type: str
    name: str = ""
    threads: int = 0
    force: bool = False
    importance: str = ""

    def arguments(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Order:
    """A wish that can be fulfilled: everything about it is known but the weights."""

    model: LocalModel
    mix: Mix
    source: Source
    choices: tuple[Choice, ...]
    importance: Importance | None
    file: Path
    was: str  # the type of a source that had lost much already, "" when it had not

    @property
    def name(self) -> str:
        return self.file.stem

    def target(self) -> Target:
        return target(self.source, self.choices, self.mix, self.importance)


# ── asking ──────────────────────────────────────────────────────────────────────────────────────────


def order(model: LocalModel, wishes: Wishes, models: Path) -> Order:
    """Reads headers only. Raises BadParameter, CannotQuantize, QuantizedAlready, NeedsImportance,
    ImportanceUnusable, ModelExists, DirectUnavailable."""
    require_possible(model)
    mix, source = mix_named(wishes.type), read_source(model.path, model.name)
    importance = read_importance(Path(wishes.importance)) if wishes.importance else None
    choices = source.choose(mix, informed=importance is not None)
    if importance:
        for choice in choices:
            importance.require_fit(choice.tensor)
    require_importance(mix, choices, importance)
    was = lossy_type(choices)
    if was and not wishes.force:
        raise QuantizedAlready(model.name, was)
    file = models / file_name(wishes.name or name_for(model.name, mix))
    if file.exists():
        raise ModelExists(file.stem)
    return Order(model, mix, source, tuple(choices), importance, file, was)


def require_possible(model: LocalModel) -> None:
    """Raises BadParameter, CannotQuantize or DirectUnavailable."""
    if model.format != GGUF:
        raise BadParameter("model", model.name, phrase("expected.gguf_model"))
    if model.problem:
        reason = phrase(model.problem, file=model.path.name, name=model.name, size=model.size)
        raise CannotQuantize(model.name, reason)
    if why := obstacle(builds.ours()):
        raise DirectUnavailable(why)


def require_importance(mix: Mix, choices: Sequence[Choice], importance: Importance | None) -> None:
    """Raises NeedsImportance where a tensor of few bits has nothing that says what counts."""
    known = importance.entries if importance else ()
    for choice in choices:
        if choice.changes and choice.needs_importance and choice.tensor.name not in known:
            raise NeedsImportance(mix.name, choice.tensor.name)


def offers(model: LocalModel) -> list[dict[str, Any]]:
    """Every type with the size that the model would have, largest first. Raises as `order`."""
    require_possible(model)
    source = read_source(model.path, model.name)
    rows = [_offer(source, mix) for mix in MIXES.values()]
    return sorted(rows, key=lambda row: (-row["size"], row["type"]))


def _offer(source: Source, mix: Mix) -> dict[str, Any]:
    needs = any(choice.needs_importance for choice in source.choose(mix, informed=False))
    choices = source.choose(mix, informed=needs)
    size, bits = sizes(source, choices)
    return {
        "type": mix.name,
        "size": size,
        "bits": round(bits, 3),
        "needs_importance": needs,
        "narrow": sum(choice.narrow for choice in choices),
        "from_quantized": lossy_type(choices),
    }


# ── doing ───────────────────────────────────────────────────────────────────────────────────────────


def run(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Raises as `order` does, NoDiskSpace, ModelBusy, or the job's own Cancelled."""
    wishes, began = Wishes(**arguments), time.monotonic()
    asked = order(Catalog(home.models).find(wishes.model), wishes, home.models)
    workshop = home.models / WORKSHOP
    with writing(workshop):
        workshop.mkdir(exist_ok=True)
    with _alone(workshop, asked.name):
        result = make(asked, workshop, wishes.threads or hardware.machine().physical_cores, report)
    return result | {"seconds": round(time.monotonic() - began, 1)}


@contextmanager
def _alone(workshop: Path, name: str) -> Iterator[None]:
    lock = FileLock(workshop / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as taken:
        raise ModelBusy(name) from taken
    try:
        yield
    finally:
        lock.release()


def make(asked: Order, workshop: Path, threads: int, report: Report) -> dict[str, Any]:
    """The file, put onto the shelf; answers what it is."""
    from fabula.lab.quantize.kernels import Kernels
    from fabula.lab.quantize.work import Ledger, Work

    made = asked.target()
    part, note = workshop / f"{asked.name}.part", workshop / f"{asked.name}.json"
    ledger = Ledger.read(note, fingerprint(asked, made))
    if not part.exists():
        ledger.done = 0
    if not ledger.done:  # else the rate would begin with what was done long ago
        report.progress(0, asked.source.size, "bytes", PREPARING)
    _require_room(part, made.size)
    try:
        work = Work(asked.source, made, Kernels(), asked.importance)
    except Drifted as drift:
        raise DirectUnavailable(phrase("engine.direct.drifted", detail=f"{drift}")) from drift
    with _full_disk(workshop, made.size):
        work.write(part, ledger, threads, lambda done, total: _tell(report, done, total))
        _land(part, asked.file)
    note.unlink(missing_ok=True)
    return described(asked, made)


def _tell(report: Report, done: int, total: int) -> None:
    report.check()
    report.progress(done, total, "bytes", PACKING)


def _land(part: Path, file: Path) -> None:
    if file.exists():  # made by someone else meanwhile
        raise ModelExists(file.stem)
    part.chmod(0o644)
    land(part, file)


def _require_room(part: Path, size: int) -> None:
    """What an earlier run wrote is there already."""
    written = part.stat().st_blocks * 512 if part.exists() else 0
    require_space(part.parent, size - written + SPARE)


@contextmanager
def _full_disk(folder: Path, needed: int) -> Iterator[None]:
    """A disk that fills up is told with the bytes that are missing; what was written can be gone on with."""
    with writing(folder):
        try:
            yield
        except OSError:
            if free_space(folder) < SPARE // 64:
                raise NoDiskSpace(needed, free_space(folder), str(folder)) from None
            raise


def fingerprint(asked: Order, made: Target) -> str:
    """Of everything that the bytes of the new file depend on."""
    files = [header.path for header in asked.source.headers]
    files += [asked.importance.path] if asked.importance else []
    stamps = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    told = json.dumps([asked.mix.name, builds.ours().version, made.size, stamps])
    return hashlib.sha256(told.encode() + made.head).hexdigest()


def described(asked: Order, made: Target) -> dict[str, Any]:
    """The result of the job. Sizes are bytes of weights, `file_size` that of the whole file."""
    size, bits = sizes(asked.source, asked.choices)
    return {
        "name": asked.name,
        "type": asked.mix.name,
        "source": asked.model.name,
        "file_size": made.size,
        "size": size,
        "bits": round(bits, 3),
        "source_size": asked.source.size,
        "source_bits": round(8 * asked.source.size / asked.source.elements, 3),
        "types": made.types,
        "narrow": sum(choice.narrow for choice in asked.choices),
        "from_quantized": asked.was,
        "importance": asked.importance.path.name if asked.importance else "",
    }
