"""The journal of a batch: what is over stays over, whatever ends the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabula.batches.journal import Journal, digest
from fabula.core.errors import BatchChanged

PARTS = {"template": "t", "rows": "r", "model": "m", "sampling": "s"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.csv.journal"


def test_a_row_that_was_written_is_over_after_a_new_start(path: Path) -> None:
    journal = Journal.open(path, PARTS)
    journal.add(2, {"answer": "二\u2028"})
    journal.add(1, {"answer": "one"})
    journal.close()
    journal = Journal.open(path, PARTS)
    assert (journal.rows, journal.told(2)) == ({1, 2}, {"row": 2, "answer": "二\u2028"})
    journal.close()


@pytest.mark.parametrize("kept", [0, 5, -1, -20])
def test_a_line_that_was_cut_counts_as_none_and_the_next_one_is_whole(path: Path, kept: int) -> None:
    journal = Journal.open(path, PARTS)
    journal.add(1, {"answer": "one"})
    journal.add(2, {"answer": "a long answer of many words"})
    journal.close()
    path.write_bytes(path.read_bytes()[:kept])
    for _ in range(2):
        journal = Journal.open(path, PARTS)
        assert journal.rows <= ({1, 2, 3} if kept == -1 else {1, 3})
        journal.add(3, {"answer": "three"})
        assert journal.told(3)["answer"] == "three"
        journal.close()


def test_a_batch_that_was_begun_otherwise_is_told_by_what_differs(path: Path) -> None:
    Journal.open(path, PARTS).close()
    for part, words in (
        ("template", "template"),
        ("rows", "rows"),
        ("model", "model"),
        ("sampling", "sampling"),
    ):
        with pytest.raises(BatchChanged, match=words):
            Journal.open(path, PARTS | {part: "other"})
    Journal.open(path, PARTS).close()


def test_a_row_may_be_asked_again_and_its_last_line_holds(path: Path) -> None:
    journal = Journal.open(path, PARTS)
    journal.add(1, {"status": "error", "again": True})
    assert (journal.rows, journal.told(1)["status"]) == (frozenset(), "error")
    journal.add(1, {"status": "ok"})
    journal.close()
    journal = Journal.open(path, PARTS)
    assert (journal.rows, journal.told(1)["status"]) == ({1}, "ok")
    journal.close()


def test_a_digest_tells_parts_apart() -> None:
    assert digest("ab", "c") != digest("a", "bc") != digest("abc")
