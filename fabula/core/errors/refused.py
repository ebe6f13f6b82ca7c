"""What is not allowed, or not to whoever asks. Knows no sentence."""

from __future__ import annotations

from dataclasses import dataclass

from fabula.core.errors.base import FabulaError


class Unauthorized(FabulaError):
    status = 401


class KeyMissing(Unauthorized):
    """Whoever is not on this machine shows a key."""


class KeyUnknown(Unauthorized):
    """No key of this studio, or one that was removed; or a session or link that has ended."""


@dataclass(eq=False)
class KeyExpired(Unauthorized):
    name: str


class Forbidden(FabulaError):
    status = 403


@dataclass(eq=False)
class ForeignHost(Forbidden):
    host: str


@dataclass(eq=False)
class ForeignOrigin(Forbidden):
    origin: str


@dataclass(eq=False)
class Blocked(Forbidden):
    """A guard policy refused the text; `policy` names it. The floor, which nobody chose, has own words."""

    policy: str

    @property
    def key(self) -> str:
        return "errors.blocked_floor" if self.policy == "floor" else "errors.blocked"


@dataclass(eq=False)
class ScopeMissing(Forbidden):
    """The key `name` does not allow this; `scope` is what it would have to."""

    name: str
    scope: str


class OnlyHere(Forbidden):
    """Only the person who sits at the studio's own machine does this."""


@dataclass(eq=False)
class NeedsKey(Forbidden):
    """Others would reach the studio at that address, and there is no key yet that keeps them out."""

    host: str


@dataclass(eq=False)
class PicturesForbidden(Forbidden):
    """Nobody has allowed pictures of other hosts there; nothing was asked of `host`."""

    host: str
