"""What a turn is asked to do. Knows no dialect's field names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fabula.core.messages import Message
from fabula.core.request import Context
from fabula.core.sampling import Sampling
from fabula.core.worker import Pieces


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """Either `messages` for the model's chat template, or a raw `prompt`.

    `continues` leaves the last message open, so that the model lengthens it. `overflow` says what happens
    to a conversation that is longer than the context: refuse it with the numbers, or cut the oldest messages
    and say how many. `ignored` names parameters that the caller asked for and nobody can honour.
    """

    model: str
    sampling: Sampling = field(default_factory=Sampling)
    context: Context = field(default_factory=Context)
    messages: tuple[Message, ...] = ()
    prompt: Pieces = ()
    continues: bool = False
    overflow: Literal["refuse", "cut"] = "refuse"
    ignored: tuple[str, ...] = ()
