"""Locks across processes, and the one studio of a home."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable

import pytest

from fabula.core.errors import StudioRunning
from fabula.store.home import Home
from fabula.store.locks import FileLocks
from fabula.store.studio import claim, running

Start = Callable[..., "subprocess.Popen[str]"]


def said(child: subprocess.Popen[str]) -> str:
    assert child.stdout
    return child.stdout.readline().strip()


def test_a_lock_is_held_once_and_freed_at_the_end(home: Home) -> None:
    locks = FileLocks(home.path / "locks")
    with locks.hold("starter"):
        with pytest.raises(BlockingIOError), FileLocks(home.path / "locks").hold("starter"):
            pass
        with locks.hold("other"):
            pass
    with locks.hold("starter"):
        pass


def test_a_studio_says_where_it_is_until_it_ends(home: Home) -> None:
    with claim(home) as held:
        assert running(home) is None, "not before it can be reached"
        info = held.announce("http://127.0.0.1:7341")
        assert running(home) == info
        assert (info.pid, info.key) == (os.getpid(), held.key)
    assert running(home) is None
    assert not home.studio.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights")
def test_nobody_else_can_read_the_key(home: Home) -> None:
    with claim(home) as held:
        held.announce("http://127.0.0.1:7341")
        assert stat.S_IMODE(home.studio.stat().st_mode) == 0o600


def test_a_second_studio_is_told_where_the_first_is(home: Home, child: Start) -> None:
    first = child("studio_holder", home.path)
    assert said(first) == "held"
    with pytest.raises(StudioRunning) as told, claim(home):
        pass
    assert (told.value.address, told.value.pid) == ("http://127.0.0.1:1", first.pid)
    assert running(home)


def test_after_kill_9_the_home_is_free_and_the_old_file_is_seen_through(home: Home, child: Start) -> None:
    first = child("studio_holder", home.path)
    assert said(first) == "held"
    first.kill()
    first.wait()
    assert home.studio.exists()
    assert running(home) is None
    with claim(home) as held:
        assert not home.studio.exists()
        held.announce("http://127.0.0.1:2")
        now = running(home)
        assert now
        assert now.pid == os.getpid()


def test_a_damaged_studio_file_is_no_studio(home: Home) -> None:
    for text in ("", "{", "[]", '{"address": 1}'):
        home.studio.write_text(text)
        assert running(home) is None
