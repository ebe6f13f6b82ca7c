"""Conversations for servers with a template of their own: as they are, or without their oldest messages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from asking import plan_for
from hypothesis import given
from hypothesis import strategies as some

from fabula.core.errors import SeesNoImages
from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.worker import Conversation
from fabula.turn.conversing import converses, manner, prompt
from fabula.turn.request import TurnRequest

MODEL = LocalModel(name="far/m", path=Path(), size=0)


@dataclass
class Words:
    """A server that counts words; `weighs` tells whether it does."""

    context: int
    weighs: bool = True
    converses: bool = True
    sees_images: bool = False
    model: LocalModel = MODEL

    @property
    def plan(self) -> Any:
        return plan_for(MODEL, context=self.context)

    async def weigh(self, conversation: Conversation) -> int | None:
        return sum(len(message.text.split()) for message in conversation.messages) if self.weighs else None


def said(*texts: str) -> tuple[Message, ...]:
    roles = ("user", "assistant")
    turns = tuple(Message(role=roles[place % 2], text=text) for place, text in enumerate(texts))
    return (Message(role="system", text="Be kind."), *turns)


async def kept(worker: Any, *texts: str, **request: Any) -> tuple[list[str], int]:
    asked = TurnRequest(model="far/m", messages=said(*texts), overflow="cut", **request)
    made, cut = await prompt(asked, worker, asked.messages)
    assert made.conversation
    return [message.text for message in made.conversation.messages], cut


async def test_what_fits_is_sent_as_it_is() -> None:
    assert await kept(Words(100), "one", "two", "three") == (["Be kind.", "one", "two", "three"], 0)


async def test_the_oldest_go_and_a_person_speaks_first() -> None:
    texts, cut = await kept(Words(60), *(f"turn {number} " + "word " * 8 for number in range(9)))
    assert texts[0] == "Be kind."
    assert texts[1].startswith("turn")
    assert int(texts[1].split()[1]) % 2 == 0
    assert (texts[-1].split()[1], cut > 0) == ("8", True)


async def test_without_a_count_nothing_is_cut() -> None:
    """The server refuses by itself what is too long."""
    texts, cut = await kept(Words(10, weighs=False), *["word " * 50] * 3)
    assert (len(texts), cut) == (4, 0)


@given(some.lists(some.integers(1, 40), min_size=1, max_size=12), some.integers(8, 200))
async def test_the_last_message_and_the_system_prompt_always_stay(sizes: list[int], context: int) -> None:
    texts = [f"{number} " + "w " * size for number, size in enumerate(sizes)]
    found, cut = await kept(Words(context), *texts)
    assert (found[0], found[-1]) == ("Be kind.", texts[-1])
    assert len(found) + cut == len(texts) + 1
    assert found[1:] == texts[len(texts) - len(found) + 1 :]


async def test_images_need_eyes() -> None:
    asked = TurnRequest(model="far/m", messages=(Message(role="user", text="", images=(b"x",)),))
    with pytest.raises(SeesNoImages):
        await prompt(asked, Words(100), asked.messages)  # type: ignore[arg-type]


def test_only_a_worker_that_says_so_converses() -> None:
    assert converses(Words(10))  # type: ignore[arg-type]
    assert not converses(Words(10, converses=False))  # type: ignore[arg-type]


def test_reasoning_of_earlier_replies_goes_only_where_it_is_wanted() -> None:
    messages = (Message(role="assistant", text="4", reasoning="2 and 2"),)
    for keep in (False, True):
        asked = TurnRequest(model="m", messages=messages, sampling=Sampling(keep_reasoning=keep))
        assert bool(manner(asked, MODEL).messages[0].reasoning) is keep
