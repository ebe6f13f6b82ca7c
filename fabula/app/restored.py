"""How the last restore ended, for whoever asks the studio that came after it. Knows no file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fabula.core.errors import FabulaError


@dataclass(frozen=True, slots=True)
class Restored:
    """`kept` is the folder of what was replaced; with `failure` nothing was."""

    name: str
    at: float  # Unix seconds
    kept: str = ""
    failure: FabulaError | None = None

    def said(self, language: str) -> dict[str, Any]:
        error = self.failure.sentence(language) if self.failure else ""
        return {"name": self.name, "at": self.at, "kept": self.kept, "error": error}
