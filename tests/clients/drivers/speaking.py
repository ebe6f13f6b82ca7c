"""The same lines of JSON as speaking.mjs. Knows no client."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

Act = Callable[[dict[str, Any]], Awaitable[Any]]


def serve(acts: dict[str, Act]) -> None:
    asyncio.run(_serve(acts))


async def _serve(acts: dict[str, Act]) -> None:
    loop = asyncio.get_running_loop()
    running = set()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        task = asyncio.create_task(_answer(acts, json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)


async def _answer(acts: dict[str, Act], asked: dict[str, Any]) -> None:
    try:
        answer = {"said": await acts[asked["act"]](asked["asked"])}
    except Exception as failure:  # noqa: BLE001  # told to the test
        answer = {"failure": _told(failure)}
    sys.stdout.write(json.dumps({"id": asked["id"], **answer}) + "\n")
    sys.stdout.flush()


def _told(failure: Exception) -> dict[str, Any]:
    kind = type(failure).__name__
    shown = {name: getattr(failure, name, None) for name in ("status_code", "code", "param", "type")}
    told = {name: value if isinstance(value, str | int) else None for name, value in shown.items()}
    return {"kind": kind, "name": kind, "message": str(failure), **told, "status": told["status_code"]}
