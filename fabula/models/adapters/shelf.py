"""The adapters of one home: list them, find one by name, take one in, remove one. Knows no engine.

They lie in the folder `adapters/`; GGUF adapters that lie among the models are found too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from fabula.core.errors import AdapterNotFound, AdapterUnfit, AdapterUnusable, StoreUnwritable
from fabula.core.model import LocalModel
from fabula.core.texts import Phrase, phrase
from fabula.models.adapters.adapter import Adapter, describe
from fabula.models.adapters.fitting import misfit, shapes_of
from fabula.models.formats.gguf import BadHeader


class Adapters:
    """All adapters below `folder`, and those of `beside`. Safe to use from several threads."""

    def __init__(self, folder: Path, beside: Callable[[], Iterable[Path]] = tuple) -> None:
        self.folder, self._beside = folder, beside
        self._known: dict[Path, tuple[tuple[int, int], Adapter]] = {}
        self._lock = threading.Lock()

    def list(self) -> list[Adapter]:
        """Every adapter, by name. One beside the models whose name is taken gets its folder into its name."""
        own = sorted(path for path in self.folder.glob("*.gguf") if not path.name.startswith("."))
        found: dict[str, Adapter] = {}
        with self._lock:
            for path in (*own, *sorted(self._beside())):
                name = path.stem if path.stem not in found else f"{path.parent.name}/{path.stem}"
                if (adapter := self._look(path, name)) and name not in found:
                    found[name] = adapter
        return sorted(found.values(), key=lambda adapter: adapter.name.lower())

    def find(self, name: str) -> Adapter:
        """Exactly, or in other case. Raises AdapterNotFound."""
        adapters = self.list()
        wanted = name.removesuffix(".gguf")
        for match in (str, str.lower):
            for adapter in adapters:
                if match(adapter.name) == match(wanted):
                    return adapter
        raise AdapterNotFound(name, ", ".join(adapter.name for adapter in adapters) or "–")

    def fitting(self, name: str, model: LocalModel) -> Adapter:
        """The adapter, when it fits the model. Raises AdapterNotFound, AdapterUnusable, AdapterUnfit."""
        adapter = self.find(name)
        if adapter.problem:
            raise AdapterUnusable(adapter.name, adapter.problem)
        if problem := misfit(adapter, model):
            raise AdapterUnfit(adapter.name, model.name, problem)
        return adapter

    def misfits(self, model: LocalModel) -> Sequence[tuple[Adapter, Phrase | None]]:
        """All adapters, and why each does not fit the model; the model's header is read once."""
        adapters = self.list()
        if not adapters:
            return []
        shapes: Mapping[str, tuple[int, ...]] | None
        try:
            shapes = shapes_of(model)
        except BadHeader:
            shapes = None
        return [(adapter, misfit(adapter, model, shapes)) for adapter in adapters]

    def remove(self, name: str) -> Adapter:
        """Deletes the file and answers what was deleted. Raises AdapterNotFound, StoreUnwritable."""
        adapter = self.find(name)
        try:
            adapter.path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnwritable(str(adapter.path), error.strerror or str(error)) from error
        return adapter

    def _look(self, path: Path, name: str) -> Adapter | None:
        """Headers are read once per state of a file."""
        try:
            facts = path.stat()
        except OSError:
            return None
        stamp = (facts.st_size, facts.st_mtime_ns)
        known = self._known.get(path)
        if not known or known[0] != stamp or known[1].name != name:
            known = self._known[path] = (stamp, describe(path, name))
        return known[1]


def gone(name: str, model: LocalModel) -> AdapterUnfit:
    """What is told of an attached adapter whose file is no longer there."""
    return AdapterUnfit(name, model.name, phrase("models.adapter.gone"))
