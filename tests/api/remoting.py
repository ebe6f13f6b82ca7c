"""A remote worker for a stand-in, and what comes of asking it. Knows no dialect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from standing_in import StandIn

from fabula.core.load import LoadOptions
from fabula.core.messages import Message
from fabula.core.request import ANYONE, Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Delta, Finished, Thought, Token
from fabula.core.worker import Conversation, Prompt
from fabula.engine.remote.remotes import Remotes, plan
from fabula.engine.remote.server import Patience
from fabula.engine.remote.worker import RemoteWorker
from fabula.store.home import Home

QUICK = Patience(connect=5, silence=5)


@asynccontextmanager
async def worker_of(
    stand_in: StandIn,
    folder: Path,
    kind: str = "",
    *,
    key: str = "",
    patience: Patience = QUICK,
    **options: Any,
) -> AsyncIterator[RemoteWorker]:
    """The first model of the stand-in, loaded."""
    remotes = Remotes(Home(folder / "home").create(), patience=patience)
    await remotes.add("box", stand_in.url, kind=kind, key=key)
    model = remotes.models()[0]
    worker = remotes.worker(model)
    try:
        await worker.load(model, plan(model, LoadOptions(**options)))
        yield worker
    finally:
        await worker.close()


def talk(*texts: str, **more: Any) -> Prompt:
    """A conversation that begins with what a person says; roles alternate."""
    roles = ("user", "assistant")
    messages = tuple(Message(role=roles[place % 2], text=text) for place, text in enumerate(texts))
    return Prompt((), conversation=Conversation(messages=messages, **more))


async def written(
    worker: RemoteWorker, prompt: Prompt, context: Context = ANYONE, **sampling: Any
) -> tuple[list[Delta], Finished]:
    *deltas, last = [delta async for delta in worker.stream(prompt, Sampling(**sampling), context)]
    assert isinstance(last, Finished)
    return deltas, last


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Token))


def thoughts_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Thought))
