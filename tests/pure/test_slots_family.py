"""Requests with one prompt that come together."""

from __future__ import annotations

import asyncio

import pytest

from fabula.engine.cache.family import Families
from fabula.engine.cache.shelf import State

PROMPT = (1, 2, 3)
STATE = State(fingerprint="model", owner="local", chat="", trace=PROMPT)


async def test_the_others_wait_until_the_first_has_read() -> None:
    gone: list[State] = []
    families = Families(gone.append)
    order: list[str] = []

    async def first() -> None:
        async with families.member(PROMPT, 3) as family:
            assert family
            await asyncio.sleep(0)
            order.append("read")
            family.state = STATE
            family.read.set()
            await asyncio.sleep(0)

    async def other() -> None:
        async with families.member(PROMPT, 3) as family:
            assert family is None
            order.append("written")

    await asyncio.gather(first(), other(), other())
    assert order == ["read", "written", "written"]
    assert gone == [STATE]


async def test_nobody_waits_for_a_first_that_failed() -> None:
    families = Families(lambda state: None)

    async def first() -> None:
        async with families.member(PROMPT, 2):
            await asyncio.sleep(0)
            raise ValueError("the engine died")

    async def other() -> bool:
        async with families.member(PROMPT, 2):
            return True

    failed, done = await asyncio.gather(first(), other(), return_exceptions=True)
    assert isinstance(failed, ValueError)
    assert done is True


async def test_other_prompts_are_other_families() -> None:
    families = Families(lambda state: None)
    async with families.member((1,), 2) as one, families.member((2,), 2) as two:
        assert one
        assert two
        assert one is not two


async def test_those_who_do_not_come_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fabula.engine.cache.family.STRAGGLERS_S", 0.01)
    gone: list[State] = []
    families = Families(gone.append)
    async with families.member(PROMPT, 4) as family:
        assert family
        family.state = STATE
    while not gone:
        await asyncio.sleep(0.01)
    async with families.member(PROMPT, 4) as again:
        assert again
        assert again is not family
