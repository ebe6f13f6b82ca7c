"""Saved states of chats: what is found, what is thrown out, what a crash leaves."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from fabula.engine.cache.shelf import Shelf, State

MB = 1_000_000


def state(trace: tuple[int, ...] = (1, 2, 3), chat: str = "A") -> State:
    return State(fingerprint="model", owner="local", chat=chat, trace=trace)


def keep(shelf: Shelf, new: State, content: bytes = b"state") -> State:
    shelf.part(new).write_bytes(content)
    shelf.commit(new)
    return new


def names(shelf: Shelf) -> set[str]:
    return {path.name for path in shelf.folder.iterdir()}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "kv", 10 * MB)


def test_the_state_that_holds_most_of_a_prompt_is_found(shelf: Shelf) -> None:
    keep(shelf, state((1, 2, 3)))
    longer = keep(shelf, state((1, 2, 9, 9), chat="B"))
    found = shelf.best("model", "local", (1, 2, 9, 4))
    assert found
    assert found[0].trace == longer.trace
    assert found[1] == 3


def test_another_model_or_owner_finds_nothing(shelf: Shelf) -> None:
    keep(shelf, state((1, 2, 3)))
    assert shelf.best("model at another precision", "local", (1, 2, 3)) is None
    assert shelf.best("model", "somebody else", (1, 2, 3)) is None


def test_states_survive_the_studio(shelf: Shelf) -> None:
    kept = keep(shelf, state(tuple(range(5000))))
    later = Shelf(shelf.folder, 10 * MB)
    found = later.best("model", "local", kept.trace)
    assert found
    assert found[1] == 5000
    assert later.is_whole(found[0])


def test_the_longer_state_of_a_chat_takes_the_place_of_the_shorter(shelf: Shelf) -> None:
    old, new = keep(shelf, state((1, 2))), keep(shelf, state((1, 2, 3)))
    other_branch = keep(shelf, state((1, 7)))
    assert not shelf.holds(old)
    assert shelf.holds(new)
    assert shelf.holds(other_branch)


def test_the_one_used_longest_ago_goes_when_the_budget_is_spent(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 2500)
    a, b = (keep(shelf, state((n,), chat=f"{n}"), bytes(1000)) for n in (1, 2))
    found = shelf.best("model", "local", a.trace)
    assert found
    shelf.used(found[0])
    c = keep(shelf, state((3,), chat="3"), bytes(1000))
    assert [shelf.holds(kept) for kept in (a, b, c)] == [True, False, True]
    assert sum(path.stat().st_size for path in tmp_path.glob("*.kv")) <= 2500


def test_another_budget_holds_at_once(shelf: Shelf) -> None:
    a, b = (keep(shelf, state((n,), chat=f"{n}"), bytes(1000)) for n in (1, 2))
    shelf.allow(1500)
    assert [shelf.holds(kept) for kept in (a, b)] == [False, True]
    shelf.allow(0)
    assert names(shelf) == set()


def test_what_was_used_last_is_known_after_a_restart(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 10_000)
    a, b = (keep(shelf, state((n,), chat=f"{n}"), bytes(1000)) for n in (1, 2))
    for age, kept in ((100, b), (50, a)):
        then = shelf.file(kept).stat().st_mtime - age
        os.utime(shelf.file(kept).with_suffix(".json"), (then, then))
    smaller = Shelf(tmp_path, 1500)
    assert smaller.holds(a)
    assert not smaller.holds(b)


def test_a_budget_of_nothing_keeps_nothing(tmp_path: Path) -> None:
    assert not Shelf(tmp_path, 0).has_room(0)
    assert not Shelf(tmp_path, 100).has_room(101)
    assert not Shelf(tmp_path, 1 << 60).has_room(1 << 59)  # no disk is that large


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(b"x" + file.read_bytes()[1:]),
        lambda file: file.write_bytes(b""),
        lambda file: file.unlink(),
    ],
    ids=["truncated", "changed", "empty", "gone"],
)
def test_a_damaged_file_is_noticed(shelf: Shelf, damage) -> None:  # type: ignore[no-untyped-def]
    kept = keep(shelf, state(), os.urandom(2000))
    found = shelf.best("model", "local", kept.trace)
    assert found
    assert shelf.is_whole(found[0])
    damage(shelf.file(kept))
    assert not shelf.is_whole(found[0])


def test_what_a_killed_studio_left_half_written_is_cleared_away(shelf: Shelf) -> None:
    whole = keep(shelf, state())
    shelf.part(state((8, 8))).write_bytes(b"half a st")
    (shelf.folder / "0123.kv").write_bytes(b"renamed, but never described")
    (shelf.folder / "4567.json").write_text('{"fingerprint": "mod', encoding="utf-8")
    later = Shelf(shelf.folder, 10 * MB)
    assert names(later) == {f"{whole.name}.kv", f"{whole.name}.json"}


@pytest.mark.parametrize("text", ["", "[]", "null", '{"trace": "AAAA"}', '{"trace": 5}', "\x00\x01", "{}"])
def test_a_damaged_description_is_cleared_away(shelf: Shelf, text: str) -> None:
    kept = keep(shelf, state())
    shelf.file(kept).with_suffix(".json").write_text(text, encoding="utf-8")
    assert names(Shelf(shelf.folder, 10 * MB)) == set()


def test_a_file_of_the_wrong_length_is_cleared_away_at_the_start(shelf: Shelf) -> None:
    kept = keep(shelf, state())
    shelf.file(kept).write_bytes(b"sta")
    assert names(Shelf(shelf.folder, 10 * MB)) == set()


def test_states_of_no_chat_are_gone_after_a_restart(shelf: Shelf) -> None:
    keep(shelf, state((1, 2), chat=""))
    assert names(Shelf(shelf.folder, 10 * MB)) == set()


def test_what_cannot_be_committed_leaves_nothing(shelf: Shelf) -> None:
    with pytest.raises(OSError):
        shelf.commit(state())  # the engine has written nothing
    assert names(shelf) == set()


def test_a_deleted_chat_leaves_nothing_and_nothing_comes_after(shelf: Shelf) -> None:
    mine, other = keep(shelf, state((1, 2))), keep(shelf, state((1, 3), chat="B"))
    shelf.forget("A")
    assert names(shelf) == {f"{other.name}.kv", f"{other.name}.json"}
    assert not shelf.wants(mine)
    keep(shelf, mine)  # it was being written while the chat was deleted
    assert names(shelf) == {f"{other.name}.kv", f"{other.name}.json"}


def test_a_state_that_was_thrown_out_while_it_was_restored_is_no_failure(shelf: Shelf) -> None:
    kept = keep(shelf, state())
    shelf.discard(kept)
    shelf.used(kept)
    assert not shelf.holds(kept)
    assert names(shelf) == set()


def test_what_cannot_be_removed_is_in_nobodys_way(shelf: Shelf) -> None:
    whole = keep(shelf, state())
    for name in ("0123.kv", "4567.json", "89ab.part"):
        (shelf.folder / name).mkdir()
    later = Shelf(shelf.folder, 10 * MB)
    assert later.holds(whole)
    assert later.has_room(1)


def test_a_folder_that_goes_while_the_studio_runs_comes_back_with_the_next_state(shelf: Shelf) -> None:
    shutil.rmtree(shelf.folder)
    assert shelf.has_room(1)
    kept = keep(shelf, state())
    assert shelf.is_whole(shelf.best("model", "local", kept.trace)[0])  # type: ignore[index]


def test_a_folder_that_is_none_keeps_nothing_and_fails_nobody(tmp_path: Path) -> None:
    (tmp_path / "kv").write_text("a file", encoding="utf-8")
    shelf = Shelf(tmp_path / "kv", 10 * MB)
    assert not shelf.has_room(1)
    assert shelf.best("model", "local", (1, 2, 3)) is None
