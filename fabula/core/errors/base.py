"""The root of all errors that a person can meet. Knows no language: sentences live in `core/texts`."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, ClassVar

from fabula.core import texts
from fabula.core.texts import Phrase


@dataclass(eq=False)
class FabulaError(Exception):
    """Something that is told to the person, with what to do next."""

    status: ClassVar[int] = 500

    @property
    def code(self) -> str:
        """The class name in snake case: `ModelNotFound` → `model_not_found`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def key(self) -> str:
        return f"errors.{self.code}"

    @property
    def fields(self) -> dict[str, Any]:
        """The numbers and names, as JSON can carry them."""
        return {name: str(value) if isinstance(value, Phrase) else value for name, value in self._parts()}

    def sentence(self, language: str = "en") -> str:
        return texts.say(self.key, language, **dict(self._parts()))

    def as_phrase(self) -> Phrase:
        """The sentence as a part of another one."""
        return Phrase(self.key, dict(self._parts()))

    def kept(self) -> dict[str, Any]:
        """As JSON that is stored, and told again later in another language: with the keys of its phrases."""
        told = {"code": self.code, "message": self.sentence(), "fields": self.fields}
        phrases = {name: part.kept() for name, part in self._parts() if isinstance(part, Phrase)}
        return told | ({"phrases": phrases} if phrases else {})

    def _parts(self) -> list[tuple[str, Any]]:
        return [(field.name, getattr(self, field.name)) for field in dataclasses.fields(self)]

    def __str__(self) -> str:
        return self.sentence()
