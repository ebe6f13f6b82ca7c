"""What is loaded with a model, and how many bytes it takes: adapters, a projector, a draft. Knows no engine.

Each is named as it is on the shelf, or is a file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fabula.core.errors import AdapterNotFound, AdapterUnusable, BadParameter, ModelNotFound
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.models.adapters.adapter import Adapter, describe
from fabula.models.fit.plan import plan
from fabula.models.fit.wanted import Beside, Wanted
from fabula.models.formats.identify import identify
from fabula.models.hardware import Machine
from fabula.models.projectors import PROJECTOR, size_of


@dataclass(frozen=True)
class Neighbours:
    """For one shelf of models and one of adapters. A draft is planned for `machine`."""

    shelf: Callable[[str], LocalModel]
    adapter: Callable[[str], Adapter]
    machine: Callable[[], Machine]
    uses_gpus: Callable[[], bool]

    def of(self, model: LocalModel, options: LoadOptions) -> Beside:
        """What is not there counts nothing: its load will tell."""
        return Beside(
            adapters=sum(self._adapter_size(name) for name, _ in options.adapters or ()),
            projector=size_of(model.projector),
            draft=self._draft_size(options),
        )

    def check(self, options: LoadOptions) -> None:
        """Raises AdapterNotFound, AdapterUnusable, ModelNotFound or BadParameter for what is not there."""
        for name, _ in options.adapters or ():
            self._adapter(name)
        if options.draft:
            self._draft(options.draft)

    def _adapter_size(self, name: str) -> int:
        try:
            return self._adapter(name).size
        except (AdapterNotFound, AdapterUnusable):
            return 0

    def _adapter(self, name: str) -> Adapter:
        file = Path(name).expanduser()
        found = describe(file, file.stem) if _is_file(name) else self.adapter(name)
        if found.problem:
            raise AdapterUnusable(found.name, found.problem)
        return found

    def _draft_size(self, options: LoadOptions) -> int:
        """All that a draft takes: it has the context and the slots of the model that it guesses for."""
        if not options.draft:
            return 0
        try:
            draft = self._draft(options.draft)
        except (ModelNotFound, BadParameter):
            return 0
        alike = LoadOptions(context=options.context, slots=options.slots, gpu_layers=options.gpu_layers)
        planned = plan(draft, self.machine(), Wanted.of(alike), gpu=self.uses_gpus())
        return sum(device.total - device.reserve for device in planned.devices)

    def _draft(self, name: str) -> LocalModel:
        draft = identify(Path(name).expanduser()) if _is_file(name) else self.shelf(name)
        if draft.problem:
            raise BadParameter("draft", name, phrase("expected.model_file"))
        return draft


def projector_of(name: str) -> str:
    """The path of a projector's file. Raises BadParameter for what is none."""
    file = Path(name).expanduser()
    if not _is_file(name) or identify(file).problem != PROJECTOR:
        raise BadParameter("mmproj", name, phrase("expected.projector_file"))
    return str(file)


def _is_file(name: str) -> bool:
    return "\0" not in name and Path(name).expanduser().is_file()
