"""Who asks, in which chat, and what for. Carried by every request from the first day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LOCAL_OWNER = "local"
"""The owner of everything in a home that one person uses on loopback."""

Purpose = Literal["chat", "generate", "title", "summary", "warm_up"]


@dataclass(frozen=True, slots=True)
class Caller:
    """The person or program that asks. `language` is one of `texts.LANGUAGES`."""

    owner_id: str = LOCAL_OWNER
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Context:
    """`siblings` requests with this prompt come together: an engine may read it once for all of them."""

    caller: Caller = Caller()
    chat_id: str = ""
    purpose: Purpose = "generate"
    siblings: int = 1


ANYONE = Context()
