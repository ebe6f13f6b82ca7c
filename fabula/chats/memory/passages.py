"""Texts in parts, and which parts are most like what is asked for. Knows no table and no engine.

Vectors are searched exactly: 10,000 passages take milliseconds. numpy is loaded at the first search.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fabula.chats.memory.records import Passage

if TYPE_CHECKING:
    import numpy as np

LONGEST = 600  # characters of one passage: about 150 tokens of English, and as much as 600 of Chinese
_ENDS = re.compile(r"(?<=[.!?…。！？\n])\s*")


def parts(text: str, longest: int = LONGEST) -> list[str]:
    """Whole sentences together, as many as fit; a sentence that is too long is cut."""
    found: list[str] = []
    for sentence in (piece for piece in _ENDS.split(text) if piece.strip()):
        for start in range(0, len(sentence), longest):
            piece = sentence[start : start + longest].strip()
            if found and len(found[-1]) + len(piece) < longest:
                found[-1] = f"{found[-1]} {piece}"
            elif piece:
                found.append(piece)
    return found


def stretches(text: str, longest: int) -> list[str]:
    """A long text at ends of lines, so that what stands in front of a change stays as it was cut. All of them
    together are the text."""
    found: list[str] = []
    for line in text.splitlines(keepends=True):
        for start in range(0, len(line), longest):
            piece = line[start : start + longest]
            if found and len(found[-1]) + len(piece) <= longest:
                found[-1] += piece
            else:
                found.append(piece)
    return found


def passages(source_id: str, text: str) -> list[Passage]:
    return [Passage(source_id, number, part) for number, part in enumerate(parts(text))]


def packed(vector: Sequence[float]) -> bytes:
    """float32, little-endian, of length 1."""
    import numpy as np

    found: bytes = _unit(np.asarray([vector], dtype="<f4"))[0].astype("<f4").tobytes()
    return found


def nearest(
    asked: bytes, found: Sequence[tuple[Passage, bytes]], count: int, *, centred: bool
) -> list[Passage]:
    """The passages most like what is asked for, best first.

    `centred` takes off what all of them have in common, without which the vectors of a model that was not
    trained for it all point one way (Mu & Viswanath 2018, "All-but-the-Top").
    """
    import numpy as np

    if not found or count <= 0:
        return []
    rows = np.frombuffer(b"".join(vector for _, vector in found), dtype="<f4").reshape(len(found), -1)
    query = np.frombuffer(asked, dtype="<f4")
    if centred and len(found) > 1:
        middle = rows.mean(axis=0)
        rows, query = _unit(rows - middle), _unit((query - middle)[None])[0]
    likeness = rows @ query
    best = np.argsort(-likeness, kind="stable")[:count]
    return [
        Passage(passage.source_id, passage.number, passage.text, float(likeness[place]))
        for place in best
        for passage in [found[place][0]]
    ]


def _unit(rows: np.ndarray) -> np.ndarray:
    import numpy as np

    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths == 0, 1, lengths)
