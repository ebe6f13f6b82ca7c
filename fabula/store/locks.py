"""Named locks across processes, as files. Knows nothing of what they protect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fabula.store.files import is_safe_name, writing


class FileLocks:
    """The operating system frees a lock when its process ends, in whatever way."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Raises BlockingIOError when someone else, here or in another process, has it."""
        if not is_safe_name(name):
            raise ValueError(name)
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        with lock_file(self._folder / f"{name}.lock"):
            yield


@contextmanager
def lock_file(path: Path, timeout: float = 0) -> Iterator[None]:
    """Holds the lock on one file, waiting up to `timeout` seconds for it."""
    lock = FileLock(path, timeout=timeout, mode=0o600, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:  # an OSError too, so that `writing` would take it for a broken disk
        raise BlockingIOError(f"{path} is held by another process") from error
    except OSError:
        with writing(path):
            raise
    try:
        yield
    finally:
        lock.release()
