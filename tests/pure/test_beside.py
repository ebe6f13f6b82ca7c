"""When a model's exact copy is loaded beside the one that serves chats, and when not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from fabula.core.errors import DirectUnavailable, FabulaError, ModelLoadFailed, NoRoomBeside
from fabula.core.load import NO_WISH, LoadOptions, Wish
from fabula.core.plan import DevicePlan, Held, Plan
from fabula.core.sampling import Sampling
from fabula.core.stream import Exactness
from fabula.core.texts import Phrase, phrase
from fabula.core.worker import Running, TellsExactness
from fabula.engine.beside import REFERENCE, Beside
from fabula.engine.builds.builds import Build
from fabula.engine.direct.loading import obstacle
from fabula.engine.llamacpp.wire import lacks

GB = 1 << 30


class Line:
    """Stands for the supervisor: keeps what places were asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, LoadOptions]] = []
        self.worker = object()
        self.failure: FabulaError | None = None

    @asynccontextmanager
    async def place(self, model: str, wish: Wish = NO_WISH) -> AsyncIterator[Line]:
        self.asked.append((model, wish.options))
        yield self

    async def steps(self) -> AsyncIterator[object]:
        if self.failure and self.asked[-1][0].endswith("@direct"):
            raise self.failure
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
        self.size, self.verdict = size, ""
        self.beside = Beside(
            self.line,
            lambda: loaded,
            self.plan,
            lambda model: why,
            self.is_folder,
            lambda name, wished, sampling: lacks(sampling),
        )

    def is_folder(self, name: str) -> bool:
        return name == "folder"

    def plan(self, name: str, wished: LoadOptions, held: Held) -> Plan:
        made = plan(name, self.size, 8 * GB - held.taken)
        return replace(made, verdict=self.verdict or made.verdict)  # type: ignore[arg-type]


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
    room = Room(5 * GB, loaded("story", exact="always"))
    async with room.beside.exact("story"):
        assert room.line.asked == [("story", LoadOptions())]


async def test_a_model_whose_usual_engine_is_exact_needs_none() -> None:
    room = Room(5 * GB, loaded("folder"), why=phrase("engine.direct.windows"))
    async with room.beside.exact("folder"), room.beside.place("folder", Wish(LoadOptions(exact="always"))):
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
    async with room.beside.place("story"), room.beside.place("story", Wish(LoadOptions(exact="always"))):
        assert room.line.asked == [("story", LoadOptions()), ("story@direct", LoadOptions())]


# ── by itself ───────────────────────────────────────────────────────────────────────────────────────

BENT = Wish(sampling=Sampling(smoothing_factor=0.3))


async def chosen(room: Room, wish: Wish = BENT) -> Exactness | None:
    """Goes through a place as a turn does; what it tells."""
    async with room.beside.place("story", wish) as place:
        async for _ in place.steps():
            pass
        assert place.worker is room.line.worker
        return place.exactness if isinstance(place, TellsExactness) else None


async def test_what_only_the_exact_engine_honours_is_written_by_a_copy() -> None:
    room = Room(2 * GB, loaded("story"))
    assert await chosen(room) == Exactness(("smoothing_factor",), used=True)
    assert room.line.asked[0][0] == "story@direct"


async def test_without_room_the_usual_engine_writes_and_the_reason_is_told() -> None:
    room = Room(5 * GB, loaded("story"))
    told = await chosen(room)
    assert told
    assert (told.used, told.needed) == (False, ("smoothing_factor",))
    assert "5.0 GiB" in str(told.why)
    assert [name for name, _ in room.line.asked] == ["story"]


async def test_a_copy_that_would_lie_only_in_part_on_the_gpu_is_not_chosen_by_itself() -> None:
    room = Room(2 * GB, loaded("story"))
    room.verdict = "partial"
    told = await chosen(room)
    assert told
    assert not told.used


async def test_where_there_is_no_exact_engine_that_is_the_reason() -> None:
    told = await chosen(Room(GB, why=phrase("engine.direct.windows")))
    assert told
    assert "Windows" in str(told.why)


async def test_a_copy_that_fails_to_load_is_the_reason_too() -> None:
    room = Room(2 * GB, loaded("story"))
    room.line.failure = ModelLoadFailed("story", "out of luck")
    told = await chosen(room)
    assert told
    assert "out of luck" in str(told.why)
    assert [name for name, _ in room.line.asked] == ["story@direct", "story"]


async def test_what_the_usual_engine_honours_needs_no_copy() -> None:
    room = Room(GB, loaded("story"))
    assert await chosen(room, Wish(sampling=Sampling(temperature=1.3))) is None
    assert room.line.asked[0][0] == "story"


async def test_a_request_may_let_the_served_copy_go() -> None:
    room = Room(5 * GB, loaded("story"))
    async with room.beside.place("story", Wish(LoadOptions(exact="swap"))):
        assert room.line.asked[0][0] == "story@direct"


@pytest.mark.parametrize(
    ("asked", "lacking"),
    [
        ({"smoothing_factor": 0.2, "smoothing_curve": 2.0}, ("smoothing_factor", "smoothing_curve")),
        ({"smoothing_curve": 2.0, "negative_prompt": "sad", "repetition_slope": 2.0}, ()),
        ({"guidance_scale": 2.0, "negative_prompt": "sad"}, ("guidance_scale", "negative_prompt")),
        ({"mirostat": 2, "top_k": 5, "banned_strings": ("x",)}, ()),
        ({"regex": "a+", "banned_strings": ("x",)}, ("banned_strings",)),
    ],
    ids=str,
)
def test_what_the_server_lacks(asked: dict[str, Any], lacking: tuple[str, ...]) -> None:
    assert lacks(Sampling(**asked)) == lacking


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
