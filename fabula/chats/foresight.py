"""What may come next in a chat, and what settings make of it. The engine is asked once for each state of a
chat; another setting costs it nothing. Knows no HTTP and no engine."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fabula.chats.book import Chats
from fabula.chats.records import Chat
from fabula.chats.replies import Replies
from fabula.core.request import Caller
from fabula.core.sampling import Sampling
from fabula.core.scoring import Outlook
from fabula.engine.presets.shelf import Presets
from fabula.turn.request import TurnRequest
from fabula.turn.stream import Turns

if TYPE_CHECKING:
    from fabula.engine.sampling.picture import Picture

KEPT = 4  # outlooks, each of about a megabyte
COUNT = 12  # bars from either side

At = Literal["start", "end"]
"""Where the reply begins, or where the last one ends and would go on."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """`told` is the share of all probability that the engine told token by token; the rest is estimated."""

    model: str
    picture: Picture
    prompt_tokens: int
    told: float


class Foresight:
    """Remembers what was asked last."""

    def __init__(self, chats: Chats, replies: Replies, turns: Turns, presets: Presets) -> None:
        self._chats, self._replies, self._turns, self._presets = chats, replies, turns, presets
        self._kept: OrderedDict[tuple[Any, ...], Outlook] = OrderedDict()

    async def look(
        self,
        caller: Caller,
        chat_id: str,
        values: Mapping[str, Any] | None = None,
        *,
        at: At = "start",
        fresh: bool = False,
        count: int = COUNT,
    ) -> Foreseen:
        """`values` stand in the place of the chat's own sampling; `fresh` asks the engine again.

        Raises ChatNotFound, BadParameter, PresetNotFound, NoOutlook, and what a turn raises.
        """
        chat = await self._chats.get(caller.owner_id, chat_id)
        sampling = await self._presets.sampling(
            caller.owner_id, chat.sampling if values is None else dict(values)
        )
        model = self._replies.model_of(chat).name
        outlook = await self._outlook(caller, chat, sampling, model, at, fresh=fresh)
        drawn = await asyncio.to_thread(_drawn, outlook, sampling, count)
        told = min(sum(map(math.exp, outlook.logprobs)), 1.0)
        return Foreseen(model, drawn, len(outlook.prompt), told)

    async def _outlook(
        self, caller: Caller, chat: Chat, sampling: Sampling, model: str, at: At, *, fresh: bool
    ) -> Outlook:
        told = (chat.system, chat.character_id, str(chat.persona), str(chat.story))
        shaped = (sampling.adapters, sampling.control_vectors, sampling.think, sampling.max_tokens)
        probed = (sampling.needs_logits, sampling.top_n_sigma > 0)
        key = (caller.owner_id, chat.id, chat.head_id, model, at, *told, *shaped, *probed)
        if fresh or key not in self._kept:
            request = await self._replies.asked_now(caller, chat, goes_on=at == "end")
            self._kept[key] = await self._turns.foresee(_with(request, sampling))
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]


def _with(request: TurnRequest, sampling: Sampling) -> TurnRequest:
    return dataclasses.replace(request, sampling=sampling)


def _drawn(outlook: Outlook, sampling: Sampling, count: int) -> Picture:
    """Beside the event loop: a whole vocabulary takes some milliseconds."""
    from fabula.engine.sampling.picture import picture  # numpy only where a picture is drawn

    return picture(outlook, sampling, count)
