"""The process of llama.cpp's server, which tells at which address it answers. Knows no model, no request."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from fabula.engine.child_process import ENVIRONMENT, ChildProcess

__all__ = ["ENVIRONMENT", "EngineProcess"]


class EngineProcess(ChildProcess):
    """One running child. `address` is where it answers, `key` what requests must carry."""

    program = Path(__file__).with_name("child.py")

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.address = ("", 0)
        self._engine_pid = 0  # where the child is only the one that started the engine
        self.key = secrets.token_urlsafe(32)

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
