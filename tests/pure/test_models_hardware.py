"""What the machine has."""

from __future__ import annotations

from pathlib import Path

from fabula.models.gpus import Gpu, read_amd, read_nvidia
from fabula.models.hardware import machine


def test_this_machine_has_a_processor_and_memory() -> None:
    here = machine()
    assert here.system
    assert 1 <= here.physical_cores <= here.cores
    assert 0 < here.memory_available <= here.memory


def test_nvidia_cards_are_read_from_their_drivers_table() -> None:
    table = "NVIDIA GeForce RTX 4090, 24564, 23028\nNVIDIA Broken, [N/A], [N/A]\nNo devices were found\n"
    assert read_nvidia(table) == [Gpu("NVIDIA GeForce RTX 4090", 24564 << 20, 23028 << 20, "cuda")]


def test_amd_cards_are_read_from_the_kernels_files(tmp_path: Path) -> None:
    for name, value in {
        "vendor": "0x1002",
        "mem_info_vram_total": str(16 << 30),
        "mem_info_vram_used": str(1 << 30),
        "product_name": "Radeon RX 7800 XT",
    }.items():
        (tmp_path / name).write_text(f"{value}\n")
    assert read_amd(tmp_path) == Gpu("Radeon RX 7800 XT", 16 << 30, 15 << 30, "rocm")
    (tmp_path / "vendor").write_text("0x8086\n")
    assert read_amd(tmp_path) is None
