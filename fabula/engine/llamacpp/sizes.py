"""What llama.cpp's log says of its buffers, in bytes by device. Pure; knows no process.

load_tensors:   CPU_Mapped model buffer size =   762.81 MiB
llama_kv_cache:      CUDA0 KV buffer size =   128.00 MiB
… memory breakdown [MiB] | total   free     self   model   context   compute    unaccounted |
…   - CUDA0 (RTX 3060)   | 12044 = 11000 + (4403 + …)
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fabula.core.plan import HOST

MARK = "buffer size ="
MIB = 1 << 20
_BUFFER = re.compile(
    r"(?P<where>[\w.]+)\s+(?P<what>model|KV|RS|compute|output) buffer size =\s*(?P<mib>[\d.]+) MiB"
)
_BREAKDOWN = re.compile(
    r"\|\s+- (?P<where>[\w.]+)[^|]*\|(?:[^=|]*=[^(|]*\()?[^=|]*?"
    r"(?P<self>\d+) = +(?P<model>\d+) \+ +(?P<context>\d+) \+ +(?P<compute>\d+)"
)
_PLACES = {"model": "weights", "KV": "kv", "RS": "kv", "compute": "compute", "output": "output"}
REPACKED = "CPU_REPACK"


@dataclass(slots=True)
class Sizes:
    """Bytes of one device, to the log's 0.01 MiB."""

    weights: int = 0
    kv: int = 0
    compute: int = 0
    output: int = 0
    repacked: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.kv + self.compute + self.output


def sizes(lines: Iterable[str]) -> dict[str, Sizes]:
    """The buffers of each device: caches of several kinds add up, of working memory the last word counts."""
    found: dict[str, Sizes] = defaultdict(Sizes)
    for line in lines:
        if (match := _BUFFER.search(line)) is None:
            continue
        device, size = found[_device(match["where"])], round(float(match["mib"]) * MIB)
        place = _PLACES[match["what"]]
        if match["where"] == REPACKED:
            device.repacked += size
        elif place in ("compute", "output"):
            setattr(device, place, size)
        else:
            setattr(device, place, getattr(device, place) + size)
    return dict(found)


def breakdown(line: str) -> tuple[str, Sizes] | None:
    """A row of the engine's own table, in whole MiB; None for other lines."""
    match = _BREAKDOWN.search(line)
    if match is None:
        return None
    model, context, compute = (int(match[name]) * MIB for name in ("model", "context", "compute"))
    if match["where"] == REPACKED:
        return HOST, Sizes(repacked=model)
    return _device(match["where"]), Sizes(weights=model, kv=context, compute=compute)


def _device(where: str) -> str:
    """The engine's name of a device; everything that lies in the machine's memory is one."""
    is_host = where.startswith("CPU") or where == "Host" or where.endswith("_Host")
    return HOST if is_host else where


def by_plan(found: Mapping[str, Sizes], names: Iterable[str]) -> dict[str, Sizes]:
    """Under the names that a plan gives to its devices: the machine's memory, then cards in order."""
    cards = [found[name] for name in sorted(found) if name != HOST]
    others = [name for name in names if name != HOST]
    told = dict(zip(others, cards, strict=False))
    return {HOST: found[HOST], **told} if HOST in found else told
