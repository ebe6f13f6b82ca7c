"""The library of characters: kept whole, found quickly, changed only by who saw it as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from story_truth import ROLEPLAY

from fabula.chats.characters import png, shelf
from fabula.chats.characters.card import card
from fabula.chats.characters.library import Characters
from fabula.chats.characters.reading import read
from fabula.chats.characters.shelf import Filter, Marks
from fabula.core.errors import BadParameter, CharacterChanged, CharacterNotFound
from fabula.store.database import Database
from fabula.store.media import Media


@pytest.fixture
def library(database: Database, tmp_path: Path) -> Characters:
    return Characters(database, Media(tmp_path / "media"))


def content(name: str) -> bytes:
    return (ROLEPLAY / name).read_bytes()


def pixels(picture: bytes) -> list[bytes]:
    return [picture[chunk.start : chunk.end] for chunk in png.chunks(picture) if chunk.kind == b"IDAT"]


KEEPER = {"data": {"name": "Mira", "description": "keeper of the lighthouse. 守燈塔的人"}}


async def filled(library: Characters, *names: str) -> list[str]:
    return [(await library.create("ann", {"data": {"name": name}})).id for name in names]


async def names(library: Characters, wanted: Filter = Filter()) -> list[str]:  # noqa: B008  # frozen
    return [one.name for one in (await library.page("ann", wanted)).characters]


async def test_a_file_goes_in_and_comes_out_whole(library: Characters) -> None:
    taken = await library.take("ann", "mira.charx", content("mira.charx"))
    again = read("a.charx", await library.file("ann", taken.id, "charx"))
    before = read("mira.charx", content("mira.charx"))
    assert again.card.data == {**before.card.data}
    assert (again.picture, again.files) == (before.picture, before.files)


async def test_pixels_stay_through_an_edit(library: Characters) -> None:
    taken = await library.take("ann", "mira_v2.png", content("mira_v2.png"))
    await library.edit("ann", taken.id, 1, {"name": "Mirabel"})
    after = await library.file("ann", taken.id, "png")
    assert pixels(after) == pixels(content("mira_v2.png"))
    assert read("a.png", after).card.name == "Mirabel"


async def test_the_stale_one_is_told_and_overwrites_nothing(library: Characters) -> None:
    [id] = await filled(library, "Mira")
    await library.edit("ann", id, 1, {"description": "by the first"})
    with pytest.raises(CharacterChanged) as stale:
        await library.edit("ann", id, 1, {"description": "by the second"})
    assert (stale.value.given, stale.value.current) == (1, 2)
    assert (await library.get("ann", id)).card.text("description") == "by the first"


async def test_nobody_sees_another_s_characters(library: Characters) -> None:
    [id] = await filled(library, "Mira")
    with pytest.raises(CharacterNotFound):
        await library.get("bob", id)
    assert await library.mark("bob", [id], Marks(trashed=True)) == 0


async def test_a_character_needs_a_name(library: Characters) -> None:
    with pytest.raises(BadParameter):
        await filled(library, " ")


async def test_names_are_sorted_as_people_read_them(library: Characters) -> None:
    await filled(library, "bea", "Ann", "Cid")
    assert await names(library) == ["Ann", "bea", "Cid"]


@pytest.mark.parametrize("words", ["lighthouse", "LIGHT", "keeper lig", "燈塔", "塔", "守燈塔"])
async def test_found_by_words_in_any_script(library: Characters, words: str) -> None:
    await library.create("ann", KEEPER)
    await filled(library, "Bea")
    assert await names(library, Filter(words=words)) == ["Mira"]


@pytest.mark.parametrize("words", ["塔燈", "house", "!?", 'a" OR "mira'])
async def test_not_found_by_what_is_not_there(library: Characters, words: str) -> None:
    await library.create("ann", KEEPER)
    assert await names(library, Filter(words=words)) == []


async def test_a_change_is_found_and_what_it_replaced_is_not(library: Characters) -> None:
    [id] = await filled(library, "Mira")
    await library.edit("ann", id, 1, {"name": "Bea"})
    assert await names(library, Filter(words="mira")) == []
    assert await names(library, Filter(words="bea")) == ["Bea"]


async def test_tags_of_the_card_and_one_s_own(library: Characters) -> None:
    taken = await library.take("ann", "mira_v2.json", content("mira_v2.json"))
    await library.mark("ann", [taken.id], Marks(add_tags=["sea", " "], remove_tags=["test"]))
    await library.edit("ann", taken.id, 1, {"tags": ["tower"]})
    assert await library.tags("ann") == {"sea": 1, "tower": 1}
    assert await names(library, Filter(tags=("sea", "tower"))) == ["Mira"]


async def test_many_are_changed_at_once(library: Characters) -> None:
    ids = await filled(library, "Ann", "Bea", "Cid")
    assert await library.mark("ann", ids[:2], Marks(folder="crew", favourite=True)) == 2
    assert await names(library, Filter(folder="crew", favourite=True)) == ["Ann", "Bea"]
    assert await library.folders("ann") == {"crew": 2}


async def test_the_trash_gives_back_and_erasing_does_not(library: Characters) -> None:
    ids = await filled(library, "Ann", "Bea")
    await library.mark("ann", ids, Marks(trashed=True))
    assert (await names(library), await names(library, Filter(trashed=True))) == ([], ["Ann", "Bea"])
    await library.mark("ann", ids[:1], Marks(trashed=False))
    assert await library.erase("ann", ids[1:]) == 1
    assert (await names(library), await names(library, Filter(trashed=True))) == (["Ann"], [])


async def test_pages_cover_the_library_once(library: Characters, database: Database) -> None:
    def fill(connection: Connection) -> None:
        for number in range(250):
            shelf.add(connection, "ann", card({"data": {"name": f"{number:03}", "description": "sailor"}}))

    await database.write(fill)
    pages = [await library.page("ann", Filter(words="sailor"), at, 100) for at in (0, 100, 200)]
    assert {page.total for page in pages} == {250}
    assert len({one.id for page in pages for one in page.characters}) == 250


async def test_the_index_stays_whole(library: Characters, database: Database) -> None:
    ids = await filled(library, "Ann", "Bea")
    await library.edit("ann", ids[0], 1, {"name": "Cid"})
    await library.erase("ann", ids[1:])
    check = text("INSERT INTO search_index(search_index, rank) VALUES ('integrity-check', 1)")
    await database.write(lambda c: c.execute(check))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(min_size=1).filter(lambda name: name.strip()), words=st.text())
async def test_any_name_is_kept_and_any_search_is_answered(
    library: Characters, name: str, words: str
) -> None:
    made = await library.create("ann", {"data": {"name": name}})
    assert (await library.get("ann", made.id)).name == made.card.name
    assert (await library.page("ann", Filter(words=words))).total >= 0
