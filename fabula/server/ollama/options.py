"""Ollama's `options` and `PARAMETER`s as our sampling and load options. Knows no route.

Source: Ollama's docs (modelfile, api) and its client's `Options`. What only its own engine knows (`num_keep`,
`numa` …) is told as ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.load import LoadOptions
from fabula.core.loose import is_number
from fabula.core.sampling import Sampling
from fabula.core.texts import phrase
from fabula.server.asking import named

ALIASES = {
    "num_predict": "max_tokens",
    "repeat_penalty": "repetition_penalty",
    "repeat_last_n": "repetition_window",
    "tfs_z": "tfs",
    "top_logprobs": "logprobs",
}
LOADS = {
    "num_ctx": "context",
    "num_batch": "batch",
    "num_gpu": "gpu_layers",
    "num_thread": "threads",
    "main_gpu": "main_gpu",
    "use_mmap": "mmap",
    "use_mlock": "mlock",
}
OURS_TO_CHOOSE = {"num_thread": 0, "num_gpu": -1, "num_ctx": 0, "num_batch": 0}
"""Values with which Ollama too decides by itself."""


@dataclass(frozen=True, slots=True)
class Read:
    """`sampling` are loose values under our names, None for no limit and for a random seed; `unheard` the
    options that nothing here listens to."""

    sampling: dict[str, Any]
    load: dict[str, Any]
    unheard: tuple[str, ...]

    def checked(self) -> tuple[dict[str, Any], LoadOptions]:
        """Values of the sampling with their types, and the load. Raises BadParameter."""
        said = {name: value for name, value in self.sampling.items() if value is not None}
        made = Sampling.of(said)
        return {name: getattr(made, name) for name in said}, LoadOptions.of(self.load)


def read(options: Mapping[str, Any]) -> Read:
    """Raises BadParameter."""
    overruled: list[str] = []
    sampling = named(options, ALIASES, special=SPECIAL, overruled=overruled)
    load = {
        ours: value
        for theirs, ours in LOADS.items()
        if (value := options.get(theirs)) is not None and value != OURS_TO_CHOOSE.get(theirs, ...)
    }
    known = {*ALIASES, *LOADS, *sampling}
    unheard = (name for name, value in options.items() if name not in known and value is not None)
    return Read(sampling, load, (*overruled, *unheard))


def _limit(value: Any) -> Any:
    """−1 is no limit, −2 until the context is full: here both end with the context."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return None if is_number and value <= 0 else value


def _at_least_zero(value: Any) -> Any:
    """Negative numbers are "off" there, as 0 is here."""
    return max(value, 0) if is_number(value) else value


SPECIAL = {"max_tokens": _limit, "top_k": _at_least_zero}


def typed(rows: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Parameters of a Modelfile, which are texts: numbers and truths as such, `stop` as a list.

    Raises BadParameter for a name without a value.
    """
    values: dict[str, Any] = {}
    for name, text in rows:
        if not text:
            raise BadParameter(name, "", phrase("expected.some_text"))
        if name == "stop":
            values.setdefault("stop", []).append(text)
        else:
            values[name] = _value(text)
    return values


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def lines(parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of each, as a Modelfile has them; a list has one line per item."""
    return [
        (name, f'"{item}"' if isinstance(item, str) else str(item).lower())
        for name, value in parameters.items()
        for item in (value if isinstance(value, list | tuple) else [value])
    ]
