"""Writes a model in children, each of which meets its fate at some moment: it is killed, or the disk is full.

A moment is whatever changes a file of the home, just before it does, and what the work tells of itself. The
model is written once in peace, as `whole`; then as `new`, by children whose fates are drawn at random, one
after the other, until one comes to its end. What is told of each: how it ended, and what the shelf had then.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fabula.core.errors import FabulaError
from fabula.lab.directions import edit, growing, write
from fabula.lab.quantize import job as quantize
from fabula.lab.quantize import ordering
from fabula.store.home import Home
from fabula.store.job_child import Report

CHANGES = ("os.rename", "os.truncate", "os.chmod", "os.mkdir", "os.remove", "os.rmdir")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
SHARE = 6  # of all moments: a fate comes in that part of those that are left, so most children get on
MOST = 500  # children


def die() -> None:
    os.kill(os.getpid(), 9)


def fill_up() -> None:
    """No file takes another byte from now on."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


FATES = {"killed": die, "full": fill_up}


class Moments(Report):
    """`late` ones are counted from when the model is put in its place."""

    def __init__(self, home: Home, fated: int, fate: Callable[[], None], *, late: bool = False) -> None:
        super().__init__()
        self.seen, self._home, self._fated, self._fate, self._is_time = 0, home, fated, fate, not late
        sys.addaudithook(self._hear)

    def progress(self, *told: Any, **more: Any) -> None:
        self.pass_()

    def _hear(self, event: str, told: tuple[Any, ...]) -> None:
        if event == "os.rename" and Path(told[1]).parent == self._home.models:
            self._is_time |= not Path(told[1]).name.startswith(".")
        changes = event in CHANGES or (event == "open" and bool(told[2] & WRITES))
        if changes and f"{told[0]}".startswith(str(self._home.path)):
            self.pass_()

    def pass_(self) -> None:
        self.seen += self._is_time
        if self._is_time and self.seen == self._fated:
            self._fate()


def child(
    home: Home, wishes: dict[str, Any], fated: int, fate: Callable[[], None], *, late: bool = False
) -> tuple[str, int]:
    """How it ended, and how many moments it had. What is no error for people ends the parent as well."""
    mouth, ear = os.pipe()
    if not (process := os.fork()):
        moments = Moments(home, fated, fate, late=late)
        try:
            (quantize.run if "type" in wishes else write.run)(home, wishes, moments)
            moments.pass_()  # it is over, and nobody knows yet
            said = "over"
        except FabulaError as error:
            said = error.code
        os.write(ear, json.dumps([said, moments.seen]).encode())
        os._exit(0)
    _, ended = os.waitpid(process, 0)
    os.close(ear)
    with os.fdopen(mouth, "rb") as told:
        said, seen = ("killed", 0) if os.WIFSIGNALED(ended) else json.loads(told.read())
    return said, seen


def late(home: Home, wishes: dict[str, Any]) -> list[tuple[str, dict[str, str]]]:
    """A model for each of the late moments: one child is killed then, and what is told is of the next one."""
    told, said = list[tuple[str, dict[str, str]]](), "killed"
    while said == "killed":
        named = wishes | {"name": f"late-{len(told)}"}
        said, _ = child(home, named, 1 + len(told), die, late=True)
        told.append((child(home, named, 0, die)[0], shelf(home)))
    return told


def shelf(home: Home) -> dict[str, str]:
    """What people see of it: by name a hash of all bytes."""
    found = {}
    for place in home.models.iterdir():
        if not place.name.startswith("."):
            files = sorted(place.iterdir()) if place.is_dir() else [place]
            inner = [(file.name if place.is_dir() else "", file.read_bytes()) for file in files]
            found[place.name] = hashlib.sha256(repr(inner).encode()).hexdigest()
    return found


def main(home: Home, wishes: dict[str, Any], fate: str) -> None:
    edit.NOTE, growing.PIECE, ordering.SMALLEST_PART = 1, 1 << 14, 1
    said, moments = child(home, wishes | {"name": "whole"}, 0, die)
    assert said == "over", said
    if fate == "late":
        sys.stdout.write(json.dumps(late(home, wishes)))
        return
    draw, told = random.Random(6), list[tuple[str, dict[str, str]]]()
    while len(told) < MOST and (not told or told[-1][0] != "over"):
        said, _ = child(home, wishes | {"name": "new"}, draw.randint(1, moments // SHARE), FATES[fate])
        told.append((said, shelf(home)))
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Home(Path(sys.argv[1])), json.loads(sys.argv[2]), sys.argv[3])
