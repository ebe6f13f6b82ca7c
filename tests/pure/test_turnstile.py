"""Requests that arrive together are let in one by one, and others get their turn between them."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

from fabula.server.turnstile import Turnstile


async def nothing(*message: Any) -> Any:
    return None


async def ask(app: Turnstile, method: str) -> None:
    await app({"type": "http", "method": method}, nothing, nothing)


async def test_those_who_come_together_are_let_in_one_per_round_in_their_order() -> None:
    order: list[Any] = []

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        order.append(len(order))

    async def rounds() -> None:
        while order.count("round") < 30:
            order.append("round")
            await asyncio.sleep(0)

    turnstile = Turnstile(inside)
    await asyncio.gather(*(ask(turnstile, "POST") for _ in range(5)), rounds())
    served = [place for place, entry in enumerate(order) if entry != "round"]
    assert len(served) == 5
    assert all("round" in order[before:after] for before, after in pairwise(served))


async def test_who_only_looks_does_not_wait() -> None:
    seen: list[str] = []

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["method"])

    turnstile = Turnstile(inside)
    await asyncio.gather(ask(turnstile, "POST"), ask(turnstile, "POST"), ask(turnstile, "GET"))
    assert seen == ["POST", "GET", "POST"]


async def test_one_who_leaves_while_waiting_holds_up_nobody() -> None:
    seen: list[str] = []

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["method"])

    turnstile = Turnstile(inside)
    first, second, third = (asyncio.create_task(ask(turnstile, "POST")) for _ in range(3))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(first, second, third, return_exceptions=True)
    await ask(turnstile, "POST")
    assert len(seen) == 3
