"""The table of graphics cards, and the names that people give them."""

from __future__ import annotations

import pytest

from fabula.core.errors import BadParameter
from fabula.models.cards import GIB, cards, find


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("RTX 3060 12GB", "RTX 3060 12GB"),
        ("nvidia geforce rtx3060 12 GiB", "RTX 3060 12GB"),
        ("4090", "RTX 4090"),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", "RTX 4070 Ti Super"),
        ("gtx1060 6gb", "GTX 1060 6GB"),
        ("Tesla T4", "T4"),
        ("Apple M2 Max 64GB", "M2 Max 64GB"),
        ("rx 7900 xtx", "RX 7900 XTX"),
    ],
)
def test_a_card_is_found_as_people_write_it(said: str, name: str) -> None:
    assert find(said).name == name


@pytest.mark.parametrize(
    ("said", "offered"), [("RTX 3060", "RTX 3060 8GB, RTX 3060 12GB"), ("H100", "H100 PCIe, H100 SXM")]
)
def test_several_of_one_name_are_told_apart(said: str, offered: str) -> None:
    with pytest.raises(BadParameter) as unclear:
        find(said)
    assert str(unclear.value.expected) == f"one of {offered}"


def test_every_card_has_memory_bandwidth_and_a_source() -> None:
    for card in cards():
        assert 2 * GIB < card.memory <= 512 * GIB
        assert 60e9 < card.bandwidth < 5e12
        assert len(card.source) > 20
    assert len({card.name for card in cards()}) == len(cards())


def test_bandwidth_is_what_the_makers_publish() -> None:
    published = {"RTX 3090": 936, "RTX 4090": 1008, "T4": 320, "GTX 1060 6GB": 192, "A100 40GB": 1555}
    published |= {"H200": 4800, "H100 SXM": 3350, "RX 7900 XTX": 960, "M4 Max 64GB": 546, "M4 Pro 24GB": 273}
    for name, bandwidth in published.items():
        assert find(name).bandwidth / 1e9 == pytest.approx(bandwidth, rel=0.005)


def test_apples_chips_share_their_memory() -> None:
    gpu = find("M1 Pro 16GB").gpu
    assert (gpu.unified, gpu.memory) == (True, 12 * GIB)
