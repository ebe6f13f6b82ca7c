"""What the supervisor may know of a worker's process, and of the GPUs. Knows no engine and no driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from fabula.core.errors import EngineDied


@runtime_checkable
class LivesInProcess(Protocol):
    """A worker whose process can die under it. `gone` returns when that has happened."""

    pid: int

    @property
    def alive(self) -> bool: ...
    async def gone(self) -> None: ...


@runtime_checkable
class TellsDeath(Protocol):
    async def death(self) -> EngineDied: ...


@runtime_checkable
class TellsSizes(Protocol):
    """A worker whose engine says what it took: bytes by device of the plan and by part."""

    reported: Mapping[str, Mapping[str, int]]


class Gpus(Protocol):
    """What drivers tell, in bytes by device. Both may take a second."""

    def free(self) -> Mapping[str, int]: ...
    def used(self, pid: int) -> Mapping[str, int]: ...


class NoGpus:
    def free(self) -> Mapping[str, int]:
        return {}

    def used(self, pid: int) -> Mapping[str, int]:
        return {}
