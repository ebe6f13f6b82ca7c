"""Which engine runs a model: the first of the table that can, or the one that a person chose.

The table is data. An engine says of a model, as `identify` described it, why it cannot run it. Knows no
worker and no process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fabula.core.errors import BadParameter
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.texts import Phrase, phrase


@dataclass(frozen=True, slots=True)
class Engine:
    """`obstacle` answers why a model cannot be run, or None."""

    name: str
    obstacle: Callable[[LocalModel], Phrase | None]


@dataclass(frozen=True, slots=True)
class Choice:
    """`reason` says why it is this engine."""

    engine: str
    reason: Phrase


def _gguf_only(model: LocalModel) -> Phrase | None:
    if model.format == "gguf":
        return None
    return phrase("models.engine.wrong_format", engine="llama.cpp", format=model.format)


def _safetensors_only(model: LocalModel) -> Phrase | None:
    if model.format == "safetensors":
        return None
    return phrase("models.engine.wrong_format", engine=TRANSFORMERS, format=model.format)


TRANSFORMERS = "transformers"
ENGINES = (Engine("llama.cpp", _gguf_only), Engine(TRANSFORMERS, _safetensors_only))
"""Best first."""


def choose(model: LocalModel, options: LoadOptions, engines: tuple[Engine, ...] = ENGINES) -> Choice:
    """Raises BadParameter when the chosen engine does not exist or cannot run the model."""
    choice = _choice(model, options, engines)
    if options.quantize and choice.engine != TRANSFORMERS:
        raise BadParameter("quantize", options.quantize, phrase("expected.safetensors"))
    return choice


def _choice(model: LocalModel, options: LoadOptions, engines: tuple[Engine, ...]) -> Choice:
    if options.engine is not None:
        return _chosen(options.engine, model, engines)
    able = [engine for engine in engines if engine.obstacle(model) is None]
    if not able:
        known = ", ".join(engine.name for engine in engines)
        raise BadParameter("engine", model.format, phrase("models.engine.none", names=known))
    return Choice(able[0].name, phrase("models.engine.by_format", engine=able[0].name, format=model.format))


def _chosen(name: str, model: LocalModel, engines: tuple[Engine, ...]) -> Choice:
    for engine in engines:
        if engine.name == name:
            if obstacle := engine.obstacle(model):
                raise BadParameter("engine", name, obstacle)
            return Choice(name, phrase("models.engine.chosen", engine=name))
    known = ", ".join(engine.name for engine in engines)
    raise BadParameter("engine", name, phrase("expected.one_of", names=known))
