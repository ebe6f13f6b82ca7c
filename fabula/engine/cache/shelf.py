"""Saved states of chats in the folder kv/: found by what they hold, bounded, and never trusted.

    NAME.kv     what the engine wrote
    NAME.json   what it is: whose, for which engine, its token ids, its size and checksum
    NAME.part   being written; whatever a killed studio left of it goes at the next start

A state is committed by renaming, its description last. The engine aborts on a truncated file, so none is
offered to it whose checksum was not compared. Knows no engine: `fingerprint` is a text that it is given.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import logging
import os
import shutil
import zlib
from array import array
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fabula.engine.cache.table import common

log = logging.getLogger(__name__)
READ_BYTES = 1 << 20
LEFT_FREE = 1 << 30  # bytes of the disk that are never filled


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One saved state; `trace` are the token ids it stands for."""

    fingerprint: str
    owner: str
    chat: str
    trace: tuple[int, ...]
    size: int = 0  # bytes
    checksum: int = 0

    @property
    def name(self) -> str:
        ids = array("I", self.trace).tobytes()
        about = f"{self.fingerprint}\n{self.owner}\n{self.chat}\n".encode()
        return hashlib.sha256(about + ids).hexdigest()[:32]


class Shelf:
    """The states that are kept, oldest use first. `budget` bytes at most."""

    def __init__(self, folder: Path, budget: int) -> None:
        self.folder, self._budget = folder, budget
        self._forgotten: set[str] = set()
        self._states: dict[str, State] = {}
        self._open()

    # ── finding ─────────────────────────────────────────────────────────────────────────────────────

    def best(self, fingerprint: str, owner: str, trace: tuple[int, ...]) -> tuple[State, int] | None:
        """The state that holds most of the beginning of `trace`, and how many tokens of it."""
        usable = [
            (state, common(state.trace, trace))
            for state in list(self._states.values())  # another thread may commit meanwhile
            if (state.fingerprint, state.owner) == (fingerprint, owner)
        ]
        return max(usable, key=lambda found: found[1], default=None)

    def holds(self, state: State) -> bool:
        return state.name in self._states

    def file(self, state: State) -> Path:
        return self.folder / f"{state.name}.kv"

    def part(self, state: State) -> Path:
        return self.folder / f"{state.name}.part"

    def is_whole(self, state: State) -> bool:
        """Whether the file is what was written once. Reads all of it."""
        try:
            return _measure(self.file(state)) == (state.size, state.checksum)
        except OSError:
            return False

    # ── keeping ─────────────────────────────────────────────────────────────────────────────────────

    def has_room(self, size: int) -> bool:
        """Whether a state of this size may be written at all; the folder is made again where it has gone."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return 0 < self._budget >= size and shutil.disk_usage(self.folder).free - size >= LEFT_FREE
        except OSError as error:
            log.warning("no states of chats can be kept: %s", error)
            return False

    def allow(self, budget: int) -> None:
        """Another budget, from now on."""
        self._budget = budget
        self._trim()

    def wants(self, state: State) -> bool:
        return state.chat not in self._forgotten

    def commit(self, state: State) -> None:
        """Takes the state in whose `part` the engine has written. Raises OSError; then nothing is kept."""
        part = self.part(state)
        try:
            size, checksum = _measure(part)
            state = replace(state, size=size, checksum=checksum)
            os.replace(part, self.file(state))
            about = self.folder / f"{state.name}.json.part"
            about.write_text(json.dumps(_described(state)), encoding="utf-8")
            os.replace(about, self.folder / f"{state.name}.json")
        except OSError:
            self.discard(state)
            raise
        self._states[state.name] = state
        if not self.wants(state):  # the chat was deleted meanwhile
            self.discard(state)
        if state.chat:
            self._drop_what_it_replaces(state)
        self._trim()

    def used(self, state: State) -> None:
        """It was restored: the last to be thrown out. It may have been thrown out while it was."""
        if (kept := self._states.pop(state.name, None)) is None:
            return
        self._states[state.name] = kept
        with contextlib.suppress(OSError):
            os.utime(self.folder / f"{state.name}.json")

    def discard(self, state: State) -> None:
        self._states.pop(state.name, None)
        _remove(self.folder, state.name)

    def forget(self, chat: str) -> None:
        """Removes all that belongs to a chat, and takes nothing more of it."""
        self._forgotten.add(chat)
        for state in list(self._states.values()):
            if state.chat == chat:
                self.discard(state)

    def _drop_what_it_replaces(self, new: State) -> None:
        for old in list(self._states.values()):
            same = (old.fingerprint, old.owner, old.chat) == (new.fingerprint, new.owner, new.chat)
            if same and len(old.trace) < len(new.trace) and common(old.trace, new.trace) == len(old.trace):
                self.discard(old)

    def _trim(self) -> None:
        states = list(self._states.values())
        total = sum(state.size for state in states)
        for state in states:
            if total <= self._budget:
                return
            total -= state.size
            self.discard(state)

    # ── the start ───────────────────────────────────────────────────────────────────────────────────

    def _open(self) -> None:
        """Reads what is there; removes what is incomplete. What cannot be read is as if it were empty."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            paths = list(self.folder.iterdir())
        except OSError as error:
            log.warning("the states of chats cannot be read: %s", error)
            return
        for about in sorted((path for path in paths if path.suffix == ".json"), key=_used_at):
            state = _read(about)
            if state is not None and self._is_kept(state, about):
                self._states[state.name] = state
        for path in paths:
            if path.suffix == ".part" or (path.suffix in (".kv", ".json") and path.stem not in self._states):
                self._clear_away(path)
        self._trim()

    def _clear_away(self, path: Path) -> None:
        """What cannot be removed, as a folder of somebody else's, is in nobody's way."""
        try:
            path.unlink(missing_ok=True)
            log.info("removed an incomplete state: %s", path.name)
        except OSError as error:
            log.warning("an incomplete state could not be removed: %s", error)

    def _is_kept(self, state: State, about: Path) -> bool:
        """States of no chat are for requests of the moment only."""
        whole = state.name == about.stem and _size(self.file(state)) == state.size
        return whole and bool(state.chat)


def _measure(file: Path) -> tuple[int, int]:
    """Size and CRC-32 of a file."""
    size = checksum = 0
    with file.open("rb") as stream:
        while data := stream.read(READ_BYTES):
            size, checksum = size + len(data), zlib.crc32(data, checksum)
    return size, checksum


def _described(state: State) -> dict[str, Any]:
    return {
        "fingerprint": state.fingerprint,
        "owner": state.owner,
        "chat": state.chat,
        "trace": base64.b64encode(array("I", state.trace).tobytes()).decode(),
        "size": state.size,
        "checksum": state.checksum,
    }


def _read(about: Path) -> State | None:
    """None when the description is damaged."""
    try:
        content = json.loads(about.read_text(encoding="utf-8"))
        ids = array("I", base64.b64decode(content.pop("trace"), validate=True))
        return State(**content, trace=tuple(ids))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return -1


def _used_at(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _remove(folder: Path, name: str) -> None:
    for suffix in (".json", ".json.part", ".kv", ".part"):  # the description first
        with contextlib.suppress(OSError):
            (folder / f"{name}{suffix}").unlink(missing_ok=True)
