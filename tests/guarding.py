"""What tests of the guard share: the written cases, and a reader that sees what a stream shows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabula.core.errors import Blocked
from fabula.core.messages import Message
from fabula.core.request import Context
from fabula.guard.floor import FloorGuard
from fabula.guard.policy import OpenPolicy

CASES = Path(__file__).parent / "pure" / "guard_cases"
GUARD = FloorGuard(OpenPolicy())
CONTEXT = Context()


@dataclass(frozen=True)
class Case:
    id: str
    language: str
    category: str
    expect: str
    messages: tuple[Message, ...]
    reply: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> Case:
        messages = tuple(Message(role=said["role"], text=said["text"]) for said in row.pop("messages"))
        return cls(messages=messages, **row)


def cases(half: str) -> list[Case]:
    lines = (CASES / f"{half}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Case.of(json.loads(line)) for line in lines]


def say(*texts: str, system: str = "") -> tuple[Message, ...]:
    """A conversation that the user begins, perhaps with a system prompt before it."""
    head = [Message(role="system", text=system)] if system else []
    roles = ("user", "assistant")
    return (*head, *(Message(role=roles[turn % 2], text=text) for turn, text in enumerate(texts)))


def shown(pieces: Iterable[str], messages: Sequence[Message] = ()) -> tuple[str, bool]:
    """What a reader sees of a reply that comes in pieces, and whether it was blocked."""
    watch, seen = GUARD.watch(messages, CONTEXT), ""
    try:
        for piece in pieces:
            seen += watch.feed(piece)
        return seen + watch.finish(), False
    except Blocked:
        return seen, True


def refuses(messages: Sequence[Message]) -> bool:
    try:
        GUARD.judge(messages, CONTEXT)
    except Blocked:
        return True
    return False


def decide(case: Case) -> str:
    """ "block" when the request or its reply is refused."""
    if refuses(case.messages):
        return "block"
    return "block" if case.reply and shown([case.reply], case.messages)[1] else "pass"
