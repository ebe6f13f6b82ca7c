"""Backup and the way back, also with damaged and hostile files."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from story import Story

from fabula.chats.book import Chats
from fabula.core.errors import BackupInvalid, DatabaseTooNew, StudioRunning
from fabula.store.backup import MANIFEST, backup, is_expected, restore
from fabula.store.database import Database
from fabula.store.events import MemoryEvents
from fabula.store.home import Home
from fabula.store.migrations import HEAD
from fabula.store.studio import claim


async def fill(home: Home, *texts: str) -> str:
    """A home with a chat, a setting, a medium, a secret and a model."""
    database = Database(home.database)
    database.open()
    story = await Story.begin(Chats(database, MemoryEvents()), *texts)
    database.close()
    home.config.write_text("port = 1\n")
    (home.media / "ab").mkdir(exist_ok=True)
    (home.media / "ab" / "picture.png").write_bytes(b"\x89PNG" + bytes(5000))
    home.secrets.write_text("token = 'hush'\n")
    (home.models / "model.gguf").write_bytes(b"GGUF")
    return story.id


async def texts_of(home: Home, chat_id: str) -> list[str]:
    database = Database(home.database)
    database.open()
    page = await Chats(database, MemoryEvents()).page("ann", chat_id)
    database.close()
    return [message.text for message in page.messages]


def state(home: Home) -> dict[str, bytes]:
    """Everything a backup could change."""
    files = [home.config, *home.media.rglob("*.png")]
    return {str(path): path.read_bytes() for path in files if path.exists()}


async def test_a_backup_holds_what_a_person_made_but_no_secrets_and_no_models(home: Home) -> None:
    await fill(home, "Hello")
    with zipfile.ZipFile(backup(home)) as archive:
        assert set(archive.namelist()) == {"fabula.db", "config.toml", "media/ab/picture.png", MANIFEST}
        assert not any(b"hush" in archive.read(name) for name in archive.namelist())


async def test_a_backup_can_be_made_while_the_home_is_in_use(home: Home, chats: Chats) -> None:
    story = await Story.begin(chats, "Hello")
    file = backup(home)
    await story.do("add", "assistant", "Hi.")
    other = Home(home.path.parent / "other")
    restore(other, file)
    assert await texts_of(other, story.id) == ["Hello"]


async def test_going_back_restores_chats_settings_and_media_and_keeps_what_was_there(home: Home) -> None:
    old = await fill(home, "Hello", "Hi.")
    file = backup(home)
    new = await fill(home, "Later")
    home.config.write_text("port = 2\n")
    (home.media / "ab" / "new.png").write_bytes(b"new")
    kept = restore(home, file)
    assert await texts_of(home, old) == ["Hello", "Hi."]
    assert home.config.read_text() == "port = 1\n"
    assert sorted(path.name for path in home.media.rglob("*.png")) == ["picture.png"]
    assert home.secrets.exists()
    assert await texts_of(Home(kept), new) == ["Later"]
    assert (kept / "config.toml").read_text() == "port = 2\n"
    assert (kept / "media" / "ab" / "new.png").read_bytes() == b"new"


async def test_what_was_not_yet_merged_into_the_database_is_kept_too(home: Home) -> None:
    story = await fill(home, "Hello")
    file = backup(home)
    open_database = Database(home.database)
    open_database.open()
    later = await Story.begin(Chats(open_database, MemoryEvents()), "Only in the log")
    kept = restore(home, file)  # as after kill -9: the write-ahead log still lies beside the file
    assert await texts_of(Home(kept), later.id) == ["Only in the log"]
    assert await texts_of(home, story) == ["Hello"]
    open_database.close()


async def test_a_running_studio_is_not_pulled_from_under(home: Home) -> None:
    await fill(home, "Hello")
    file = backup(home)
    with claim(home), pytest.raises(StudioRunning):
        restore(home, file)


def rewrite(file: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    with zipfile.ZipFile(file) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    change(contents)
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)


def wrong_bytes(contents: dict[str, bytes]) -> None:
    contents["config.toml"] = b"port = 9\n"


def file_too_many(contents: dict[str, bytes]) -> None:
    contents["media/extra.png"] = b"x"


def file_too_few(contents: dict[str, bytes]) -> None:
    del contents["media/ab/picture.png"]


def way_out(contents: dict[str, bytes]) -> None:
    manifest = json.loads(contents[MANIFEST])
    manifest["files"]["media/../../evil"] = manifest["files"].pop("config.toml")
    contents["media/../../evil"] = contents.pop("config.toml")
    contents[MANIFEST] = json.dumps(manifest).encode()


def no_manifest(contents: dict[str, bytes]) -> None:
    del contents[MANIFEST]


def broken_manifest(contents: dict[str, bytes]) -> None:
    contents[MANIFEST] = b'{"format": 1, "files": []}'


def unknown_format(contents: dict[str, bytes]) -> None:
    contents[MANIFEST] = contents[MANIFEST].replace(b'"format": 1', b'"format": 2')


def no_database(contents: dict[str, bytes]) -> None:
    manifest = json.loads(contents[MANIFEST])
    del manifest["files"]["fabula.db"], contents["fabula.db"]
    contents[MANIFEST] = json.dumps(manifest).encode()


DAMAGES = [
    wrong_bytes,
    file_too_many,
    file_too_few,
    way_out,
    no_manifest,
    broken_manifest,
    unknown_format,
    no_database,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
async def test_a_damaged_or_hostile_backup_is_refused_and_changes_nothing(
    home: Home, damage: Callable[[dict[str, bytes]], None]
) -> None:
    chat = await fill(home, "Hello")
    file = backup(home)
    rewrite(file, damage)
    before = state(home)
    with pytest.raises(BackupInvalid) as told:
        restore(home, file)
    assert "reasons." not in told.value.sentence("zh-Hant"), "the reason is said in the reader's language"
    assert state(home) == before
    assert await texts_of(home, chat) == ["Hello"]
    assert not (home.path.parent / "evil").exists()
    assert not list(home.path.glob(".restore-*"))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
async def test_a_truncated_backup_is_refused(home: Home, share: float) -> None:
    chat = await fill(home, "Hello")
    file = backup(home)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BackupInvalid):
        restore(home, file)
    assert await texts_of(home, chat) == ["Hello"]


async def test_a_backup_with_a_flipped_bit_is_refused(home: Home) -> None:
    await fill(home, "Hello")
    file = backup(home)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(BackupInvalid):
        restore(home, file)


async def test_a_backup_of_a_newer_program_is_refused(home: Home) -> None:
    chat = await fill(home, "Hello")
    database = Database(home.database)
    database.write_sync(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    newer = backup(home)
    database.write_sync(lambda c: c.execute(text(f"UPDATE alembic_version SET version_num = '{HEAD}'")))
    database.close()
    with pytest.raises(DatabaseTooNew):
        restore(home, newer)
    assert await texts_of(home, chat) == ["Hello"]


def test_a_file_that_is_not_there_is_refused(home: Home) -> None:
    with pytest.raises(BackupInvalid):
        restore(home, home.backups / "nothing.zip")


@pytest.mark.parametrize(
    "name",
    [
        "../a",
        "/etc/passwd",
        "media/../x",
        "media//x",
        "media\\..\\x",
        "c:/x",
        "media",
        "secrets.toml",
        "media/a:b",
    ],
)
def test_names_that_lead_elsewhere_are_not_expected(name: str) -> None:
    assert not is_expected(name)
