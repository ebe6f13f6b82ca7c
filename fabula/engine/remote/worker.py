"""A model that another server runs, behind the Worker seam. Knows no dialect beyond its interface.

Whatever becomes of the reader, the connection is closed, and the server hears of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Protocol, runtime_checkable

from fabula.core.errors import EngineDied, FabulaError, RemoteModelMissing
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.request import ANYONE, Context
from fabula.core.sampling import SEED_LIMIT, Sampling
from fabula.core.stream import Delta, Finished
from fabula.core.worker import Conversation, Prompt
from fabula.engine.remote.dialects.dialect import Asked, Dialect, there
from fabula.engine.remote.reading import Reader
from fabula.engine.remote.server import Refused

Connect = Callable[[LocalModel], Dialect]
"""A connection to the server of a model, in its dialect."""
Describe = Callable[[LocalModel, Any], LocalModel]

GOODBYE_S = 2.0
MOST_DROPPED = 6
_QUOTED = re.compile(r"[`'\"]([A-Za-z_]+)[`'\"]")
_REFUSALS = (400, 422)


@runtime_checkable
class _Tokens(Protocol):
    """A dialect of a server that tells tokens."""

    async def tokenized(self, prompt: Prompt) -> list[int]: ...
    async def counted(self, texts: Sequence[str]) -> list[int]: ...


@runtime_checkable
class _Spells(Protocol):
    async def spelled(self, ids: Sequence[int]) -> str: ...


class RemoteWorker:
    """Also Converses and Sees; when it is loaded, Counts and Spells where its server tells tokens.

    To load is to ask whether the model is still there; `describe` puts what the server says into the model.
    """

    model: LocalModel
    plan: Plan
    engine = "remote"

    def __init__(self, connect: Connect, describe: Describe = lambda model, offered: model) -> None:
        self._connect, self._describe = connect, describe
        self._dialect: Dialect | None = None
        self._dropped: set[str] = set()  # of our parameters, those that its server refused

    # ── life ────────────────────────────────────────────────────────────────────────────────────────

    async def load(self, model: LocalModel, plan: Plan) -> None:
        self.model, self.plan = model, plan
        dialect = self._dialect = self._connect(model)
        dialect.wanted_context = plan.options.context or 0
        try:
            offered = await dialect.look(there(model).model)
        except Refused as failure:
            raise dialect.refusal(model, failure) from None
        if offered is None:
            raise RemoteModelMissing(there(model).server, there(model).model)
        self.model = self._describe(model, offered)
        self.plan = dataclasses.replace(plan, context=self.model.trained_context or plan.context)
        self.engine = f"{dialect.label} ({there(model).host})"
        if isinstance(dialect, _Tokens):
            self.tokenize, self.count = dialect.tokenized, dialect.counted
        if isinstance(dialect, _Spells):
            self.detokenize = dialect.spelled

    async def close(self) -> None:
        dialect, self._dialect = self._dialect, None
        if dialect:
            await dialect.server.close()

    @property
    def converses(self) -> bool:
        return self._there.converses(self.model)

    @property
    def sees_images(self) -> bool:
        return self._there.sees(self.model)

    @property
    def _there(self) -> Dialect:
        if self._dialect is None:
            raise EngineDied(self.model.name, "it was unloaded")
        return self._dialect

    async def weigh(self, conversation: Conversation) -> int | None:
        return await self._there.weigh(self.model, conversation)

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────

    def honours(self, sampling: Sampling) -> tuple[dict[str, Any], tuple[str, ...]]:
        """What was refused once is told as ignored from then on; the server has its own values for it."""
        used = self._there.effective(self.model, sampling, secrets.randbelow(SEED_LIMIT))
        kept = {name: value for name, value in used.items() if name not in self._dropped}
        dropped = [name for name in sampling.changed() if name in self._dropped]
        return kept, tuple(dict.fromkeys([*self._there.ignored(self.model, sampling), *dropped]))

    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: Context = ANYONE
    ) -> AsyncGenerator[Delta, None]:
        dialect = self._there
        used = dialect.effective(self.model, sampling, secrets.randbelow(SEED_LIMIT))
        asked = await self._asked(prompt, sampling, used)
        reader = dialect.reader(self.model, prompt, sampling)
        complete = False
        try:
            async with AsyncExitStack() as stack:
                pieces = await self._opened(stack, asked, context)
                async for delta in self._deltas(pieces, reader):
                    if isinstance(delta, Finished):
                        complete = True
                        delta = self._told(delta, used, prompt, sampling)
                    yield delta
        except Refused as failure:
            complete = True
            raise dialect.refusal(self.model, failure) from None
        finally:
            if not complete:
                await _leave(dialect, asked, context)

    async def _asked(self, prompt: Prompt, sampling: Sampling, used: dict[str, Any]) -> Asked:
        try:
            return await self._there.ask(self.model, prompt, sampling, used)
        except Refused as failure:
            raise self._there.refusal(self.model, failure) from None

    async def _opened(self, stack: AsyncExitStack, asked: Asked, context: Context) -> AsyncIterator[bytes]:
        """An answer that has begun. Parameters that the server refuses by name are left out, and told."""
        server = self._there.server
        for _ in range(MOST_DROPPED):
            for field in self._fields_of(self._dropped):
                _leave_out(asked.body, field)
            try:
                return await stack.enter_async_context(server.stream(asked.url, asked.body, context.chat_id))
            except Refused as failure:
                names = self._refused_parameters(failure, asked)
                if not names:
                    raise
                self._dropped |= names
        return await stack.enter_async_context(server.stream(asked.url, asked.body, context.chat_id))

    def _refused_parameters(self, failure: Refused, asked: Asked) -> set[str]:
        if failure.status not in _REFUSALS:
            return set()
        error = failure.body.get("error") if isinstance(failure.body, dict) else None
        param = error.get("param") if isinstance(error, dict) else None
        named = {f"{param}".rpartition(".")[2]} | set(_QUOTED.findall(f"{failure}"))
        fields = _fields(asked.body)
        return {ours for theirs, ours in self._there.droppable.items() if theirs in named & fields}

    def _fields_of(self, ours: set[str]) -> set[str]:
        return {theirs for theirs, name in self._there.droppable.items() if name in ours}

    async def _deltas(self, pieces: AsyncIterator[bytes], reader: Reader) -> AsyncIterator[Delta]:
        async for piece in pieces:
            for read in reader.feed(piece):
                for delta in await self._there.completed(self.model, read):
                    yield delta
        for read in reader.finish():
            for delta in await self._there.completed(self.model, read):
                yield delta

    def _told(self, end: Finished, used: dict[str, Any], prompt: Prompt, sampling: Sampling) -> Finished:
        lost = self._there.unheeded(self.model, prompt.conversation) if prompt.conversation else ()
        late = tuple(name for name in sampling.changed() if name in self._dropped)
        settled = self._there.settled(used, end)
        effective = {name: value for name, value in settled.items() if name not in self._dropped}
        return dataclasses.replace(
            end, engine=self.engine, effective=effective, ignored=(*end.ignored, *lost, *late)
        )


async def _leave(dialect: Dialect, asked: Asked, context: Context) -> None:
    """A server that cannot be told any more has nothing to stop."""
    with contextlib.suppress(FabulaError, Refused, RuntimeError, TimeoutError, asyncio.CancelledError):
        await asyncio.wait_for(asyncio.shield(dialect.left(asked, context)), GOODBYE_S)


def _fields(body: dict[str, Any]) -> set[str]:
    nested = body.get("generationConfig")
    return set(body) | (set(nested) if isinstance(nested, dict) else set())


def _leave_out(body: dict[str, Any], field: str) -> None:
    for place in (body, body.get("generationConfig")):
        if isinstance(place, dict):
            place.pop(field, None)
