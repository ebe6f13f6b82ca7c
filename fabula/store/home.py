"""The one folder that holds everything Fabula keeps. Knows the names in it, not their contents."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fabula.store.files import writing

FOLDERS = ("models", "adapters", "kv", "media", "jobs", "logs", "journal", "backups")


@dataclass(frozen=True, slots=True)
class Home:
    path: Path

    @classmethod
    def locate(cls, path: Path | None = None) -> Self:
        """The folder that was asked for, else FABULA_HOME, else the system's place for user data."""
        if path is None and (wanted := os.environ.get("FABULA_HOME")):
            path = Path(wanted)
        if path is None:
            import platformdirs

            path = Path(platformdirs.user_data_dir("fabula", appauthor=False))
        return cls(path.expanduser().absolute())

    def create(self) -> Self:
        """Makes the folders that are missing; only this user may look into the home."""
        with writing(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.name == "posix":
                self.path.chmod(0o700)
            for name in FOLDERS:
                (self.path / name).mkdir(exist_ok=True)
        return self

    @property
    def database(self) -> Path:
        return self.path / "fabula.db"

    @property
    def models(self) -> Path:
        return self.path / "models"

    @property
    def adapters(self) -> Path:
        return self.path / "adapters"

    @property
    def vectors(self) -> Path:
        """Control vectors; made with the first one."""
        return self.path / "vectors"

    @property
    def directions(self) -> Path:
        """What was learned from contrasts; made with the first one."""
        return self.path / "directions"

    @property
    def derived(self) -> Path:
        """Models that are another one with settings of their own; made with the first one."""
        return self.path / "derived"

    @property
    def blobs(self) -> Path:
        """Files that a client has sent and no model uses yet; made with the first one."""
        return self.path / "blobs"

    @property
    def kv(self) -> Path:
        return self.path / "kv"

    @property
    def engines(self) -> Path:
        """Builds of the engine that were installed; made when the first one is."""
        return self.path / "engines"

    @property
    def headers(self) -> Path:
        """Headers of models that are not here; made when the first one is read, and only faster to have."""
        return self.path / "headers"

    @property
    def downloads(self) -> Path:
        """The order of downloads that are not finished."""
        return self.path / "downloads.json"

    @property
    def speeds(self) -> Path:
        """Measured rates of this machine; made with the first ones."""
        return self.path / "speeds.json"

    @property
    def catalog(self) -> Path:
        """The person's own list of well-known models; made with its first entry."""
        return self.path / "catalog.json"

    @property
    def media(self) -> Path:
        return self.path / "media"

    @property
    def look(self) -> Path:
        """How the app looks on all devices: choices, style sheet, pictures; made with the first."""
        return self.path / "look"

    @property
    def saves(self) -> Path:
        """Stories that programs which speak KoboldAI's dialect have left here; made with the first one."""
        return self.path / "saves"

    @property
    def thumbnails(self) -> Path:
        """Pictures made small; made with the first one, and only faster to have."""
        return self.path / "thumbnails"

    @property
    def outside(self) -> Path:
        """Pictures of other hosts that were allowed; made with the first one, and only faster to have."""
        return self.path / "outside"

    @property
    def uploads(self) -> Path:
        """Files that programs sent in for batches, and the answers to them; made with the first one."""
        return self.path / "uploads"

    @property
    def jobs(self) -> Path:
        return self.path / "jobs"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def journal(self) -> Path:
        return self.path / "journal"

    @property
    def backups(self) -> Path:
        return self.path / "backups"

    @property
    def config(self) -> Path:
        return self.path / "config.toml"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets.toml"

    @property
    def remotes(self) -> Path:
        """What servers have said of their models; made anew by asking them."""
        return self.path / "remotes.json"

    @property
    def studio(self) -> Path:
        return self.path / "studio.json"

    @property
    def lock(self) -> Path:
        return self.path / "studio.lock"
