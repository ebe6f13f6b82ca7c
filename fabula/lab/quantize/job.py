"""The job kind `quantize`: one model of the shelf becomes another one. Knows home and shelf, no HTTP.

Its stages: the importance matrix, where a text for it was named; packing; measuring what that cost.
What was written lies in `.quantize` beside the models until it is whole: a job that was cut off, or a new one
that wants the same, goes on there. The shelf sees the new file only when all of it is there. The result is
kept, so that the same order again finds what it made.
"""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fabula.core.errors import (
    BadParameter,
    DirectUnavailable,
    ModelExists,
    NoDiskSpace,
)
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.engine.builds import builds
from fabula.engine.direct.library import Drifted
from fabula.lab.product import Product, Stamps, digest, stamps
from fabula.lab.quantize.exact import Engine
from fabula.lab.quantize.from_folder import as_file, is_folder, write
from fabula.lab.quantize.ledger import Ledger
from fabula.lab.quantize.ordering import Order, Wishes, order, require_texts
from fabula.lab.quantize.ordering import place as place_of
from fabula.lab.quantize.packing import Packing, is_packing, packing, target_of
from fabula.lab.quantize.packing import run as pack
from fabula.lab.quantize.target import Target, sizes, types_of
from fabula.lab.quantize.texts import read_text
from fabula.models import hardware
from fabula.models.catalog import Catalog
from fabula.models.formats.identify import identify
from fabula.store.files import free_space, require_space, write_atomic, writing
from fabula.store.home import Home
from fabula.store.job_child import Report

MADE = ".quantized.json"
WORKSHOP = ".quantize"  # beside the models; its name hides it from the shelf
RECORDS = "made"  # in the workshop: what was made, and its result
SPARE = 64 << 20  # bytes that stay free: a full disk harms more than this job
PREPARING, PACKING = "lab.quantize.preparing", "lab.quantize.packing"


def ask(home: Home, model: LocalModel, wishes: Wishes) -> str:
    """The type that will be made; all that can be refused is refused. Raises as `order` or `packing` does."""
    anew = not product(home, model, wishes).is_there
    if is_packing(wishes.type):
        return packed(home, model, wishes, anew=anew).method
    return order(model, wishes, home.models, anew=anew).mix.name


def named(home: Home, model: LocalModel, wishes: Wishes) -> str:
    """What the new model will be called."""
    if is_packing(wishes.type):
        return target_of(home, model, wishes.type, wishes.name).name
    return place_of(model, wishes, home.models).stem


def packed(home: Home, model: LocalModel, wishes: Wishes, *, anew: bool) -> Packing:
    require_texts(wishes)
    for name, asked in (("imatrix", wishes.importance), ("split", wishes.part_size)):
        if asked:
            raise BadParameter(name, f"{asked}"[:80], phrase("expected.unheard", beside=wishes.type))
    files = {"learn": wishes.importance_from, "measure": wishes.text}
    texts = {use: read_text(file) for use, file in files.items() if file}
    return packing(home, model, wishes.type, wishes.name, texts, wishes.threads, anew=anew)


def product(home: Home, model: LocalModel, wishes: Wishes) -> Product:
    """What the job makes. The same bytes can be measured in another way later, but for packed ones, which are
    measured while they are made."""
    told, record = wishes.arguments(), f"{named(home, model, wishes)}.json"
    for no_matter in ("threads", "force"):
        told.pop(no_matter)
    measuring = [told.pop(each) for each in ("measure", "probes", "text")] + [_stamps(wishes.text)]
    texts = [_stamps(wishes.importance), _stamps(wishes.importance_from)]
    parts = [told, stamps(model.path), texts, builds.ours().version]
    file = home.models / WORKSHOP / RECORDS / record
    if is_packing(wishes.type):
        place = target_of(home, model, wishes.type, wishes.name)
        return Product(file, (place,), digest([*parts, measuring]))
    place = place_of(model, wishes, home.models)
    return Product(file, (place, place.with_suffix("")), digest(parts), digest(measuring))


def _stamps(file: str) -> Stamps:
    """None of one that cannot be looked at: it is refused where it is read."""
    try:
        return stamps(Path(file)) if file else []
    except (OSError, ValueError):
        return []


