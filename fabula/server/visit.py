"""What is noted of one request on its way: who came, with what answer, at what cost. Knows no route."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.types import Scope

if TYPE_CHECKING:  # the database's library takes longer to read than the first page to show
    from fabula.accounts.keys import Key, Keys


VISIT = "fabula.visit"
"""In the scope of a request: its Visit."""
LOCAL = "local"


@dataclass(slots=True)
class Visit:
    """`who` is "local", or the name of a key; "" where nobody was let in or nobody had to be known.

    `came_at` is Unix seconds, `started` the same moment of a clock that only goes forward.
    """

    who: str = ""
    key: Key | None = None
    keys: Keys | None = None
    status: int = 0
    model: str = ""
    tokens: int = 0
    came_at: float = field(default_factory=time.time)
    started: float = field(default_factory=time.perf_counter)

    def used(self, model: str, tokens: int) -> None:
        """What a turn has cost. It may end after the request that began it."""
        self.model = model
        self.tokens += tokens
        if self.key and self.keys:
            self.keys.spend(self.key.id, tokens)


def visit_of(scope: Scope) -> Visit:
    visit: Visit = scope.get(VISIT) or Visit()
    return visit
