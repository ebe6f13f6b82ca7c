"""What is set, now: config.toml under what the command line said. Knows nothing of what the settings do."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fabula.core.load import NOTHING, LoadOptions
from fabula.store import settings
from fabula.store.home import Home
from fabula.store.settings import Settings


class Config:
    """`now` is what holds; `changed` is called after each change has been written."""

    def __init__(self, home: Home, flags: Mapping[str, object], changed: Callable[[], None]) -> None:
        self._home, self._flags, self._changed = home, dict(flags), changed
        self.now: Settings = settings.load(home, self._flags)

    def change(self, changes: Mapping[str, object]) -> None:
        """Raises SettingInvalid."""
        settings.save(self._home, changes)
        self._read()

    def save_model(self, name: str, options: LoadOptions) -> None:
        settings.save_model(self._home, name, options)
        self._read()

    def of_model(self, name: str) -> LoadOptions:
        """What is set for one model alone."""
        return self.now.models.get(name, NOTHING)

    def _read(self) -> None:
        self.now = settings.load(self._home, self._flags)
        self._changed()
