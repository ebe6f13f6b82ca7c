"""What else would miss a model's file, before it is removed. Knows no screen."""

from __future__ import annotations

from collections.abc import Sequence

from fabula.core.model import LocalModel
from fabula.core.texts import Phrase, phrase
from fabula.models.verifying import files_of


def uses(model: LocalModel, models: Sequence[LocalModel], default: str = "") -> list[Phrase]:
    """Reasons to think twice: it is the default, others see through it, other names share its bytes."""
    if model.elsewhere:
        return []
    found = [phrase("models.uses.default")] if model.name == default else []
    if model.place:
        found.append(phrase("models.uses.place", program=model.place))
    same = (other for other in models if other.place and other.path == model.path)
    twins = [other.name for other in same if other.name != model.name]
    if twins:
        found.append(phrase("models.uses.same_file", names=", ".join(twins)))
    seeing = [other.name for other in models if other.projector and other.projector == str(model.path)]
    if seeing:
        found.append(phrase("models.uses.projector", names=", ".join(seeing)))
    for file in files_of(model):
        if file.is_symlink():
            found.append(phrase("models.uses.link", file=file.name, target=str(file.resolve())))
        elif file.is_file() and (names := file.stat().st_nlink) > 1:
            found.append(phrase("models.uses.names", file=file.name, count=names - 1))
    return found
