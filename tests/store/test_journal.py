"""The journal of a turn: what was appended is there, whatever became of the process."""

from __future__ import annotations

import pytest

from fabula.core.errors import StoreUnwritable, TurnNotFound
from fabula.core.seams import Event
from fabula.store.home import Home
from fabula.store.journal import FileJournal

EVENTS = [Event(1, "start", {"model": "m"}), Event(2, "text", {"text": "你好\n", "ids": [1, 2]})]


@pytest.fixture
def journal(home: Home) -> FileJournal:
    return FileJournal(home.journal)


def test_what_is_appended_can_be_read_while_the_turn_runs(journal: FileJournal) -> None:
    record = journal.begin("turn", {"chat_id": "c"})
    for event in EVENTS:
        record.append(event)
    assert journal.read("turn") == ({"chat_id": "c"}, EVENTS)
    assert journal.read("turn", after=1) == ({"chat_id": "c"}, EVENTS[1:])
    record.close()


def test_unfinished_turns_are_known_until_they_are_folded(journal: FileJournal) -> None:
    for id in ("first", "second"):
        journal.begin(id, {}).close()
    assert sorted(journal.unfinished()) == ["first", "second"]
    journal.fold("first")
    journal.fold("first")
    assert journal.unfinished() == ["second"]
    with pytest.raises(TurnNotFound):
        journal.read("first")


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_torn_last_line_costs_only_itself(journal: FileJournal, home: Home, cut: int) -> None:
    record = journal.begin("turn", {"chat_id": "c"})
    for event in EVENTS:
        record.append(event)
    record.close()
    file = home.journal / "turn.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    header, events = journal.read("turn")
    assert header == {"chat_id": "c"}
    assert events == EVENTS[: 2 if cut == 1 else 1]


def test_a_torn_header_means_that_nothing_was_shown(journal: FileJournal, home: Home) -> None:
    journal.begin("turn", {"chat_id": "c"}).close()
    (home.journal / "turn.jsonl").write_bytes(b'{"chat')
    assert journal.read("turn") == ({}, [])


def test_text_that_is_no_valid_unicode_survives(journal: FileJournal) -> None:
    record = journal.begin("turn", {})
    record.append(Event(1, "text", {"text": "half a pair \ud83d"}))
    record.close()
    assert journal.read("turn")[1][0].data["text"] == "half a pair \ud83d"


@pytest.mark.parametrize("id", ["../elsewhere", "", "a/b", ".hidden"])
def test_an_id_never_leads_out_of_the_folder(journal: FileJournal, id: str) -> None:
    with pytest.raises(TurnNotFound):
        journal.read(id)
    with pytest.raises(TurnNotFound):
        journal.begin(id, {})


def test_one_turn_has_one_journal(journal: FileJournal) -> None:
    journal.begin("turn", {"first": True}).close()
    with pytest.raises(StoreUnwritable):
        journal.begin("turn", {})
    assert journal.read("turn")[0] == {"first": True}


def test_a_disk_that_is_full_for_a_while_is_told_and_costs_one_line(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    record = journal.begin("turn", {})
    record.append(EVENTS[0])
    with monkeypatch.context() as full:
        whole = os.write
        full.setattr(os, "write", lambda handle, data: whole(handle, data[:5]))
        with pytest.raises(StoreUnwritable):
            record.append(Event(2, "text", {"text": "lost"}))
    record.append(Event(3, "text", {"text": "kept"}))
    record.close()
    assert [event.id for event in journal.read("turn")[1]] == [1, 3]
