"""NVIDIA's cards from the driver's own library (NVML), without starting a program. Knows no engine.

`nvidia-ml-py` binds it; the library is opened once, and asked on another thread, since a driver that hangs
must not hang us. Where there is no such library, nothing is told (None), and others may be asked.
"""

from __future__ import annotations

import functools
import queue
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from fabula.models.gpus import TIME_LIMIT, Gpu, named

Told = TypeVar("Told")


class Nvml:
    """`library` is the module `pynvml`, or what stands in for it."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._open = False

    def cards(self) -> list[Gpu] | None:
        """None where there is no driver, or it does not answer in time."""
        return self._told(lambda: [self._card(handle) for handle in self._handles()])

    def used(self, pid: int) -> dict[str, int] | None:
        """Bytes that one process has on each card, by the card's name; a card that does not tell has none."""
        return self._told(lambda: self._used(pid))

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────

    def _handles(self) -> list[Any]:
        count = int(self._library.nvmlDeviceGetCount())
        return [self._library.nvmlDeviceGetHandleByIndex(number) for number in range(count)]

    def _card(self, handle: Any) -> Gpu:
        memory = self._library.nvmlDeviceGetMemoryInfo(handle)
        shows = bool(self._unless_unknown(self._library.nvmlDeviceGetDisplayActive, handle, 0))
        return Gpu(self._name(handle), int(memory.total), int(memory.free), "cuda", display=shows)

    def _name(self, handle: Any) -> str:
        name = self._library.nvmlDeviceGetName(handle)  # bytes with older bindings
        return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)

    def _used(self, pid: int) -> dict[str, int]:
        handles = self._handles()
        plain = tuple(Gpu(self._name(handle), 0, 0, "cuda") for handle in handles)
        found: Counter[str] = Counter()
        for handle, (name, _) in zip(handles, named(plain), strict=True):
            ask = self._library.nvmlDeviceGetComputeRunningProcesses
            for process in self._unless_unknown(ask, handle, ()):
                if process.pid == pid and process.usedGpuMemory:  # None where the driver does not tell it
                    found[name] += int(process.usedGpuMemory)
        return dict(found)

    def _unless_unknown(self, ask: Callable[[Any], Any], handle: Any, otherwise: Any) -> Any:
        """Not every card answers every question."""
        try:
            return ask(handle)
        except self._library.NVMLError:
            return otherwise

    def _told(self, work: Callable[[], Told]) -> Told | None:
        answer: queue.SimpleQueue[Told | None] = queue.SimpleQueue()

        def ask() -> None:
            answer.put(self._asked(work))

        threading.Thread(target=ask, daemon=True).start()
        try:
            return answer.get(timeout=TIME_LIMIT)
        except queue.Empty:
            return None

    def _asked(self, work: Callable[[], Told]) -> Told | None:
        with self._lock:
            try:
                if not self._open:
                    self._library.nvmlInit()
                self._open = True
                return work()
            except self._library.NVMLError:
                self._open = False  # a card was lost, or the driver was changed: opened anew the next time
                return None


@functools.cache
def nvml() -> Nvml | None:
    """None where the binding is not installed."""
    try:
        import pynvml
    except ImportError:
        return None
    return Nvml(pynvml)