# ── doing ───────────────────────────────────────────────────────────────────────────────────────────


def run(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Raises as `ask` does, NoDiskSpace, or the job's own Cancelled."""
    wishes, began = Wishes(**arguments), time.monotonic()
    model = Catalog(home.models).find(wishes.model)
    workshop = home.models / WORKSHOP
    with writing(workshop):
        workshop.mkdir(exist_ok=True)
    with _alone(workshop, name := named(home, model, wishes)):
        _clear_after_kill(workshop, name)
        made = product(home, model, wishes)
        if told := made.result:
            return told | {"again": True}
        result = _packed if is_packing(wishes.type) else _of_folder if is_folder(model) else _of_file
        told = result(home, model, wishes, made, report)
        made.keep(told := told | {"seconds": round(time.monotonic() - began, 1)})
    return told


def _clear_after_kill(workshop: Path, name: str) -> None:
    """Folders for a while, which only a process that was killed leaves."""
    for kind in ("packing", "compare"):
        for folder in workshop.glob(f"{glob.escape(name)}.{kind}-*"):
            shutil.rmtree(folder, ignore_errors=True)


def _packed(home: Home, model: LocalModel, wishes: Wishes, made: Product, report: Report) -> dict[str, Any]:
    asked = packed(home, model, wishes, anew=made.known is None)
    result = made.known or pack(asked, home.models / WORKSHOP, made, report)
    write_atomic(home.models / f"{asked.target.name}{MADE}", as_json(result), 0o644)
    return result


def _of_file(home: Home, model: LocalModel, wishes: Wishes, made: Product, report: Report) -> dict[str, Any]:
    wishes = with_importance(home, model, wishes, report)
    return finished(home, model, wishes, made, report)


def _of_folder(
    home: Home, model: LocalModel, wishes: Wishes, made: Product, report: Report
) -> dict[str, Any]:
    """Through a GGUF with the folder's own numbers, unless a plain type in one file is all that is wanted."""
    asked, workshop = order(model, wishes, home.models, anew=not made.is_there), home.models / WORKSHOP
    if asked.mix.is_plain and not wishes.part_size:
        result = made.known or _plain(asked, workshop, made, report)
        write_atomic(beside(asked.file), as_json(result), 0o644)
        return result
    with as_file(model, workshop / asked.name, report) as source:
        return _of_file(home, source, wishes, made, report)


def _plain(asked: Order, workshop: Path, made: Product, report: Report) -> dict[str, Any]:
    """Converted, and nothing else: there is nothing to compare it with."""
    part = workshop / f"{asked.name}.part"
    with _full_disk(workshop, asked.source.size):
        told = write(asked.model, part, asked.mix.base, report)
        result = described(asked, told["size"], 1) | {"pre": told["pre"]}
        _land(asked, [part], part, asked.file, made, result)
    return result


def with_importance(home: Home, model: LocalModel, wishes: Wishes, report: Report) -> Wishes:
    """The wishes with an importance matrix, computed from a text where one was named."""
    if not wishes.importance_from:
        return wishes
    order(model, wishes, home.models, anew=False)  # refused before hours of reading
    from fabula.lab.quantize import statistics

    told = statistics.Wishes(model=model.name, text=wishes.importance_from)
    asked = statistics.task(model, told, home)
    statistics.compute(asked, Engine.of(home, wishes.threads), report)
    return replace(wishes, importance=str(asked.file), importance_from="")


def finished(home: Home, model: LocalModel, wishes: Wishes, made: Product, report: Report) -> dict[str, Any]:
    """Made, put onto the shelf and measured. A job that was cut off while it measured goes on there."""
    asked = order(model, wishes, home.models, anew=not made.is_there)
    new, workshop = asked.target(), home.models / WORKSHOP
    if not made.is_there:
        make(asked, new, workshop, wishes.threads or hardware.machine().physical_cores, made, report)
    result = described(asked, new.size, len(new.parts))
    if wishes.measure:
        result |= {"measured": measured(home, asked, new, wishes, report)}
    write_atomic(beside(asked.file), as_json(result), 0o644)
    (workshop / f"{asked.name}.json").unlink(missing_ok=True)
    return result


def as_json(result: dict[str, Any]) -> bytes:
    return json.dumps(result, ensure_ascii=False, indent=1).encode()


def beside(file: Path) -> Path:
    """Where the result is kept: beside the model, under its name."""
    return file.with_suffix(MADE)


def measured(home: Home, asked: Order, made: Target, wishes: Wishes, report: Report) -> dict[str, Any]:
    """What it cost: see `quality`."""
    from fabula.evals.probes.bank import chosen
    from fabula.lab.quantize import quality

    file = made.files(asked.place(made))[0]
    pair = quality.Pair(asked.model, dataclasses.replace(identify(file), name=asked.name))
    texts = quality.neutral()
    if wishes.text:
        texts = [quality.Text(Path(wishes.text).name, read_text(wishes.text))]
    report.progress(0, 0, "tokens", "lab.quantize.loading")
    engine, probes = Engine.of(home, wishes.threads), chosen() if wishes.probes else ()
    return quality.run(pair, texts, engine, home.models / WORKSHOP, report, probes)


@contextmanager
def _alone(workshop: Path, name: str) -> Iterator[None]:
    lock = FileLock(workshop / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as taken:
        raise BadParameter("name", name, phrase("expected.other_making")) from taken
    try:
        yield
    finally:
        lock.release()


def make(asked: Order, new: Target, workshop: Path, threads: int, made: Product, report: Report) -> None:
    """The file, put onto the shelf."""
    from fabula.lab.quantize.kernels import Kernels
    from fabula.lab.quantize.work import Work

    part, note = workshop / f"{asked.name}.part", workshop / f"{asked.name}.json"
    ledger = Ledger.read(note, fingerprint(asked, new))
    if not all(file.exists() for file in new.files(part)):
        ledger.done = 0
        _clear(part)  # of other work, in one file or in several
    if not ledger.done:  # else the rate would begin with what was done long ago
        report.progress(0, asked.source.size, "bytes", PREPARING)
    _require_room(new.files(part), new.size)
    try:
        work = Work(asked.source, new, Kernels(), asked.importance)
    except Drifted as drift:
        raise DirectUnavailable(phrase("engine.direct.drifted", detail=f"{drift}")) from drift
    with _full_disk(workshop, new.size):
        work.write(part, ledger, threads, lambda done, total: _tell(report, done, total))
        _land(asked, new.files(part), part, asked.place(new), made)


def _clear(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part)
    part.unlink(missing_ok=True)


def _tell(report: Report, done: int, total: int) -> None:
    report.check()
    report.progress(done, total, "bytes", PACKING)


def _land(
    asked: Order,
    files: Sequence[Path],
    part: Path,
    place: Path,
    made: Product,
    known: dict[str, Any] | None = None,
) -> None:
    """A file, or a folder of parts, appears under its name at once and whole."""
    if asked.taken:  # made by someone else meanwhile
        raise ModelExists(asked.name)
    for file in files:
        file.chmod(0o644)
    made.land(part, place, known)


def _require_room(files: Sequence[Path], size: int) -> None:
    """What an earlier run wrote is there already."""
    written = sum(file.stat().st_blocks * 512 for file in files if file.exists())
    require_space(files[0].parent.parent, size - written + SPARE)


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


def described(asked: Order, file_size: int, files: int) -> dict[str, Any]:
    """The result of the job. Sizes are bytes of weights, `file_size` that of the whole file."""
    size, bits = sizes(asked.source, asked.choices)
    return {
        "name": asked.name,
        "files": files,
        "type": asked.mix.name,
        "source": asked.model.name,
        "file_size": file_size,
        "size": size,
        "bits": round(bits, 3),
        "source_size": asked.source.size,
        "source_bits": round(8 * asked.source.size / asked.source.elements, 3),
        "types": types_of(asked.choices),
        "narrow": sum(choice.narrow for choice in asked.choices),
        "from_quantized": asked.was,
        "importance": asked.importance.path.name if asked.importance else "",
    }
