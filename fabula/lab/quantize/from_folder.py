"""Folders as Hugging Face keeps models: what they would be as GGUF, and that file. Knows no types.

A plain type (F16 …) is written at once; for others the folder becomes a GGUF with its own numbers first,
which lies in the workshop until the new model is there and measured.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fabula.core.model import LocalModel
from fabula.lab.convert.convert import convert, folder_of, head, size_of
from fabula.models.formats.folders import FORMAT, files_of
from fabula.models.formats.gguf import BadHeader, Header, read_header_from
from fabula.models.formats.identify import identify
from fabula.store.files import require_space
from fabula.store.job_child import Report

CONVERTING = "lab.convert.converting"
SPARE = 64 << 20  # bytes that stay free


def is_folder(model: LocalModel) -> bool:
    return model.format == FORMAT


def virtual_header(model: LocalModel) -> Header:
    """The header that the folder's GGUF would have, without its vocabulary. Raises CannotConvert."""
    source = folder_of(model)
    data = head(source)
    try:
        return read_header_from(io.BytesIO(data), len(data) + size_of(source, ""), model.path)
    except BadHeader as bad:
        raise AssertionError(f"a header of our own cannot be read: {bad}") from bad


def write(model: LocalModel, file: Path, type_: str, report: Report) -> dict[str, Any]:
    """The whole GGUF, or none. Raises what `convert` raises, NoDiskSpace."""
    source, told = folder_of(model), Told(report)
    require_space(file.parent, size_of(source, type_) + SPARE)
    part = file.with_name(f"{file.name}.new")
    report.progress(0, 0, "bytes", CONVERTING)
    try:
        made = convert(source, part, type_, told)
        _sync(part)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return made


class Told:
    """Tells a job where it is, a few times a second."""

    def __init__(self, report: Report) -> None:
        self._report, self._at = report, 0.0

    def __call__(self, done: int, total: int) -> None:
        self._report.check()
        if (now := time.monotonic()) - self._at > 0.1 or done == total:
            self._at = now
            self._report.progress(done, total, "bytes", CONVERTING)


def _sync(file: Path) -> None:
    with file.open("rb+") as handle:
        os.fsync(handle.fileno())


@contextmanager
def as_file(model: LocalModel, place: Path, report: Report) -> Iterator[LocalModel]:
    """The folder as a GGUF beside `place`, under the folder's name; one that a job left there is taken. It
    goes when all is done, and stays when something fails: the next run begins there."""
    stamps = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files_of(model.path)]
    mark = hashlib.sha256(f"{model.path} {stamps}".encode()).hexdigest()[:12]
    file = place.with_name(f"{place.name}.{mark}.source.gguf")
    if not file.exists():
        write(model, file, "", report)
    yield replace(identify(file), name=model.name, title=model.title)
    file.unlink(missing_ok=True)
