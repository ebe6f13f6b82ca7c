"""A request to a derived model as one to the model whose weights it uses. Knows no files and no dialect."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

from fabula.core.messages import Message
from fabula.models.derived import Derived
from fabula.turn.request import TurnRequest
from fabula.turn.seeds import led


def resolved(request: TurnRequest, derived: Derived) -> TurnRequest:
    """With its parameters under the request's own, and with what stands before its conversations."""
    request = led(request, derived.sampling.get("seed"))
    return replace(
        request,
        model=derived.name if derived.is_alone else derived.base,
        sampling=request.sampling.over(dict(derived.sampling)),
        wish=dataclasses.replace(request.wish, options=request.wish.options.over(derived.wishes())),
        messages=_before(request, derived),
        ignored=(*request.ignored, *_unheard(request, derived)),
    )


def _before(request: TurnRequest, derived: Derived) -> tuple[Message, ...]:
    """The system prompt, unless the request has one; then the messages. A story is laid out by itself."""
    said = request.messages
    if not said or request.story:
        return said
    own = [message for message in said[:1] if message.role == "system"]
    told = own or ([Message(role="system", text=derived.system)] if derived.system else [])
    return (*told, *derived.messages, *said[len(own) :])


def _unheard(request: TurnRequest, derived: Derived) -> tuple[str, ...]:
    """What a story has no place for, where it has its own."""
    if not request.story:
        return ()
    parts = (("system", derived.system), ("messages", derived.messages))
    return tuple(f"{derived.name}: {name}" for name, value in parts if value)
