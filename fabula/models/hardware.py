"""What this machine has: processor, memory, GPUs. Knows no model.

Memory and cores are what this process may use: limits of a container (cgroup v1 and v2) and the processor
affinity count. Fixed facts are read once, free memory every time.
"""

from __future__ import annotations

import functools
import math
import os
import platform
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from fabula.models.gpus import Gpu, gpus

__all__ = ["Gpu", "Machine", "machine"]

_CGROUP = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60  # cgroup v1 writes a huge number for "no limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Memory is bytes. `cores` is how many threads this process may run at a time."""

    system: str
    processor: str
    cores: int
    physical_cores: int
    memory: int
    memory_available: int
    gpus: tuple[Gpu, ...] = ()
    features: tuple[str, ...] = ()  # of the processor, those that engines make use of
    memory_limit: int = 0  # bytes that a container may take; 0 = there is none


def machine() -> Machine:
    """This machine now. The first call may ask GPU drivers; later ones take about a millisecond."""
    total, available = _memory()
    return Machine(
        system=_system(),
        processor=_processor(),
        cores=_cores(),
        physical_cores=min(psutil.cpu_count(logical=False) or _cores(), _cores()),
        memory=total,
        memory_available=available,
        gpus=gpus(),
        features=_features(),
        memory_limit=_limit(),
    )


# ── memory and cores ────────────────────────────────────────────────────────────────────────────────


def _memory() -> tuple[int, int]:
    """(total, available), the smaller of what the system and the container say."""
    system = psutil.virtual_memory()
    limit, used = _container_memory()
    if not limit or limit >= system.total:
        return system.total, system.available
    return limit, max(min(limit - used, system.available), 0)


def _limit() -> int:
    """Where the container's limit is what counts."""
    limit, _ = _container_memory()
    return limit if 0 < limit < psutil.virtual_memory().total else 0


def _container_memory() -> tuple[int, int]:
    """(limit, in use without the file cache) of this process's control group; (0, 0) = no limit."""
    for folder, limit_file, used_file, cache in _control_groups():
        limit = _number(folder / limit_file)
        if 0 < limit < _NO_LIMIT:
            used = _number(folder / used_file) - _statistic(folder / "memory.stat", cache)
            return limit, max(used, 0)
    return 0, 0


def _control_groups() -> list[tuple[Path, str, str, str]]:
    own = _own_group("")
    v2 = [_CGROUP / own, _CGROUP]
    v1 = [_CGROUP / "memory" / _own_group("memory"), _CGROUP / "memory"]
    return [
        *((folder, "memory.max", "memory.current", "inactive_file") for folder in v2),
        *((folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file") for folder in v1),
    ]


def _own_group(controller: str) -> str:
    """The group of this process as a relative path; "" where it is the root or cannot be read."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="ascii", errors="replace").splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(","):
                return path.lstrip("/")
    return ""


def _number(file: Path) -> int:
    """0 for "max", for no number and for no file."""
    with suppress(OSError, ValueError):
        return int(file.read_text(encoding="ascii"))
    return 0


def _statistic(file: Path, name: str) -> int:
    with suppress(OSError, ValueError):
        for line in file.read_text(encoding="ascii").splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return 0


def _cores() -> int:
    """Processors this process may use, rounded up from the container's share."""
    affine = getattr(os, "sched_getaffinity", None)  # Linux only
    usable = len(affine(0)) if affine else os.cpu_count() or 1
    quota = _quota()
    return max(1, min(usable, math.ceil(quota))) if quota else max(1, usable)


def _quota() -> float:
    """Processors' worth of time that the container may use; 0 = no limit."""
    for folder in dict.fromkeys((_CGROUP / _own_group(""), _CGROUP)):
        with suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
            return int(quota) / int(period)
    folder = _CGROUP / "cpu"
    quota_v1, period_v1 = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return quota_v1 / period_v1 if quota_v1 > 0 and period_v1 > 0 else 0.0


USED_FEATURES = (
    *("sse4_2", "avx", "avx2", "f16c", "fma", "bmi2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16"),
    *(
        "amx_tile",
        "amx_int8",
        "amx_bf16",
        "asimd",
        "asimddp",
        "asimdhp",
        "i8mm",
        "bf16",
        "sve",
        "sve2",
        "sme",
    ),
)
"""As Linux names them: what llama.cpp has code for."""


@functools.cache
def _features() -> tuple[str, ...]:
    """Of the first processor; () where the system does not tell."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, values = line.partition(":")
            if name.strip() in ("flags", "Features"):
                return tuple(feature for feature in USED_FEATURES if feature in values.split())
    return _apple_features()


def _apple_features() -> tuple[str, ...]:
    if sys.platform != "darwin":
        return ()
    with suppress(OSError, subprocess.SubprocessError):
        command = ["/usr/sbin/sysctl", "-a"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=2).stdout.lower()
        named = {
            "avx2": "avx2_0: 1",
            "i8mm": "feat_i8mm: 1",
            "bf16": "feat_bf16: 1",
            "asimddp": "feat_dotprod: 1",
        }
        return tuple(name for name, sign in named.items() if sign in told)
    return ()


# ── names ───────────────────────────────────────────────────────────────────────────────────────────


@functools.cache
def _system() -> str:
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    return f"{platform.system()} {platform.release()}"


@functools.cache
def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("model name", "Model\t")):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        with suppress(OSError, subprocess.SubprocessError):
            command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, timeout=1).stdout.strip()
    return platform.processor() or platform.machine()
