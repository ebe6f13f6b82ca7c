"""What was planned for a load against what the engine took: compared, and written down.

`plans.jsonl` in the folder of logs has one line per load, the last thousand of them. Knows no supervisor.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fabula.core.plan import Plan, off
from fabula.engine.llamacpp.sizes import by_plan, sizes

FILE = "plans.jsonl"
KEPT = 1000  # lines
PARTS = ("weights", "kv", "compute", "output")


def told(plan: Plan, lines: Iterable[str]) -> dict[str, dict[str, int]]:
    """Bytes that the engine's log tells, by device of the plan and by part."""
    found = by_plan(sizes(lines), [device.name for device in plan.devices])
    return {name: asdict(parts) | {"total": parts.total} for name, parts in found.items()}


def record(folder: Path, plan: Plan, reported: Mapping[str, Mapping[str, int]], engine: str) -> None:
    """Nothing is written where the engine told nothing. A full disk does not keep a model from running."""
    if not reported:
        return
    line: dict[str, Any] = {
        "at": round(time.time(), 3),
        "model": plan.model,
        "engine": engine,
        "tier": plan.tier,
        "context": plan.context,
        "slots": plan.slots,
        "gpu_layers": plan.gpu_layers,
        "planned": {device.name: {part: getattr(device, part) for part in PARTS} for device in plan.devices},
        "reported": {name: dict(parts) for name, parts in reported.items()},
        "off": off(plan, reported),
    }
    file = folder / FILE
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        before = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        if len(before) < KEPT:
            with file.open("a", encoding="utf-8") as end:
                end.write(json.dumps(line) + "\n")
        else:
            file.write_text("\n".join([*before[-KEPT // 2 :], json.dumps(line)]) + "\n", encoding="utf-8")
