"""Where the paths of a chat end, and where each leaves the shown one. PURE: knows no table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

Bone = tuple[str, str, int, float]
"""Of a message that is not deleted: its id, that of the one before, its depth, and when it was written."""
Fork = tuple[str, int]
"""A message of the shown path, and its depth; ("", 0) = none of it."""


class End(NamedTuple):
    """The last message of a path. `own` messages follow `fork_id`, the last that the shown path has too; ""
    where it has none of them."""

    id: str
    depth: int
    created_at: float
    fork_id: str
    own: int


def ends(bones: Sequence[Bone], head_id: str, most: int) -> list[End]:
    """The head, then the newest of the others; what hangs from a deleted message is none."""
    above = {id: parent for id, parent, _, _ in bones}
    shown = set(_way(above, head_id))
    inner = set(above.values()) - {head_id}
    last = [bone for bone in bones if bone[0] not in inner]
    last.sort(key=lambda bone: (bone[0] != head_id, -bone[3], bone[0]))
    found, forks = list[End](), dict[str, Fork | None]()
    for id, _, depth, created in last:
        if len(found) == most:
            break
        if fork := _fork(above, shown, forks, id, depth):
            found.append(End(id, depth, created, fork[0], depth - fork[1]))
    return found


def _way(above: Mapping[str, str], id: str) -> Iterator[str]:
    """A message and those before it."""
    while id in above:
        yield id
        id = above[id]


def _fork(
    above: Mapping[str, str], shown: set[str], forks: dict[str, Fork | None], id: str, depth: int
) -> Fork | None:
    """The last message of the shown path above one, None below a deleted one; kept for the whole way up."""
    way = []
    while id in above and id not in shown and id not in forks:
        way.append(id)
        id = above[id]
    if id in shown or not id:
        forks[id] = id, depth - len(way)
    forks |= dict.fromkeys(way, forks.get(id))
    return forks.get(id)
