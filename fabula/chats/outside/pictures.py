"""Pictures of other hosts, as they were when they were asked for. Knows no HTTP and no choice.

What came is kept in the home, the oldest going first; what did not come is remembered for a minute, so that a
page which asks why it failed does not ask the host again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from pathlib import Path

from fabula.chats.outside import asking
from fabula.core.errors import PictureUnreachable
from fabula.store.files import write_atomic, writing

BUDGET = 256 << 20  # bytes of all that is kept
AT_ONCE = 4
REFUSED_S = 60.0
REMEMBERED = 500  # failures


class OutsidePictures:
    def __init__(self, folder: Path, budget: int = BUDGET) -> None:
        self._folder, self._budget = folder, budget
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._failed: dict[str, tuple[float, PictureUnreachable]] = {}

    async def get(self, address: str) -> bytes:
        """Raises BadParameter or PictureUnreachable."""
        file = self._folder / hashlib.sha256(address.encode()).hexdigest()
        async with self._turn:
            if (known := await asyncio.to_thread(_read, file)) is not None:
                return known
            when, failure = self._failed.get(address, (0.0, None))
            if failure and time.monotonic() - when < REFUSED_S:
                raise failure
            content = await self._asked(address)
            await asyncio.to_thread(self._keep, file, content)
        return content

    async def _asked(self, address: str) -> bytes:
        try:
            return await asking.asked(address)
        except PictureUnreachable as failure:
            if len(self._failed) >= REMEMBERED:
                self._failed.clear()
            self._failed[address] = (time.monotonic(), failure)
            raise

    def _keep(self, file: Path, content: bytes) -> None:
        with writing(file):
            self._folder.mkdir(parents=True, exist_ok=True)
        write_atomic(file, content)
        files = sorted((told for one in self._folder.iterdir() if (told := _aged(one))), reverse=True)
        room = self._budget
        for _, size, one in files:
            room -= size
            if room < 0:
                one.unlink(missing_ok=True)


def _aged(file: Path) -> tuple[float, int, Path] | None:
    """When it was written, and its bytes; None for one that is gone: another picture's, half written."""
    with contextlib.suppress(FileNotFoundError):
        about = file.stat()
        return about.st_mtime, about.st_size, file
    return None


def _read(file: Path) -> bytes | None:
    with contextlib.suppress(FileNotFoundError):
        return file.read_bytes()
    return None
