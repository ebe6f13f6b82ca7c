"""Novels as they are kept: versions, undo, stale writers, passages, what a killed studio left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from fabula.chats.novels import pieces
from fabula.chats.novels.book import Novels
from fabula.chats.novels.records import Summed
from fabula.core.errors import NothingToUndo, NovelChanged, NovelNotFound, PassageMoved
from fabula.prompt.novel.model import anchor
from fabula.store.database import Database
from fabula.store.events import MemoryEvents


@pytest.fixture
def novels(database: Database) -> Novels:
    return Novels(database, MemoryEvents())


async def shown(novels: Novels, id: str) -> str:
    novel, texts = await novels.texts("ann", id)
    return pieces.text_of(texts[novel.chapters[0].id])


def passage(novel: Any, number: int, text: str, start: int, before: str) -> dict[str, Any]:
    return {
        "id": f"p{number}",
        "chapter_id": novel.chapters[0].id,
        "turn_id": "t",
        "number": number,
        "kind": "continue",
        "start": start,
        "replaced": "",
        "before": before,
        "instruction": "",
        "reason": "stop",
        "facts": {},
        "runs": [{"text": text, "ids": [1, 2], "tokenizer": "hash"}],
    }


async def test_every_edit_is_a_version_that_can_be_undone_and_redone(novels: Novels) -> None:
    novel = await novels.create("ann", {"title": "Coast"}, [("One", "The fog came.")])
    chapter = novel.chapters[0].id
    change = await novels.edit("ann", novel.id, novel.revision, chapter, "The cold fog came.")
    assert (change.start, change.removed, change.inserted) == (4, 0, "cold ")
    back = await novels.undo("ann", novel.id, change.novel.revision)
    assert await shown(novels, novel.id) == "The fog came."
    await novels.redo("ann", novel.id, back.novel.revision)
    assert await shown(novels, novel.id) == "The cold fog came."
    assert [one.inserted for one in await novels.versions("ann", novel.id, chapter)] == [
        "cold ",
        "The fog came.",
    ]


async def test_everything_of_a_novel_can_be_undone(novels: Novels) -> None:
    first = await novels.create("ann", {"title": "Coast"})
    named = await novels.change(
        "ann", first.id, first.revision, {"title": "Sea", "settings": {"outline": "x"}}
    )
    longer = await novels.add_chapter("ann", first.id, named.revision, {"title": "Two", "text": "Rain."}, 0)
    moved = await novels.change_chapter(
        "ann", first.id, longer.revision, longer.chapters[0].id, {"at": 1, "notes": "slow"}
    )
    gone = await novels.remove_chapter("ann", first.id, moved.revision, moved.chapters[1].id)
    revision = gone.revision
    for _ in range(4):
        revision = (await novels.undo("ann", first.id, revision)).novel.revision
    now = await novels.get("ann", first.id)
    assert (now.title, now.settings, len(now.chapters), now.can_undo) == ("Coast", {}, 1, False)
    with pytest.raises(NothingToUndo):
        await novels.undo("ann", first.id, revision)


async def test_a_stale_writer_is_told_and_gets_the_text_back(novels: Novels) -> None:
    novel = await novels.create("ann", {})
    chapter = novel.chapters[0].id
    await novels.edit("ann", novel.id, novel.revision, chapter, "First.")
    with pytest.raises(NovelChanged) as told:
        await novels.edit("ann", novel.id, novel.revision, chapter, "Second.")
    assert (told.value.text, told.value.current) == ("Second.", novel.revision + 1)
    assert await shown(novels, novel.id) == "First."


async def test_another_owner_sees_no_novel(novels: Novels) -> None:
    novel = await novels.create("ann", {})
    with pytest.raises(NovelNotFound):
        await novels.get("bob", novel.id)


async def test_what_a_turn_wrote_is_kept_once_and_can_be_exchanged(novels: Novels) -> None:
    novel = await novels.create("ann", {}, [("", "It rained.")])
    version, before = novel.chapters[0].version_id, anchor("It rained.", 10)
    written = [passage(novel, n, text, 10, before) for n, text in enumerate((" All day.", " A little."))]
    for _ in range(2):
        change, ids = await novels.finish_turn("ann", novel.id, written, version)
    assert (ids, await shown(novels, novel.id)) == (["p0", "p1"], "It rained. All day.")
    assert change
    other = await novels.choose("ann", novel.id, change.novel.revision, "p1")
    assert await shown(novels, novel.id) == "It rained. A little."
    assert [(one.id, one.stands) for one in await novels.passages("ann", novel.id)] == [
        ("p0", False),
        ("p1", True),
    ]
    edited = await novels.edit("ann", novel.id, other.novel.revision, novel.chapters[0].id, "Sun.")
    with pytest.raises(PassageMoved):
        await novels.choose("ann", novel.id, edited.novel.revision, "p0")


async def test_what_was_written_for_an_older_text_waits_to_be_chosen(novels: Novels) -> None:
    novel = await novels.create("ann", {}, [("", "It rained.")])
    written = [passage(novel, 0, " All day.", 10, anchor("It rained.", 10))]
    await novels.edit("ann", novel.id, novel.revision, novel.chapters[0].id, "It rained. Hard.")
    await novels.finish_turn("ann", novel.id, written, novel.chapters[0].version_id)
    assert await shown(novels, novel.id) == "It rained. Hard."
    assert [one.text for one in await novels.passages("ann", novel.id)] == [" All day."]


async def test_in_a_notebook_another_token_is_picked_and_what_followed_goes(novels: Novels) -> None:
    note = await novels.create("ann", {"kind": "notebook"}, [("", "The")])
    tokens = [[5, " cat", -0.1, [[5, " cat", -0.1], [6, " dog", -2.0]]], [7, " sat", -0.2, []]]
    row = passage(note, 0, " cat sat", 3, anchor("The", 3))
    row["runs"] = [{"text": " cat sat", "ids": [5, 7], "tokenizer": "hash", "tokens": tokens}]
    change, _ = await novels.finish_turn("ann", note.id, [row], note.chapters[0].version_id)
    assert change
    await novels.pick("ann", note.id, change.novel.revision, note.chapters[0].id, 3, 6)
    assert await shown(novels, note.id) == "The dog"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    some.lists(some.tuples(some.integers(0, 40), some.integers(0, 10), some.text(max_size=8)), max_size=70)
)
async def test_after_any_edits_the_text_is_what_was_written_and_undo_leads_back(
    novels: Novels, edits: list[tuple[int, int, str]]
) -> None:
    novel = await novels.create("ann", {}, [("", "Begin.")])
    text, revision, chapter = "Begin.", novel.revision, novel.chapters[0].id
    history = [text]
    for at, removed, inserted in edits:
        at = min(at, len(text))
        end = min(at + removed, len(text))
        text = text[:at] + inserted + text[end:]
        change = await novels.edit("ann", novel.id, revision, chapter, inserted, at, end)
        if change.novel.revision != revision:
            history.append(text)
        revision = change.novel.revision
    assert await shown(novels, novel.id) == text
    for before in reversed(history[:-1]):
        revision = (await novels.undo("ann", novel.id, revision)).novel.revision
        assert await shown(novels, novel.id) == before


async def test_passages_are_counted_as_they_stand_and_an_undo_takes_one_back(novels: Novels) -> None:
    novel = await novels.create("ann", {}, [("", "It rained.")])
    chapter = novel.chapters[0]
    written = [passage(novel, number, text, 10, anchor("It rained.", 10)) for number, text in enumerate("ab")]
    change, _ = await novels.finish_turn("ann", novel.id, written, chapter.version_id)
    assert change
    chosen = await novels.choose("ann", novel.id, change.novel.revision, "p1")
    version = chosen.novel.chapters[0].version_id
    elsewhere, here = (chapter.id, 0, ""), (chapter.id, 10, anchor("It rained.", 10))
    assert await novels.written("ann", novel.id, [version], elsewhere) == 1
    assert await novels.written("ann", novel.id, [version], here) == 0
    assert await novels.written("ann", novel.id, [chapter.version_id], elsewhere) == 0


async def test_several_tries_at_one_place_count_as_one_passage_and_each_can_be_chosen(novels: Novels) -> None:
    novel = await novels.create("ann", {}, [("", "It rained.")])
    chapter = novel.chapters[0]
    there = anchor("It rained.", 10)
    change, _ = await novels.finish_turn(
        "ann", novel.id, [passage(novel, 0, " Ann ran.", 10, there)], chapter.version_id
    )
    assert change
    again = passage(novel, 0, " Ann hid.", 10, there) | {
        "id": "q0",
        "turn_id": "t2",
        "replaced": " Ann ran.",
    }
    second, _ = await novels.finish_turn("ann", novel.id, [again], change.novel.chapters[0].version_id)
    assert second
    version = second.novel.chapters[0].version_id
    assert await novels.written("ann", novel.id, [version], (chapter.id, 0, "")) == 1
    first = await novels.choose("ann", novel.id, second.novel.revision, "p0")
    _, runs = await novels.text("ann", novel.id, chapter.id)
    assert pieces.text_of(runs) == "It rained. Ann ran."
    back = await novels.choose("ann", novel.id, first.novel.revision, "q0")
    assert (back.removed, back.inserted) == (9, " Ann hid.")


async def test_what_a_model_wrote_stays_its_own_when_a_word_of_it_is_edited(novels: Novels) -> None:
    novel = await novels.create("ann", {}, [("", "It rained.")])
    chapter = novel.chapters[0]
    row = passage(novel, 0, " All day long.", 10, anchor("It rained.", 10))
    row |= {"runs": [{"text": " All day long.", "ids": [7, 8, 9], "tokenizer": "hash"}]}
    change, _ = await novels.finish_turn("ann", novel.id, [row], chapter.version_id)
    assert change
    await novels.edit("ann", novel.id, change.novel.revision, chapter.id, "night", 15, 18)
    _, runs = await novels.text("ann", novel.id, chapter.id)
    assert [(run["text"], pieces.by_model(run)) for run in runs] == [
        ("It rained.", False),
        (" All ", True),
        ("night", False),
        (" long.", True),
    ]


async def test_a_summary_that_comes_by_itself_makes_nobodys_revision_old_and_spares_a_persons(
    novels: Novels,
) -> None:
    novel = await novels.create("ann", {}, [("", "It rained.")])
    chapter = novel.chapters[0].id
    summed = Summed.of_text("It rained.", edited=False)
    await novels.sum_up("ann", novel.id, chapter, "Rain.", summed)
    now = await novels.get("ann", novel.id)
    assert (now.revision, now.chapters[0].summary) == (novel.revision, "Rain.")
    edited = await novels.change_chapter("ann", novel.id, now.revision, chapter, {"summary": "Much rain."})
    assert edited.chapters[0].summed == replace(summed, edited=True)
    await novels.sum_up("ann", novel.id, chapter, "Rain.", summed)
    assert (await novels.get("ann", novel.id)).chapters[0].summary == "Much rain."
