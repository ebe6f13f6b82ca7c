"""There is no room: in memory, on the disk, in the line, within a limit. Knows no sentence."""

from __future__ import annotations

from dataclasses import dataclass

from fabula.core.errors.base import FabulaError


class NoRoom(FabulaError):
    status = 507


@dataclass(eq=False)
class DoesNotFit(NoRoom):
    name: str
    needed: int  # bytes
    available: int  # bytes
    context: int  # tokens


@dataclass(eq=False)
class QueueFull(NoRoom):
    """`seconds` is when it is worth trying again, by how long requests took lately."""

    status = 503
    waiting: int
    seconds: int = 1


@dataclass(eq=False)
class RateLimited(NoRoom):
    """The key `name` may ask for `limit` ("60/min"); after `seconds` there is room again."""

    status = 429
    name: str
    limit: str
    seconds: int


@dataclass(eq=False)
class NoDiskSpace(NoRoom):
    needed: int  # bytes
    free: int  # bytes
    folder: str
