"""Answers that are being written, so that their reasoning can be ended. Knows no engine.

Source: llama.cpp's server, POST /v1/chat/completions/control.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

from fabula.core.errors import BadParameter
from fabula.core.texts import phrase
from fabula.server.bodies import get
from fabula.turn.request import Hurry

END = "reasoning_end"


class Running:
    """By the owner and the id of the answer. A turn holds its own `Hurry`: when it ends, it is forgotten."""

    def __init__(self) -> None:
        self._hurries: WeakValueDictionary[tuple[str, str], Hurry] = WeakValueDictionary()

    def begin(self, owner_id: str, id: str) -> Hurry:
        hurry = Hurry()
        self._hurries[owner_id, id] = hurry
        return hurry

    def control(self, owner_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer: whether there is such a stream. Raises BadParameter."""
        id, action = get(body, "id", str, ""), get(body, "action", str, "")
        if not id:
            raise BadParameter("id", "", phrase("expected.given"))
        if action != END:
            raise BadParameter("action", action[:80], phrase("expected.one_of", names=END))
        hurry = self._hurries.get((owner_id, id))
        if hurry:
            hurry.ask()
        return {"id": id, "action": action, "success": hurry is not None}
