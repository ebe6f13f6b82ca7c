"""The schema and its history: one line of steps that ends where the tables are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from fabula.chats.book import Chats
from fabula.core.errors import DatabaseTooNew, StoreUnwritable
from fabula.store.database import Database, migrate, revision
from fabula.store.events import MemoryEvents
from fabula.store.migrations import HEAD
from fabula.store.schema import metadata
from fabula.store.search import INDEX

FOLDER = Path(__file__).parents[2] / "fabula" / "store" / "migrations"
STEPS = [step.revision for step in ScriptDirectory(str(FOLDER)).walk_revisions()][::-1]


def test_the_history_has_one_head_and_it_is_the_one_written_down() -> None:
    assert ScriptDirectory(str(FOLDER)).get_heads() == [HEAD]


def test_the_migrated_database_is_what_the_tables_say(database: Database) -> None:
    def differences(connection: Connection) -> object:
        options = {"include_name": lambda name, kind, parents: not (name or "").startswith(INDEX)}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert database.read_sync(differences) == []


COLUMNS = {
    "versions": "(id, owner_id, message_id, turn_id, text, reason, tokenizer, facts, created_at, token_ids)",
    "chats": "(id, owner_id, title, model, system, sampling, head_id, revision, created_at, updated_at,"
    " deleted_at)",
    "messages": "(id, owner_id, chat_id, parent_id, position, depth, role, author, created_at, version_id,"
    " hidden, shown_id)",
}


def fill_0001(connection: Connection) -> None:
    """A chat of two messages with two versions of the first, as the first schema keeps them."""
    rows = {
        "chats": "('c', 'ann', 'T', '', 'S', '{}', 'm2', 4, 1.0, 2.0, NULL)",
        "messages": "('m1', 'ann', 'c', '', 0, 1, 'user', '', 1.0, 'v2', 0, 'm2'),"
        "('m2', 'ann', 'c', 'm1', 0, 2, 'assistant', 'bot', 1.0, 'v3', 0, '')",
        "versions": "('v1', 'ann', 'm1', NULL, 'Helo', 'written', '', NULL, 1.0, x''),"
        "('v2', 'ann', 'm1', NULL, 'Hello', 'edited', '', NULL, 1.5, x''),"
        "('v3', 'ann', 'm2', 't1', 'Hi.', 'generated', 'hash', '{\"model\": \"bot\"}', 2.0, x'01000000')",
    }
    for table, values in rows.items():
        connection.execute(text(f"INSERT INTO {table} {COLUMNS.get(table, '')} VALUES {values}"))
    connection.execute(
        text(
            "INSERT INTO jobs VALUES ('j', 'ann', 'pull', 'P', '{}', 'done', '{}', '{}',"
            " NULL, '', 0, 0, 1, 0, 1.0, 2.0)"
        )
    )


def fill_0002(connection: Connection) -> None:
    """The same, where the reply was thought about."""
    fill_0001(connection)
    thought = "UPDATE versions SET reasoning = 'A greeting.', reasoning_ids = x'02000000' WHERE id = 'v3'"
    connection.execute(text(thought))


def fill_0003(connection: Connection) -> None:
    """And a preset."""
    fill_0002(connection)
    connection.execute(text("INSERT INTO presets VALUES ('ann', 'calm', '', '{\"min_p\": 0.1}', 1.0, 2.0)"))


def fill_0004(connection: Connection) -> None:
    """And a measurement."""
    fill_0003(connection)
    values = "('m', 'llama.cpp 1', 'pc', '{\"threads\": 2}', '{}', 1.0)"
    connection.execute(text(f"INSERT INTO tunings VALUES {values}"))


def fill_0005(connection: Connection) -> None:
    """And a character that is found by a word."""
    fill_0004(connection)
    values = "('ch', 'ann', 'Mira', 'mira', '', '', '', 0, '', 1, 1.0, 2.0, NULL, '{}', '{\"data\": {}}')"
    connection.execute(text(f"INSERT INTO characters VALUES {values}"))
    connection.execute(text("INSERT INTO character_tags VALUES ('ch', 'sea', 'ann')"))
    columns = "(number, kind, item_id, owner_id, search_text)"
    values = "(1, 'character', 'ch', 'ann', 'mira')"
    connection.execute(text(f"INSERT INTO search_entries {columns} VALUES {values}"))


def fill_0006(connection: Connection) -> None:
    """And a chat with her."""
    fill_0005(connection)
    connection.execute(text("UPDATE chats SET character_id = 'ch', persona = '{\"name\": \"Ann\"}'"))


def fill_0007(connection: Connection) -> None:
    """And a lorebook, which she knows."""
    fill_0006(connection)
    connection.execute(text('UPDATE chats SET story = \'{"lorebooks": ["lb"]}\''))
    values = "('lb', 'ann', 'lorebook', 'Coast', 'coast', 0, 0, 1, 1.0, 2.0, '{}', '{\"entries\": {}}')"
    connection.execute(text(f"INSERT INTO story_items VALUES {values}"))
    connection.execute(text("INSERT INTO story_settings VALUES ('ann', '{}', '{}')"))


def fill_0008(connection: Connection) -> None:
    """And a checkpoint, and a message that is left out of prompts."""
    fill_0007(connection)
    connection.execute(text("UPDATE messages SET checkpoint = 'before', left_out = 1 WHERE id = 'm2'"))


def fill_0009(connection: Connection) -> None:
    """And a fact that the chat keeps in mind."""
    fill_0008(connection)
    values = "('f', 'ann', 'c', 'fact', '', '', '', 0, 1.0, 1.0, 'Ann is tall.')"
    connection.execute(text(f"INSERT INTO memories VALUES {values}"))


def fill_0010(connection: Connection) -> None:
    """And a key, with a browser that signed in with it."""
    fill_0009(connection)
    values = "('k', 'ann', 'phone', 'd1', 'fab_abcdef', '[\"chat\"]', '60/min', '', 1.0, 0.0, 2.0)"
    connection.execute(text(f"INSERT INTO api_keys VALUES {values}"))
    connection.execute(text("INSERT INTO key_sessions VALUES ('d2', 'k', 'ann', 1.0, 9.0)"))


def fill_0011(connection: Connection) -> None:
    """And a file of requests, with the batch that is made of it."""
    fill_0010(connection)
    connection.execute(text("INSERT INTO uploads VALUES ('file-1', 'ann', 'in.jsonl', 'batch', 9, 1.0)"))
    values = (
        "('b', 'ann', '', 'en', '/v1/completions', 'file-1', '', '', 'in_progress', '{}', '[]', '{}', '{}'"
    )
    connection.execute(text(f"INSERT INTO batches VALUES {values}, 1.0, 2.0)"))


def fill_0012(connection: Connection) -> None:
    """And a novel of one chapter, with its text."""
    fill_0011(connection)
    novel = "('n', 'ann', 'novel', 'Coast', '', '{}', '{}', '[\"h\"]', '{}', 2, 1.0, 2.0, NULL)"
    connection.execute(text(f"INSERT INTO novels VALUES {novel}"))
    columns = "(id, owner_id, novel_id, title, outline, notes, summary, version_id, created_at)"
    chapter = "('h', 'ann', 'n', '', '', '', '', 'x', 1.0)"
    connection.execute(text(f"INSERT INTO novel_chapters {columns} VALUES {chapter}"))
    version = "('x', 'ann', 'n', 'h', '', 1, 0, 0, 'written', '', 4, 1, 1.0, '[{\"text\": \"Fog.\"}]', NULL)"
    connection.execute(text(f"INSERT INTO novel_versions VALUES {version}"))


def fill_0013(connection: Connection) -> None:
    """And what is known of a file that came in."""
    fill_0012(connection)
    connection.execute(text("INSERT INTO imports VALUES ('ann', 'd', 'chats', 'c', 1.0)"))


def fill_0014(connection: Connection) -> None:
    """And a document that the novel knows."""
    fill_0013(connection)
    values = "('o', 'ann', 'n', 'document', 'a.txt', '', '', 0, 1.0, 1.0, 'The sea.')"
    connection.execute(text(f"INSERT INTO novel_memories VALUES {values}"))


def fill_0015(connection: Connection) -> None:
    """And a message that was changed."""
    fill_0014(connection)
    connection.execute(text("UPDATE messages SET revision = 4 WHERE id = 'm1'"))


FILLED: dict[str, Callable[[Connection], None]] = {
    "0001": fill_0001,
    "0002": fill_0002,
    "0003": fill_0003,
    "0004": fill_0004,
    "0005": fill_0005,
    "0006": fill_0006,
    "0007": fill_0007,
    "0008": fill_0008,
    "0009": fill_0009,
    "0010": fill_0010,
    "0011": fill_0011,
    "0012": fill_0012,
    "0013": fill_0013,
    "0014": fill_0014,
    "0015": fill_0015,
}
"""For each step a database of that time with data in it. A new step adds its own."""


def test_each_step_has_data_to_be_tested_with() -> None:
    assert list(FILLED) == STEPS


@pytest.mark.parametrize("step", STEPS)
async def test_an_old_database_is_brought_up_to_date_with_all_its_data(tmp_path: Path, step: str) -> None:
    _make(tmp_path / "fabula.db", step)
    database = Database(tmp_path / "fabula.db")
    database.open()
    assert database.read_sync(revision) == HEAD
    chats = Chats(database, MemoryEvents())
    page = await chats.page("ann", "c")
    assert [(m.role, m.text, m.versions) for m in page.messages] == [
        ("user", "Hello", 2),
        ("assistant", "Hi.", 1),
    ]
    assert [m.token_ids for m in await chats.path("ann", "c")] == [(), (1,)]
    thought = ("", "A greeting.") if step >= "0002" else ("", "")
    assert tuple(m.reasoning for m in page.messages) == thought
    database.close()
    backups = list((tmp_path / "backups").glob("before-migration-*")) if step != HEAD else [None]
    assert len(backups) == 1


def test_a_backup_is_made_before_an_old_database_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make(tmp_path / "fabula.db", STEPS[0])
    monkeypatch.setattr("fabula.store.database.HEAD", "later")  # as if this step were an old one
    database = Database(tmp_path / "fabula.db")
    database.open()
    database.close()
    [backup] = (tmp_path / "backups").iterdir()
    copy = Database(backup)
    assert copy.read_sync(lambda c: c.scalar(text("SELECT title FROM chats"))) == "T"
    copy.close()


def test_a_database_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    _make(tmp_path / "fabula.db", HEAD)
    database = Database(tmp_path / "fabula.db")
    database.write_sync(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(DatabaseTooNew) as told:
        database.open()
    assert (told.value.found, told.value.known) == ("9999", HEAD)
    assert database.read_sync(revision) == "9999"
    database.close()


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "fabula.db").write_bytes(b"This is not a database. " * 100)
    database = Database(tmp_path / "fabula.db")
    with pytest.raises(StoreUnwritable):
        database.open()
    database.close()


def _make(file: Path, step: str) -> None:
    database = Database(file)
    database.write_sync(lambda c: migrate(c, step))
    database.write_sync(FILLED[step])
    database.close()


def test_a_step_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    def fail_at_the_end(connection: Connection) -> None:
        migrate(connection)
        raise RuntimeError("power cut")

    database = Database(tmp_path / "fabula.db")
    with pytest.raises(RuntimeError):
        database.write_sync(fail_at_the_end)
    assert database.read_sync(lambda c: c.execute(text("SELECT name FROM sqlite_master")).all()) == []
    database.open()
    assert database.read_sync(revision) == HEAD
    database.close()
