"""Which adapters are attached to which model, as the load options say. Knows no engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fabula.core.errors import AdapterNotFound
from fabula.core.load import LoadOptions
from fabula.core.loose import typed
from fabula.core.model import LocalModel
from fabula.models.adapters.shelf import Adapters, gone


class Attached:
    """`options` are what is set for a model now."""

    def __init__(self, shelf: Adapters, options: Callable[[LocalModel], LoadOptions]) -> None:
        self._shelf, self._options = shelf, options

    def files(self, model: LocalModel, names: Sequence[str]) -> Sequence[Path]:
        """In the order of `names`. Raises AdapterUnfit or AdapterUnusable."""
        try:
            return [self._shelf.fitting(name, model).path for name in names]
        except AdapterNotFound as missing:
            raise gone(missing.name, model) from missing

    def usual(self, model: LocalModel) -> Mapping[str, float]:
        """The scale of each where a request says none."""
        return dict(self._options(model).adapters or ())


def with_one(options: LoadOptions, name: str, scale: float) -> LoadOptions:
    """One attached, or its usual scale changed. Raises BadParameter."""
    ((name, scale),) = typed("adapters", {name: scale}, "")
    return replace(options, adapters=tuple((dict(options.adapters or ()) | {name: scale}).items()))


def without(options: LoadOptions, name: str) -> LoadOptions:
    """One detached; of the last one nothing is left. Raises AdapterNotFound with those that are attached."""
    attached = dict(options.adapters or ())
    if name not in attached:
        raise AdapterNotFound(name, ", ".join(attached) or "–")
    left = tuple(pair for pair in attached.items() if pair[0] != name)
    return replace(options, adapters=left or None)
