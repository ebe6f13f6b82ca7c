"""A model as if its weights had another type: what its headers would say. Reads no weights, plans nothing."""

from __future__ import annotations

from dataclasses import replace

from fabula.app.shelf import require_here
from fabula.core.model import LocalModel
from fabula.models.formats.gguf import Header


def retyped(model: LocalModel, type: str) -> tuple[LocalModel, tuple[Header, ...]]:
    """As `fabula quantize` would make it, tensor by tensor.

    Raises RunsElsewhere, BadParameter for an unknown type, CannotQuantize, CannotConvert, DirectUnavailable.
    """
    from fabula.lab.quantize.mixes import mix_named
    from fabula.lab.quantize.source import read_source, require_possible
    from fabula.lab.quantize.target import sizes

    require_here(model)
    require_possible(model)
    mix, source = mix_named(type), read_source(model)
    needs = any(choice.needs_importance for choice in source.choose(mix, informed=False))
    choices = source.choose(mix, informed=needs)
    types = {choice.tensor.name: choice.type for choice in choices}
    headers = tuple(
        replace(header, tensors=tuple(replace(one, type=types[one.name]) for one in header.tensors))
        for header in source.headers
    )
    made = replace(model, quantization=mix.name, size=sizes(source, choices)[0])
    return made, headers
