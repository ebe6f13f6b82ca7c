"""Ask llama.cpp itself what a load would take: a child that plans, is read, and is ended before it loads.

Implements the Oracle of `models/fit`. The file may be a twin without weights. Knows no machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fabula.core.errors import BadParameter, EngineTimeout, ModelLoadFailed
from fabula.core.model import LocalModel
from fabula.core.plan import HOST, Plan
from fabula.core.texts import phrase
from fabula.engine.builds.builds import Build, ours
from fabula.engine.child_process import ENVIRONMENT
from fabula.engine.llamacpp import loading
from fabula.engine.llamacpp.log import advice, reason
from fabula.engine.llamacpp.sizes import MIB, Sizes, breakdown, by_plan, sizes
from fabula.models.fit.oracle import told
from fabula.models.fit.twin import write_twin
from fabula.models.formats.gguf import Header

PROGRAM = Path(__file__).with_name("llamacpp") / "planner.py"
TIME_LIMIT_S = 60.0  # a large vocabulary from a slow disk takes seconds
TABLE = "memory breakdown [MiB]"
LINE_BYTES = 1 << 20
CACHE = re.compile(r"(?:llama_kv_cache|llama_memory_recurrent)\w*: size = +(?P<mib>[\d.]+) MiB")


class EngineOracle:
    """Of one build of llama.cpp; its own program is needed, so a llama-server by path cannot be asked."""

    def __init__(self, build: Build | None = None, time_limit_s: float = TIME_LIMIT_S) -> None:
        self._build = build or ours()
        self._time_limit_s = time_limit_s

    async def plan(self, model: LocalModel, plan: Plan, headers: Sequence[Header] = ()) -> Plan:
        """Raises BadParameter where this engine cannot be asked, ModelLoadFailed or EngineTimeout."""
        if self._build.program:
            raise BadParameter("exact", self._build.name, phrase("expected.own_engine"))
        with tempfile.TemporaryDirectory(prefix="fabula-twin-") as folder:
            twin = write_twin(headers, Path(folder)) if headers else model.path
            config = loading.config(replace(model, path=twin), plan, "", NO_CHECKPOINTS)
            found = await self._asked(model.name, config)
        if (len(found) > 1) != (plan.gpu_layers > 0):
            raise BadParameter("exact", ", ".join(found), phrase("expected.this_machine"))
        names = [device.name for device in plan.devices]
        return told(plan, {name: asdict(parts) for name, parts in by_plan(found, names).items()})

    async def _asked(self, name: str, config: dict[str, Any]) -> dict[str, Sizes]:
        process = await asyncio.create_subprocess_exec(
            *(self._build.python or sys.executable, "-P", str(PROGRAM)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | ENVIRONMENT,
            start_new_session=True,
            limit=LINE_BYTES,
        )
        try:
            async with asyncio.timeout(self._time_limit_s):
                return await _answer(process, name, config)
        except TimeoutError:
            raise EngineTimeout(name, self._time_limit_s) from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


NO_CHECKPOINTS = {"checkpoints": 0, "checkpoint_step": 0}


async def _answer(process: asyncio.subprocess.Process, name: str, config: dict[str, Any]) -> dict[str, Sizes]:
    assert process.stdin
    assert process.stderr
    process.stdin.write(json.dumps(config | {"key": ""}).encode() + b"\n")
    process.stdin.write_eof()
    lines, table = list[str](), dict[str, Sizes]()
    async for line in _lines(process.stderr):
        if TABLE in line:
            table = {HOST: Sizes()}
        elif table and (row := breakdown(line)):
            table[row[0]] = row[1]
        elif len(table) > 1 or (table and table[HOST].total):
            return refined(table, lines)
        lines.append(line)
    why = reason(lines)
    raise ModelLoadFailed(name, why, advice=advice(why))


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    while line := await stream.readline():
        yield line.decode(errors="replace").rstrip()


def refined(table: dict[str, Sizes], lines: Iterable[str]) -> dict[str, Sizes]:
    """Whole MiB of the table to the 0.01 of the lines before it, where both mean the same."""
    finer = sizes(lines)
    for name, parts in table.items():
        fine = finer.get(name, Sizes())
        parts.compute = _finer(parts.compute, fine.compute)
    fine_caches = _caches(lines)
    if sum(1 for parts in table.values() if parts.kv) == 1:
        [parts] = [parts for parts in table.values() if parts.kv]
        parts.kv = _finer(parts.kv, fine_caches)
    return table


def _finer(whole: int, fine: int) -> int:
    return fine if whole <= fine < whole + MIB else whole


def _caches(lines: Iterable[str]) -> int:
    """Bytes of all caches and states, which have no buffers yet while it plans."""
    found = (CACHE.search(line) for line in lines)
    return sum(round(float(match["mib"]) * MIB) for match in found if match)
