"""Vectors of texts for a chat's memory: from a model that embeds, else from the inside of the starter model.

Knows no table. A model that writes was not trained for this: the mean of what one of its layers makes of a
text is a weak measure of likeness, and is said to be.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fabula.core.errors import CannotEmbed
from fabula.core.model import LocalModel
from fabula.core.scoring import Captures
from fabula.core.worker import Prompt
from fabula.engine.beside import Beside
from fabula.engine.measures import Measures

DEPTH = 0.6  # of a model's layers: later ones say more of the next token than of the text
AT_ONCE = 64  # texts of one request


@dataclass(frozen=True, slots=True)
class Embedder:
    """A model that makes vectors. `weak`: it was not made for it."""

    model: str
    weak: bool

    @property
    def key(self) -> str:
        """Vectors of the same key can be compared."""
        return f"{self.model} inside" if self.weak else self.model


class Embeds(Protocol):
    def chosen(self, named: str) -> Embedder:
        """The embedder of a name, or of "" the best there is. Raises ModelNotFound or CannotEmbed."""
        ...

    async def vectors(self, embedder: Embedder, texts: Sequence[str]) -> list[Sequence[float]]: ...


class ModelEmbeds:
    """`find` gives the model of a name, `fallback` names the one whose inside is taken."""

    def __init__(
        self, measures: Measures, beside: Beside, find: Callable[[str], LocalModel], fallback: str
    ) -> None:
        self._measures, self._beside, self._find, self._fallback = measures, beside, find, fallback

    def chosen(self, named: str) -> Embedder:
        if named:
            model = self._find(named)
            return Embedder(model.name, weak=not model.pooling)
        try:
            return Embedder(self._find(self._measures.embedder()).name, weak=False)
        except CannotEmbed:
            return Embedder(self._find(self._fallback).name, weak=True)

    async def vectors(self, embedder: Embedder, texts: Sequence[str]) -> list[Sequence[float]]:
        """Raises DirectUnavailable, NoRoomBeside, CannotEmbed or ContextExceeded."""
        found: list[Sequence[float]] = []
        for start in range(0, len(texts), AT_ONCE):
            some = texts[start : start + AT_ONCE]
            found += await (self._inside(embedder, some) if embedder.weak else self._embedded(embedder, some))
        return found

    async def _embedded(self, embedder: Embedder, texts: Sequence[str]) -> list[Sequence[float]]:
        made = await self._measures.embed(self._find(embedder.model), texts)
        return list(made.vectors)

    async def _inside(self, embedder: Embedder, texts: Sequence[str]) -> list[Sequence[float]]:
        """In a copy of the model, so that what the model has read of chats stays read."""
        layer = f"l_out-{int(self._find(embedder.model).layers * DEPTH)}"
        found: list[Sequence[float]] = []
        async with self._beside.exact(embedder.model) as worker:
            if not isinstance(worker, Captures):
                raise CannotEmbed(embedder.model, "–")
            for text in texts:
                captured = await worker.capture(Prompt((text,)), [layer], "mean")
                found.append(array("f", captured[layer].data))
        return found
