"""The GPUs of this machine, from what their drivers tell. Knows no engine that could use them.

What a driver says is kept for a while, since asking it takes time. A driver that does not answer in time
counts as absent.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import psutil

if TYPE_CHECKING:
    from fabula.models.nvml import Nvml

Kind = Literal["cuda", "rocm", "metal"]

TIME_LIMIT = 3.0  # seconds for a driver's answer; without persistence mode it may take over one
KEPT = 10.0  # seconds
APPLE_SHARE = 0.75  # of unified memory may be wired for the GPU by default
_DRM = Path("/sys/class/drm")


@dataclass(frozen=True, slots=True)
class Gpu:
    """Memory is bytes. With `unified` it is part of the machine's own memory."""

    name: str
    memory: int
    memory_free: int
    kind: Kind
    unified: bool = False
    display: bool = False  # it draws a screen


class _Cache:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.at = 0.0
        self.found: tuple[Gpu, ...] = ()


_cache = _Cache()


def gpus() -> tuple[Gpu, ...]:
    """All GPUs that can hold a model, at most `KEPT` seconds old."""
    with _cache.lock:
        if not _cache.at or time.monotonic() - _cache.at > KEPT:
            _cache.found = (*_nvidia(), *_amd(), *_apple())
            _cache.at = time.monotonic()
        return _cache.found


def gpus_now() -> tuple[Gpu, ...]:
    """All GPUs as they are at this moment."""
    with _cache.lock:
        _cache.at = 0.0
    return gpus()


def named(cards: tuple[Gpu, ...]) -> list[tuple[str, Gpu]]:
    """Two cards of one make get names of their own: "RTX" and "RTX #2"."""
    seen: Counter[str] = Counter()
    rows = []
    for card in cards:
        seen[card.name] += 1
        rows.append((card.name if seen[card.name] == 1 else f"{card.name} #{seen[card.name]}", card))
    return rows


def free() -> dict[str, int]:
    """Bytes that are free on each GPU, by its name."""
    return {name: card.memory_free for name, card in named(gpus_now())}


def used(pid: int) -> dict[str, int]:
    """Bytes that one process has on each GPU, as far as its driver tells (NVIDIA's does)."""
    found = asked.used(pid) if (asked := _nvml()) else None
    return found if found is not None else _used_by_program(pid)


def _used_by_program(pid: int) -> dict[str, int]:
    return read_used(_ask_nvidia("--query-gpu=uuid,name"), _ask_nvidia(APPS), pid)


APPS = "--query-compute-apps=pid,gpu_uuid,used_memory"


def read_used(cards: str, apps: str, pid: int) -> dict[str, int]:
    """From the driver's two lists: cards by their id, and processes with MiB on each card."""
    rows = [[part.strip() for part in line.split(",")] for line in cards.splitlines() if "," in line]
    plain = tuple(Gpu(name, 0, 0, "cuda") for _, name in rows)
    names = {uuid: name for (uuid, _), (name, _) in zip(rows, named(plain), strict=True)}
    found: Counter[str] = Counter()
    for line in apps.splitlines():
        with suppress(ValueError):
            owner, uuid, mib = (part.strip() for part in line.split(","))
            if int(owner) == pid and uuid in names:
                found[names[uuid]] += int(mib) << 20
    return dict(found)


def _nvml() -> Nvml | None:
    from fabula.models.nvml import nvml

    return nvml()


def _nvidia() -> list[Gpu]:
    """From the driver's library; from its program where the library does not answer."""
    found = asked.cards() if (asked := _nvml()) else None
    return found if found is not None else _nvidia_by_program()


def _nvidia_by_program() -> list[Gpu]:
    return read_nvidia(_ask_nvidia("--query-gpu=name,memory.total,memory.free,display_active"))


def _ask_nvidia(question: str) -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    command = [program, question, "--format=csv,noheader,nounits"]
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT).stdout
    return ""


def read_nvidia(output: str) -> list[Gpu]:
    """One line per GPU: name, total and free memory in MiB, and whether it draws a screen ("Enabled").

    Lines without numbers are left out; older drivers do not tell of screens.
    """
    found = []
    for line in output.splitlines():
        name, total, free, *screen = (part.strip() for part in f"{line},,".split(","))
        with suppress(ValueError):
            shown = "Enabled" in screen
            found.append(Gpu(name, int(total) << 20, int(free) << 20, "cuda", display=shown))
    return found


def _amd() -> list[Gpu]:
    """From the kernel's own files: no program has to be started."""
    return [gpu for card in sorted(_DRM.glob("card?")) if (gpu := read_amd(card / "device"))]


def read_amd(device: Path) -> Gpu | None:
    """An AMD card with memory of its own. Integrated ones (under 2 GiB) do not count."""
    with suppress(OSError, ValueError):
        if (device / "vendor").read_text(encoding="ascii").strip() != "0x1002":
            return None
        total = int((device / "mem_info_vram_total").read_text(encoding="ascii"))
        used = int((device / "mem_info_vram_used").read_text(encoding="ascii"))
        return Gpu(_amd_name(device), total, max(total - used, 0), "rocm") if total >= 2 << 30 else None
    return None


def _amd_name(device: Path) -> str:
    with suppress(OSError):
        name = (device / "product_name").read_text(encoding="utf-8", errors="replace").strip()
        return name or "AMD GPU"
    return "AMD GPU"


def _apple() -> list[Gpu]:
    if sys.platform != "darwin" or platform.machine() != "arm64":
        return []
    memory = psutil.virtual_memory()
    total = int(memory.total * APPLE_SHARE)
    return [Gpu("Apple Silicon", total, min(total, memory.available), "metal", unified=True)]
