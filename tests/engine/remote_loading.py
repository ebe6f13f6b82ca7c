"""A model of a server, loaded. Knows no server."""

from __future__ import annotations

from pathlib import Path

from fabula.core.load import LoadOptions
from fabula.engine.remote.remotes import Remotes, plan
from fabula.engine.remote.worker import RemoteWorker
from fabula.store.home import Home


async def loaded(home: Path, url: str, model: str = "", key: str = "") -> RemoteWorker:
    remotes = Remotes(Home(home).create())
    await remotes.add("box", url, key=key)
    found = next(row for row in remotes.models() if row.name.endswith(model))
    worker = remotes.worker(found)
    await worker.load(found, plan(found, LoadOptions()))
    return worker
