"""The anatomy of a model on this machine, read once per file. Knows no plan."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from fabula.core.model import LocalModel
from fabula.models.fit.anatomy import Anatomy, anatomy
from fabula.models.fit.rough import guess
from fabula.models.formats.gguf import BadHeader, read_header
from fabula.models.formats.identify import parts_of

KEPT = 256  # models

_Stamp = tuple[tuple[int, int], ...]


class _Shelf:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known: OrderedDict[tuple[str, _Stamp], Anatomy] = OrderedDict()


_shelf = _Shelf()


def anatomy_of(model: LocalModel) -> tuple[Anatomy, bool]:
    """The model's anatomy, and whether it was read from its file: False = guessed from its numbers."""
    stamp = _stamp(parts_of(model.path))
    if model.problem or model.format != "gguf" or stamp is None:
        return guess(model), False
    key = (str(model.path), stamp)
    with _shelf.lock:
        if key in _shelf.known:
            _shelf.known.move_to_end(key)
            return _shelf.known[key], True
    try:
        found = anatomy([read_header(part) for part in parts_of(model.path)])
    except BadHeader:
        return guess(model), False
    with _shelf.lock:
        _shelf.known[key] = found
        while len(_shelf.known) > KEPT:
            _shelf.known.popitem(last=False)
    return found, True


def _stamp(parts: list[Path]) -> _Stamp | None:
    """Size and time of change of every file; None when one is missing."""
    try:
        return tuple((status.st_size, status.st_mtime_ns) for status in (part.stat() for part in parts))
    except OSError:
        return None
