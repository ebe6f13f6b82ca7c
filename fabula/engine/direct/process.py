"""The direct child as the studio sees it: requests go in, answers come out by their number.

Knows no model and no request's meaning. Its start and its end are those of every engine's child.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from fabula.core.errors import DirectUnavailable
from fabula.core.texts import phrase
from fabula.engine.child_process import READ_BYTES, READY, ChildProcess
from fabula.engine.direct.frames import Frame, Frames, line

PROGRAM = Path(__file__).with_name("child.py")


class DirectProcess(ChildProcess):
    """One running child. `facts` is what it told of its model when it was ready."""

    program = PROGRAM
    facts: dict[str, Any]

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[Frame | None]] = {}

    async def ask(self, do: str, **fields: Any) -> AsyncGenerator[Frame, None]:
        """The answers of one request; the last one has `done` or `error`. Leaving early ends the request.

        Raises EngineDied.
        """
        number = next(self._numbers)
        answers = self._waiting[number] = asyncio.Queue()
        is_over = False
        try:
            await self._send({"id": number, "do": do} | fields)
            while not is_over:
                answer = await answers.get()
                if answer is None:
                    is_over = True
                    raise await self.death()
                is_over = "done" in answer[0] or "error" in answer[0]
                yield answer
        finally:
            del self._waiting[number]
            if not is_over and self.alive:
                await self._send({"id": next(self._numbers), "do": "end", "which": number})

    async def _send(self, said: dict[str, Any]) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(line(said))
            await self._process.stdin.drain()
        except (OSError, RuntimeError) as broken:  # a closed pipe, or one that is being closed
            raise await self.death() from broken

    def _understand(self, handshake: dict[str, Any]) -> None:
        if drift := handshake.get("drifted"):
            raise DirectUnavailable(phrase("engine.direct.drifted", detail=drift))
        super()._understand(handshake)
        self.facts = handshake

    async def _read_stdout(self) -> None:
        """The handshake, then frames; whatever was printed before it is log."""
        assert self._process.stdout
        rest, frames = b"", Frames()
        while data := await self._process.stdout.read(READ_BYTES):
            if self._ready.done():
                self._hand_out(frames.feed(data))
                continue
            rest += data
            while b"\n" in rest and not self._ready.done():
                said, _, rest = rest.partition(b"\n")
                if said.startswith(READY):
                    self._ready.set_result(said.removeprefix(READY))
                else:
                    self._log.add(said)
            if self._ready.done():
                self._hand_out(frames.feed(rest))
        if not self._ready.done():
            self._ready.set_result(b"")
        for answers in self._waiting.values():
            answers.put_nowait(None)

    def _hand_out(self, found: list[Frame]) -> None:
        for head, data in found:
            if answers := self._waiting.get(head["id"]):
                answers.put_nowait((head, data))
