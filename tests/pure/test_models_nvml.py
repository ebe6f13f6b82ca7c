"""NVIDIA's cards as its library tells them, with a library of our own in its place."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from fabula.models import gpus, nvml
from fabula.models.gpus import Gpu
from fabula.models.nvml import Nvml

GIB = 1 << 30


@dataclass
class Card:
    name: str | bytes
    total: int
    free: int
    screen: bool | None = False  # None: it does not tell
    processes: list[tuple[int, int | None]] | None = field(default_factory=list)


class Library:
    """Speaks as pynvml does. A card is its own handle."""

    class NVMLError(Exception):
        pass

    def __init__(self, *cards: Card, broken: int = 0) -> None:
        self.all, self.broken, self.opened = cards, broken, 0

    def nvmlInit(self) -> None:  # noqa: N802
        self.opened += 1
        if self.broken:
            self.broken -= 1
            raise self.NVMLError("driver not loaded")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.all)

    def nvmlDeviceGetHandleByIndex(self, number: int) -> Card:  # noqa: N802
        return self.all[number]

    def nvmlDeviceGetName(self, card: Card) -> str | bytes:  # noqa: N802
        return card.name

    def nvmlDeviceGetMemoryInfo(self, card: Card) -> Any:  # noqa: N802
        return SimpleNamespace(total=card.total, free=card.free)

    def nvmlDeviceGetDisplayActive(self, card: Card) -> int:  # noqa: N802
        return int(self._known(card.screen))

    def nvmlDeviceGetComputeRunningProcesses(self, card: Card) -> list[Any]:  # noqa: N802
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in self._known(card.processes)]

    def _known(self, value: Any) -> Any:
        if value is None:
            raise self.NVMLError("not supported")
        return value


def test_cards_are_told_with_their_memory_and_their_screens() -> None:
    big = Card("NVIDIA H100", 80 * GIB, 79 * GIB, screen=None)
    home = Card(b"NVIDIA GeForce RTX 3060", 12 * GIB, 10 * GIB, screen=True)
    assert Nvml(Library(big, home)).cards() == [
        Gpu("NVIDIA H100", 80 * GIB, 79 * GIB, "cuda"),
        Gpu("NVIDIA GeForce RTX 3060", 12 * GIB, 10 * GIB, "cuda", display=True),
    ]


def test_what_one_process_has_is_told_by_card_even_where_two_are_of_one_make() -> None:
    cards = (
        Card("RTX", 1, 1, processes=[(7, 3 * GIB), (8, GIB)]),
        Card("RTX", 1, 1, processes=[(7, GIB), (7, GIB)]),
        Card("T4", 1, 1, processes=None),
        Card("A2", 1, 1, processes=[(7, None)]),
    )
    assert Nvml(Library(*cards)).used(7) == {"RTX": 3 * GIB, "RTX #2": 2 * GIB}


def test_without_a_driver_nothing_is_told_and_it_is_asked_again_later() -> None:
    library = Library(Card("RTX", 1, 1), broken=1)
    asked = Nvml(library)
    assert asked.cards() is None
    assert [card.name for card in asked.cards() or ()] == ["RTX"]
    assert asked.used(1) == {}
    assert library.opened == 2


def test_a_driver_that_hangs_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "TIME_LIMIT", 0.05)
    released = threading.Event()
    library = Library()
    library.nvmlDeviceGetCount = lambda: int(released.wait(10)) * 0  # type: ignore[method-assign,assignment]
    assert Nvml(library).cards() is None
    released.set()


def test_the_drivers_program_is_asked_where_its_library_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "_ask_nvidia", lambda question: "RTX 3060, 12288, 10240, Disabled\n")
    monkeypatch.setattr(gpus, "_nvml", lambda: Nvml(Library(broken=9)))
    assert [card.name for card in gpus._nvidia()] == ["RTX 3060"]
    monkeypatch.setattr(gpus, "_nvml", lambda: Nvml(Library(Card("RTX 4090", 24 * GIB, GIB))))
    assert [card.name for card in gpus._nvidia()] == ["RTX 4090"]
    monkeypatch.setattr(gpus, "_nvml", lambda: None)
    assert gpus._nvidia()[0].memory == 12 * GIB
