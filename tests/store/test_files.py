"""Files that are whole or not there, and names that stay in their folder."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from fabula.core.errors import NoDiskSpace, StoreUnwritable
from fabula.store.files import free_space, is_safe_name, require_space, write_atomic
from fabula.store.home import FOLDERS, Home


def test_a_file_is_replaced_as_a_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_atomic(file, b"old")
    write_atomic(file, b"new")
    assert file.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_folder_that_is_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(StoreUnwritable):
        write_atomic(tmp_path / "home" / "a", b"")
    with pytest.raises(StoreUnwritable):
        Home(tmp_path / "home").create()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights")
def test_only_this_user_may_look_into_the_home(tmp_path: Path) -> None:
    home = Home(tmp_path / "deep" / "home").create()
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert {path.name for path in home.path.iterdir()} == set(FOLDERS)


def test_too_little_space_is_said_with_numbers(tmp_path: Path) -> None:
    require_space(tmp_path / "not" / "yet", 1)
    needed = free_space(tmp_path) + 2**50
    with pytest.raises(NoDiskSpace) as told:
        require_space(tmp_path, needed)
    assert told.value.needed == needed


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "a\\b", "con", "NUL.txt", "a:b", "x" * 121, "é"]
)
def test_names_that_could_lead_elsewhere_are_not_safe(name: str) -> None:
    assert not is_safe_name(name)


def test_ids_are_safe_names() -> None:
    assert is_safe_name("01a1ffe91eb8b8770c8dc0f2")
