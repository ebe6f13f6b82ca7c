"""Take a model file from somewhere else on this machine: linked where that is possible, else copied."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from fabula.core.errors import ChecksumMismatch, SourceMissing
from fabula.models.formats.identify import parts_of
from fabula.models.sources import landing
from fabula.models.sources.words import Errand, Meter, Progress, Source


def fetch_file(source: Source, errand: Errand) -> Path:
    """The model in the folder; of a split model the first part. The note of the progress says how it came."""
    origin = Path(source.target).expanduser().resolve()
    parts = parts_of(origin)
    if not all(part.is_file() for part in parts):
        raise SourceMissing(source.text)
    for part in parts:
        landing.check_model(part, source.text)
    if source.sha256:
        _check_original(origin, source.sha256, errand)
    if origin.is_relative_to(errand.folder.resolve()):
        return origin
    with landing.one_at_a_time(errand, hashlib.sha256(str(origin).encode()).hexdigest()[:16]):
        taken = [_take(part, errand) for part in parts]
    return taken[0]


def _check_original(origin: Path, expected: str, errand: Errand) -> None:
    actual = landing.digest_of(origin, errand)
    if actual != expected.lower():
        raise ChecksumMismatch(origin.name, expected.lower(), actual)


def _take(origin: Path, errand: Errand) -> Path:
    target = errand.folder / landing.file_name(origin.name)
    if target.is_file():
        if target.samefile(origin) or _same_content(target, origin, errand):
            return target
        target = landing.free_name(target)
    size = origin.stat().st_size
    try:
        os.link(origin, target)
    except OSError:  # another filesystem, or one without links
        return _copy(origin, target, size, errand)
    errand.progress(Progress(size, size, note="models.fetch.linked"))
    return target


def _same_content(one: Path, other: Path, errand: Errand) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    return landing.digest_of(one, errand) == landing.digest_of(other, errand)


def _copy(origin: Path, target: Path, size: int, errand: Errand) -> Path:
    errand.check_space(size)
    part = errand.workshop / f"{target.name}.part"
    with landing.disk_errors(errand, lambda: size, lambda: part.unlink(missing_ok=True)):
        try:
            meter = Meter(errand, size, "models.fetch.copying")
            with origin.open("rb") as read, part.open("wb") as write:
                while block := read.read(landing.CHUNK):
                    write.write(block)
                    meter.add(len(block))
                landing.flush(write)
            meter.tell()
            return landing.land(part, target)
        finally:
            part.unlink(missing_ok=True)
