"""Who asks, in which chat, and what for. Carried by every request from the first day."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

LOCAL_OWNER = "local"
"""The owner of everything in a home that one person uses on loopback."""

Purpose = Literal["chat", "generate", "title", "summary", "warm_up"]


class Meter(Protocol):
    """Told what a turn has cost, when it has ended."""

    def used(self, model: str, tokens: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """The person or program that asks. `language` is one of `texts.LANGUAGES`, `key` the id of the key that
    was shown, "" where none was needed."""

    owner_id: str = LOCAL_OWNER
    language: str = "en"
    key: str = ""
    meter: Meter | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Context:
    """`siblings` requests with this prompt come together: an engine may read it once for all of them. `front`
    tells programs that use the API apart, as far as they can be; "" = the studio itself."""

    caller: Caller = Caller()
    chat_id: str = ""
    purpose: Purpose = "generate"
    siblings: int = 1
    front: str = ""


ANYONE = Context()
