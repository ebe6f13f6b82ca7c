"""What a turn is asked to do. Knows no dialect's field names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from fabula.core.load import NO_WISH, Wish
from fabula.core.messages import Message, Tool
from fabula.core.request import Context
from fabula.core.sampling import Sampling
from fabula.core.worker import Pieces

if TYPE_CHECKING:
    from fabula.turn.telling import Telling


class Hurry:
    """A wish that comes while a turn runs: answer now, whatever was not thought yet."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self) -> None:
        self.asked = True


class Stop(Hurry):
    """A wish that comes while a turn runs: end now, with what is written so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """Either `messages` for the model's chat template, or a raw `prompt`; with a `suffix`, a model that was
    trained for it fills the gap between the two, and another one leaves the suffix out. What stands around a
    gap, and a prompt that is `literal`, is nothing but text: special tokens spelled out in it are none.
    With `images` no gap is filled.

    `continues` leaves the last message open, so that the model lengthens it. `overflow` says what happens
    to a conversation that is longer than the context: refuse it with the numbers, or cut the oldest messages
    and say how many. Of a raw prompt the beginning is cut, behind its `head`, which stands before it and is
    never cut; `limit` is a context that is shorter than the engine's, 0 = the engine's. `ignored` names
    parameters that the caller asked for and nobody can honour, `unasked` those of the sampling that are not
    the caller's: where they have no effect, nobody is told. `number` is which of several alternatives it is.

    `tools` are shown to the model where its template can; with `tool_choice` "required" it has to call one of
    them, or `only_tool`. `reasoning_format` names a family of think tags where the template does not tell it
    ("none" leaves tags in the text); `variables` are for the template. `hurry` ends reasoning while it runs,
    `stop` the whole reply with its next piece.
    With a `story` the prompt is laid out as one; `messages` are then its own, as the tree has them.
    `images` are those of a raw prompt, one for each `messages.IMAGE` in its texts.
    """

    model: str
    sampling: Sampling = field(default_factory=Sampling)
    context: Context = field(default_factory=Context)
    messages: tuple[Message, ...] = ()
    prompt: Pieces = ()
    images: tuple[bytes, ...] = ()
    suffix: str = ""
    literal: bool = False
    head: str = ""
    limit: int = 0  # tokens of prompt and reply together
    continues: bool = False
    overflow: Literal["refuse", "cut"] = "refuse"
    ignored: tuple[str, ...] = ()
    unasked: frozenset[str] = frozenset()
    number: int = 0
    wish: Wish = NO_WISH
    tools: tuple[Tool, ...] = ()
    tool_choice: Literal["auto", "none", "required"] = "auto"
    only_tool: str = ""
    several_calls: bool = True
    reasoning_format: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    hurry: Hurry = field(default_factory=Hurry)
    stop: Stop = field(default_factory=Stop)
    story: Telling | None = None
    tells_ids: bool = False  # of the prompt, in `Prepared`
