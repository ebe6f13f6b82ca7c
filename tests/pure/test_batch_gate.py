"""The gate of batches: as many rows at a time as a model has slots, and none while another is loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from fabula.batches.gate import Gate


@dataclass
class House:
    """What the studio tells of its models."""

    slots: dict[str, int] = field(default_factory=dict)  # of those that are loaded
    loads: list[str] = field(default_factory=list)
    inside: int = 0
    most: int = 0

    def running(self) -> Iterable[Any]:
        return [
            SimpleNamespace(model=name, plan=SimpleNamespace(slots=slots))
            for name, slots in self.slots.items()
        ]

    @property
    def gate(self) -> Gate:
        return Gate(self.running, lambda: self.loads)

    async def row(self, gate: Gate, model: str = "m", steps: int = 3) -> None:
        async with gate.place(model):
            self.inside += 1
            self.most = max(self.most, self.inside)
            for _ in range(steps):
                await asyncio.sleep(0)
            self.inside -= 1


@pytest.mark.parametrize(("slots", "most"), [({"m": 3}, 3), ({}, 1), ({"other": 8}, 1), ({"m": 0}, 1)])
async def test_no_more_rows_are_inside_than_the_model_has_slots(slots: dict[str, int], most: int) -> None:
    house = House(slots)
    gate = house.gate
    await asyncio.gather(*(house.row(gate) for _ in range(20)))
    assert (house.most, house.inside) == (most, 0)


async def test_the_first_row_loads_the_model_and_then_its_slots_are_used() -> None:
    house = House()
    gate = house.gate
    rows = [asyncio.create_task(house.row(gate)) for _ in range(10)]
    await asyncio.sleep(0)
    house.slots["m"] = 4
    await asyncio.gather(*rows)
    assert house.most == 4


async def test_rows_of_one_model_do_not_wait_for_those_of_another() -> None:
    house = House({"m": 1, "n": 1})
    gate = house.gate
    await asyncio.gather(*(house.row(gate, model) for model in ("m", "n")))
    assert house.most == 2


async def test_whoever_gives_up_takes_no_place_from_the_others() -> None:
    house = House({"m": 1})
    gate = house.gate
    rows = [asyncio.create_task(house.row(gate)) for _ in range(9)]
    await asyncio.sleep(0)
    for row in rows[0:9:2]:  # the one inside, and some who wait
        row.cancel()
    done = await asyncio.gather(*rows, return_exceptions=True)
    assert [isinstance(end, asyncio.CancelledError) for end in done] == [
        number % 2 == 0 for number in range(9)
    ]
    house.inside = 0
    await house.row(gate)


async def test_no_row_begins_while_another_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fabula.batches.gate.LOOK_S", 0)
    house = House({"m": 2}, loads=["other"])
    gate = house.gate
    row = asyncio.create_task(house.row(gate))
    for _ in range(50):
        await asyncio.sleep(0)
    assert house.most == 0
    house.loads[:] = ["m"]
    await row
    assert house.most == 1
