"""The process of llama.cpp's server, which tells at which address it answers. Knows no model, no request."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from pathlib import Path
from typing import Any

import psutil

from fabula.core.texts import Phrase, phrase
from fabula.engine.child_process import ENVIRONMENT, ChildProcess
from fabula.engine.llamacpp import pulse

__all__ = ["ENVIRONMENT", "EngineProcess"]


class EngineProcess(ChildProcess):
    """One running child. `address` is where it answers, `key` what requests must carry."""

    program = Path(__file__).with_name("child.py")

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.address = ("", 0)
        self._engine_pid = 0  # where the child is only the one that started the engine
        self.key = secrets.token_urlsafe(32)
        self.open = 0  # requests that wait for it or read what it says
        self._watch: asyncio.Task[None] | None = None
        self._silent_s = 0.0  # after which it was ended

    @property
    def pid(self) -> int:
        return self._engine_pid or super().pid

    def _tell(self, config: dict[str, Any]) -> None:
        super()._tell(config | {"key": self.key})

    def _understand(self, handshake: dict[str, Any]) -> None:
        super()._understand(handshake)
        host, _, port = handshake["address"].removeprefix("http://").rpartition(":")
        self.address = (host, int(port))
        self._engine_pid = handshake.get("pid", 0)

    # ── one that hangs ──────────────────────────────────────────────────────────────────────────────

    def watch(self) -> None:
        """Ends it where it hangs while a request is open: those who wait would wait for ever."""
        self._watch = asyncio.create_task(self._end_when_lost())

    async def _end_when_lost(self) -> None:
        self._silent_s = await pulse.lost(self.address, self.pid, lambda: self.open > 0)
        with contextlib.suppress(psutil.Error):
            psutil.Process(self.pid).kill()

    async def stop(self) -> None:
        if self._watch:
            self._watch.cancel()
        await super().stop()

    def _cause(self) -> Phrase | str:
        return phrase("reasons.hung", seconds=round(self._silent_s)) if self._silent_s else super()._cause()
