"""The home folder, its database and its settings. Knows no sentence."""

from __future__ import annotations

from dataclasses import dataclass

from fabula.core.errors.base import FabulaError
from fabula.core.texts import Phrase


class StoreFailure(FabulaError):
    pass


@dataclass(eq=False)
class DatabaseTooNew(StoreFailure):
    found: str
    known: str


@dataclass(eq=False)
class BackupInvalid(StoreFailure):
    status = 400
    path: str
    reason: Phrase | str


@dataclass(eq=False)
class SettingUnknown(StoreFailure):
    status = 400
    name: str
    where: str


@dataclass(eq=False)
class SettingInvalid(StoreFailure):
    status = 400
    name: str
    value: str
    expected: Phrase | str


@dataclass(eq=False)
class StoreUnwritable(StoreFailure):
    path: str
    reason: Phrase | str


@dataclass(eq=False)
class StudioGone(FabulaError):
    """The studio stopped answering while a command was talking to it."""

    status = 502
    address: str
