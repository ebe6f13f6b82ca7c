"""What the lists and the forms find in a sentence. Knows no rule that weighs it."""

from __future__ import annotations

from fabula.guard.categories import HEAT, YOUNG, bits
from fabula.guard.lexicon import Hit, Phrase
from fabula.guard.tokens import Spelled

_VOID = bits("void")
_VOIDABLE = YOUNG | HEAT | bits("later")  # what a void phrase takes away


class Words:
    """What the lists find in a sentence, and the forms; `hot`: no forms but those of what makes sexual.

    What lies within a void phrase is no hit.
    """

    __slots__ = ("_forms", "_has_void", "_hits", "_phrases", "_said", "categories")

    def __init__(self, said: Spelled, *, hot: bool = False):
        self._said = said
        self._hits: list[Hit] | None = None
        self._phrases, light = said.phrases
        self._forms = said.hot_forms if hot else said.forms
        found = 0
        for _, _, categories in self._phrases:
            found |= categories
        for form in self._forms:
            found |= form.categories
        self._has_void = found & _VOID != 0
        if self._has_void:
            found = 0
            for hit in self.hits:
                found |= hit.categories
        self.categories = found | light

    def phrases(self, category: int) -> set[str]:
        """The words of what is found of a category."""
        if self.categories & _VOID:
            return {hit.phrase for hit in self.hits if hit.categories & category}
        atoms = self._said.atoms
        found = {" ".join(atoms[first : last + 1]) for first, last, of in self._phrases if of & category}
        return found | {form.phrase for form in self._forms if form.categories & category}

    @property
    def hits(self) -> list[Hit]:
        """With their places, which few sentences are asked for."""
        if self._hits is None:
            hits = _placed(self._said, self._phrases) if self._phrases else []
            hits = [*hits, *self._forms] if self._forms else hits
            self._hits = _without_void(hits) if self._has_void else hits
        return self._hits


def _placed(said: Spelled, phrases: list[Phrase]) -> list[Hit]:
    atoms, starts = said.atoms, said.starts
    hits: list[Hit] = []
    for first, last, categories in phrases:
        phrase = atoms[first] if last == first else " ".join(atoms[first : last + 1])
        hits.append(Hit(phrase, categories, starts[first], starts[last] + len(atoms[last])))
    return hits


def _without_void(hits: list[Hit]) -> list[Hit]:
    void = [hit for hit in hits if hit.categories & _VOID]
    return [
        hit
        for hit in hits
        if not hit.categories & _VOIDABLE
        or not any(other.start < hit.end and hit.start < other.end for other in void)
    ]
