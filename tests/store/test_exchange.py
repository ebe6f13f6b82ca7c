"""Chats of files in the store: in, out, in again; and what was done with them in between."""

from __future__ import annotations

import asyncio
import io
import json
import random
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from story import Story
from story_truth import ROLEPLAY

from fabula.chats.book import Chats
from fabula.chats.exchange.desk import Exchange
from fabula.core.errors import ChatUnreadable
from fabula.store.database import Database
from fabula.store.events import MemoryEvents

REAL = sorted((ROLEPLAY / "chats").glob("*.jsonl"))


@pytest.fixture
def exchange(database: Database, chats: Chats) -> Exchange:
    return Exchange(database, chats)


def rows(content: str) -> list[Any]:
    return [json.loads(row) for row in content.split("\n") if row]


async def test_a_folder_of_sillytavern_comes_out_file_by_file_as_it_went_in(exchange: Exchange) -> None:
    taken = await exchange.take("ann", [(path.name, path.read_bytes()) for path in REAL])
    back: dict[str, str] = {}
    for one in taken:
        back |= dict(await exchange.files("ann", one.chat.id))
    assert {name: rows(content) for name, content in back.items()} == {
        path.stem: rows(path.read_text()) for path in REAL
    }
    assert len(taken) == len(REAL) - 2  # a branch and a checkpoint are parts of the chat they left


async def test_what_came_in_can_be_swiped_searched_and_goes_on(chats: Chats, exchange: Exchange) -> None:
    [main] = [path for path in REAL if path.stem.endswith("48s063ms")]
    [taken] = await exchange.take("ann", [(main.name, main.read_bytes())])
    story = Story(chats, taken.chat.id)
    page = await chats.page("ann", story.id)
    assert [message.swipe.count for message in page.messages][:3] == [3, 1, 2]
    assert [hit.excerpt for hit in await chats.search("ann", "lighthouse")] == [page.messages[1].text]
    await story.do("move_head", page.messages[2].swipe.ids[0])
    await story.do("add", "user", "And now?")
    files = dict(await exchange.files("ann", story.id))
    assert len(files) == 2  # the swipe that was gone on from is a branch now
    lengthened = next(rows(content) for content in files.values() if "And now?" in content)
    assert (lengthened[3]["mes"], lengthened[3]["swipe_id"]) == ("Mock reply 1", 0)


async def test_a_chat_that_was_begun_here_goes_out_and_comes_in_again(
    chats: Chats, exchange: Exchange
) -> None:
    story = await Story.begin(chats, "Hello", "Hi.")
    await story.reply("Hey.", kind="swipe")
    await story.do("add", "user", "Bye")
    await story.do("checkpoint", await story.id_of("Bye"), "The end")
    await story.do("leave_out", [await story.id_of("Hello")])
    await story.do("update", title="A night", system="Be brief.", sampling={"top_k": 5})
    files = await exchange.files("ann", story.id)
    assert [name for name, _ in files] == ["A night", "The end"]
    [again] = await exchange.take("ann", [(f"{name}.jsonl", content.encode()) for name, content in files])
    assert (again.chat.title, again.chat.system, again.chat.sampling) == (
        "A night",
        "Be brief.",
        {"top_k": 5},
    )
    page = (await chats.page("ann", again.chat.id)).messages
    assert [(m.text, m.swipe.count, m.checkpoint, m.left_out) for m in page] == [
        ("Hello", 1, "", True),
        ("Hey.", 2, "", False),
        ("Bye", 1, "The end", False),
    ]


async def test_several_files_are_handed_out_as_one_zip_file(chats: Chats, exchange: Exchange) -> None:
    story = await Story.begin(chats, "Hello", "Hi.", "Bye")
    await story.do("branch", await story.id_of("Hi."), "Hey.")
    await story.do("add", "user", "Stay")
    written = await exchange.give("ann", story.id, "jsonl")
    with zipfile.ZipFile(io.BytesIO(written.content)) as archive:
        assert len(archive.namelist()) == 2
    assert (
        await exchange.give("ann", story.id, "text")
    ).content == b"user: Hello\n\nassistant: Hey.\n\nuser: Stay\n"


