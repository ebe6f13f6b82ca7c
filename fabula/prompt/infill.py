"""A gap between two texts as a prompt, for models that were trained to fill it. Knows no engine."""

from __future__ import annotations

from collections.abc import Sequence

from fabula.core.worker import Pieces


def gap(before: Pieces, behind: str, tokens: Sequence[int]) -> Pieces:
    """`tokens` stand before the first text, before the second, and where the middle is written.

    The empty text at the start is where the engine puts the model's own first token, if it has one.
    """
    first, second, middle = tokens
    return ("", (first,), *before, (second,), behind, (middle,))
