"""The LoRA adapters of one loaded model, and how strong each is for one request. Knows no file format.

Every request names all of them: those that a request leaves out the engine sets to 0, or, with an empty list,
to what they were started with. The engine's memory of a prompt holds only for the scales it was read with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.engine.cache.table import Variant


class Attached(Protocol):
    """What is attached to models. `files` raises AdapterUnfit for what is gone or fits no more."""

    def files(self, model: LocalModel, names: Sequence[str]) -> Sequence[Path]: ...
    def usual(self, model: LocalModel) -> Mapping[str, float]: ...


class NothingAttached:
    def files(self, model: LocalModel, names: Sequence[str]) -> Sequence[Path]:
        return ()

    def usual(self, model: LocalModel) -> Mapping[str, float]:
        return {}


@dataclass(frozen=True, slots=True)
class Loras:
    """Adapters by name, in the order in which the engine numbers them.

    `prints` tell their contents; `usual` says how strong each is where a request does not.
    """

    names: tuple[str, ...] = ()
    prints: tuple[str, ...] = ()
    usual: Callable[[], Mapping[str, float]] = dict

    def settle(self, sampling: Sampling) -> Sampling:
        """With the scale of every loaded adapter, so that it holds for the whole request."""
        if not self.names:
            return replace(sampling, adapters=()) if sampling.adapters else sampling
        usual, asked = self.usual(), dict(sampling.adapters)
        scales = ((name, float(asked.get(name, usual.get(name, 0.0)))) for name in self.names)
        return replace(sampling, adapters=tuple(scales))

    def variant(self, settled: Sampling) -> Variant:
        """Equal for requests whose prompts are read alike; plain where no adapter does anything."""
        scales = tuple(scale for _, scale in settled.adapters)
        strong = [f"{print} {scale!r}" for print, scale in zip(self.prints, scales, strict=True) if scale]
        key = hashlib.sha256("\n".join(sorted(strong)).encode()).hexdigest() if strong else ""
        return Variant(key, scales)

    def ignored(self, sampling: Sampling) -> tuple[str, ...]:
        """Adapters that were asked for and are not attached to this model."""
        return tuple(f"adapters.{name}" for name, _ in sampling.adapters if name not in self.names)


def numbered(scales: Sequence[float]) -> dict[str, Any]:
    """The part of a request's body."""
    rows = [{"id": number, "scale": scale} for number, scale in enumerate(scales)]
    return {"lora": rows} if rows else {}