async def test_a_file_of_no_known_program_is_refused_and_nothing_comes_in(
    chats: Chats, exchange: Exchange
) -> None:
    good = b'{"user_name":"u","character_name":"c"}\n{"mes":"Hi","is_user":true}'
    with pytest.raises(ChatUnreadable) as told:
        await exchange.take("ann", [("a.jsonl", good), ("b.json", b'{"what": 1}')])
    assert told.value.name == "b.json"
    assert await chats.list("ann") == []


# ── a thousand chats ────────────────────────────────────────────────────────────────────────────────

TEXT = st.text(max_size=8)
LINE = st.fixed_dictionaries(
    {"name": st.sampled_from(["Ann", "Mira"]), "is_user": st.booleans(), "mes": TEXT},
    optional={
        "is_system": st.booleans(),
        "send_date": st.sampled_from(["2026-11-21T18:35:48.076Z", "June 1, 2024 3:04pm", 1795286148076]),
        "extra": st.fixed_dictionaries(
            {}, optional={"bookmark_link": TEXT, "reasoning": TEXT, "bias": st.none()}
        ),
        "swipes": st.lists(TEXT, max_size=4),
        "swipe_id": st.integers(0, 3),
        "swipe_info": st.lists(
            st.fixed_dictionaries({"send_date": TEXT}, optional={"extra": st.just({})}), max_size=4
        ),
        "force_avatar": TEXT,
    },
)
METADATA = st.dictionaries(
    st.sampled_from(["integrity", "note_prompt", "variables", "tainted"]), TEXT | st.booleans()
)
PIECES = st.lists(st.tuples(METADATA, st.lists(LINE, max_size=5), st.integers(0, 5)), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def shared() -> Iterator[Exchange]:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "fabula.db")
        database.open()
        yield Exchange(database, Chats(database, MemoryEvents()))
        database.close()


@settings(max_examples=334, deadline=None)
@given(PIECES)
def test_a_thousand_chats_go_in_and_out_and_in_and_are_equal(
    shared: Exchange, pieces: list[tuple[dict[str, Any], list[dict[str, Any]], int]]
) -> None:
    """Three at a time: a chat and what branched off it, each with its own metadata."""
    written: dict[str, list[Any]] = {}
    for number, (metadata, lines, fork) in enumerate(pieces):
        main = {"main_chat": "chat 0"} if number else {}
        begun = written["chat 0"][1 : fork + 1] if number else []
        written[f"chat {number}"] = [{"chat_metadata": metadata | main, "user_name": "u"}, *begun, *lines]
    files = {name: "\n".join(map(json.dumps, lines)) for name, lines in written.items()}
    assert asyncio.run(_twice(shared, files)) == written


async def _twice(exchange: Exchange, files: dict[str, str]) -> dict[str, Any]:
    for _ in range(2):
        order = list(files.items())
        random.Random(0).shuffle(order)
        [taken] = await exchange.take("ann", [(f"{name}.jsonl", text.encode()) for name, text in order])
        files = dict(await exchange.files("ann", taken.chat.id))
    return {name: rows(text) for name, text in files.items()}


async def test_beginnings_of_words_are_found_where_the_words_alone_are_not_enough(
    chats: Chats, exchange: Exchange
) -> None:
    lines = [{"mes": "a lamp", "is_user": True}] * 200 + [
        {"mes": "lamplight by the seashore", "is_user": True}
    ]
    content = "\n".join(map(json.dumps, [{"user_name": "u"}, *lines]))
    await exchange.take("ann", [("many.jsonl", content.encode())])
    assert {hit.excerpt for hit in await chats.search("ann", "lamp", limit=200)} == {"a lamp"}
    assert [hit.excerpt for hit in await chats.search("ann", "sea")] == ["lamplight by the seashore"]
