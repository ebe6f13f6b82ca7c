"""Which build of the engine models are loaded with. Knows builds and the setting, no model."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fabula.app.config import Config
from fabula.engine.builds import builds
from fabula.engine.builds.builds import Build


class Engines:
    def __init__(self, folder: Path, config: Config) -> None:
        self.folder, self._config = folder, config

    @property
    def build(self) -> Build:
        """The build that models are loaded with from now on. Raises BuildMissing."""
        return builds.in_use(self.folder, self._config.now.engine_build)

    async def use(self, name: str) -> None:
        """A kind that is installed, a llama-server's path, "" = Fabula's own; for loads from now on."""
        if name and Path(name).is_absolute():
            from fabula.engine.builds import install

            await asyncio.to_thread(install.adopt, name, self.folder)
        builds.in_use(self.folder, name)
        self._config.change({"engine.build": name or None})

    async def remove(self, name: str) -> None:
        """Raises BuildMissing."""
        from fabula.engine.builds import install

        await asyncio.to_thread(install.remove, name, self.folder)
        if self._config.now.engine_build == name:
            self._config.change({"engine.build": None})

    def require_kind(self, name: str) -> None:
        """Raises BuildUnavailable, before a job is made of it."""
        builds.table(self.folder).kind(name)
