"""When a model's exact copy is loaded beside the one that serves chats, and when not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fabula.core.errors import DirectUnavailable, NoRoomBeside
from fabula.core.load import NO_WISH, LoadOptions, Wish
from fabula.core.plan import DevicePlan, Held, Plan
from fabula.core.texts import Phrase, phrase
from fabula.core.worker import Running
from fabula.engine.beside import REFERENCE, Beside
from fabula.engine.builds.builds import Build
from fabula.engine.direct.loading import obstacle

GB = 1 << 30


class Line:
    """Stands for the supervisor: keeps what places were asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, LoadOptions]] = []
        self.worker = object()

    @asynccontextmanager
    async def place(self, model: str, wish: Wish = NO_WISH) -> AsyncIterator[Line]:
        self.asked.append((model, wish.options))
        yield self

    async def steps(self) -> AsyncIterator[object]:
        for step in ():
            yield step


def plan(name: str, needed: int, free: int = 8 * GB, **options: object) -> Plan:
    device = DevicePlan(name="memory", weights=needed, kv=0, compute=0, available=free)
    verdict = "fits" if needed <= free else "no"
    return Plan(
        model=name,
        tier="rough",
        verdict=verdict,
        devices=(device,),
        context=2048,
        slots=1,
        gpu_layers=0,
        threads=2,
        options=LoadOptions(**options),
    )


class Room:
    """8 GB, of which each copy takes `size`."""

    def __init__(self, size: int, *loaded: Running, why: Phrase | None = None) -> None:
        self.line = Line()
        self.size = size
        self.beside = Beside(self.line, lambda: loaded, self.plan, lambda model: why, self.is_folder)

    def is_folder(self, name: str) -> bool:
        return name == "folder"

    def plan(self, name: str, wished: LoadOptions, held: Held) -> Plan:
        return plan(name, self.size, 8 * GB - held.taken)


def loaded(name: str, size: int = 5 * GB, **options: object) -> Running:
    return Running(name, plan(name, size, **options), 0, 0, 0.0, 0.0, 0)


async def test_a_model_that_nobody_uses_is_loaded_as_its_copy() -> None:
    room = Room(7 * GB)
    async with room.beside.exact("story"):
        assert room.line.asked == [("story@direct", REFERENCE)]


async def test_a_served_model_is_loaded_a_second_time_where_both_fit() -> None:
    room = Room(2 * GB, loaded("story"))
    async with room.beside.exact("story"):
        assert room.line.asked[0][0] == "story@direct"


async def test_if_they_do_not_fit_both_numbers_are_told() -> None:
    room = Room(5 * GB, loaded("story"))
    with pytest.raises(NoRoomBeside) as told:
        async with room.beside.exact("story"):
            pass
    assert (told.value.needed, told.value.available) == (5 * GB, 3 * GB)
    assert room.line.asked == []


async def test_if_it_may_be_swapped_it_is() -> None:
    room = Room(5 * GB, loaded("story"))
    async with room.beside.exact("story", swap=True):
        assert room.line.asked[0][0] == "story@direct"


async def test_a_model_that_is_served_exactly_needs_no_copy() -> None:
    room = Room(5 * GB, loaded("story", exact=True))
    async with room.beside.exact("story"):
        assert room.line.asked == [("story", LoadOptions())]


async def test_a_model_whose_usual_engine_is_exact_needs_none() -> None:
    room = Room(5 * GB, loaded("folder"), why=phrase("engine.direct.windows"))
    async with room.beside.exact("folder"), room.beside.place("folder", Wish(LoadOptions(exact=True))):
        assert room.line.asked == [("folder", LoadOptions())] * 2


async def test_a_copy_that_is_loaded_is_used_again() -> None:
    room = Room(5 * GB, loaded("story"), loaded("story@direct", 2 * GB))
    async with room.beside.exact("story"):
        assert room.line.asked[0][0] == "story@direct"


async def test_what_a_request_wishes_comes_before_the_reference() -> None:
    room = Room(GB)
    async with room.beside.exact("story", Wish(LoadOptions(kv_type="q8_0"))):
        assert room.line.asked[0][1].kv_type == "q8_0"
        assert room.line.asked[0][1].flash_attention == "off"


async def test_a_turn_is_served_as_usual_unless_it_wishes_to_be_exact() -> None:
    room = Room(GB, loaded("story"))
    async with room.beside.place("story"), room.beside.place("story", Wish(LoadOptions(exact=True))):
        assert room.line.asked == [("story", LoadOptions()), ("story@direct", LoadOptions())]


async def test_where_the_engine_cannot_be_called_that_is_told_before_anything_is_loaded() -> None:
    room = Room(GB, why=phrase("engine.direct.windows"))
    with pytest.raises(DirectUnavailable, match="Windows"):
        async with room.beside.exact("story"):
            pass
    assert room.line.asked == []


def test_there_is_no_calling_the_engine_on_windows_or_in_a_server_of_one_s_own() -> None:
    assert obstacle(Build(name=""), "linux") is None
    assert obstacle(Build(name=""), "darwin") is None
    assert "Windows" in str(obstacle(Build(name=""), "win32"))
    assert "/opt/llama-server" in str(obstacle(Build(name="own", program="/opt/llama-server"), "linux"))
