"""A child that dies at a bad moment is told like any other."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fabula.core.errors import ModelLoadFailed
from fabula.engine.child_process import ChildProcess
from fabula.engine.llamacpp.log import EngineLog


class Closed:
    """A pipe whose reader has gone, as uvloop has it."""

    def write(self, data: bytes) -> None:
        raise RuntimeError("unable to perform operation on a closed transport")

    def close(self) -> None: ...


class Gone:
    """A process that was killed before it heard anything."""

    pid, returncode = 1, -9

    def __init__(self) -> None:
        self.stdin, self.stdout, self.stderr = Closed(), asyncio.StreamReader(), asyncio.StreamReader()
        self.stdout.feed_eof()
        self.stderr.feed_eof()

    def terminate(self) -> None: ...

    def kill(self) -> None: ...

    async def wait(self) -> int:
        return self.returncode


async def test_one_that_was_killed_before_it_heard_anything_is_a_failed_load(tmp_path: Path) -> None:
    process: Any = Gone()
    child = ChildProcess(process, "tiny", EngineLog(tmp_path / "engine.log"))
    with pytest.raises(ModelLoadFailed, match="SIGKILL"):
        await child._load({}, 5.0)
    await child.stop()


async def test_a_mark_for_one_that_has_died_is_no_error(tmp_path: Path) -> None:
    process: Any = Gone()
    child = ChildProcess(process, "tiny", EngineLog(tmp_path / "engine.log"))
    assert child.mark() != child.mark()
    await child.stop()
