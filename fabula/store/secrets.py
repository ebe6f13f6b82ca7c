"""Keys for other servers: `secrets.toml`, which only this user can read and which no backup holds.

Knows no server. A file that others could read is closed when it is written, and refused to nobody: its owner
made it so.
"""

from __future__ import annotations

import tomllib
from typing import Any

from fabula.core.errors import SettingInvalid, StoreUnwritable
from fabula.core.texts import phrase
from fabula.store.files import write_atomic
from fabula.store.home import Home
from fabula.store.toml_lines import literal, with_table

MODE = 0o600


def secrets(home: Home, table: str) -> dict[str, dict[str, Any]]:
    """All entries of `[table."NAME"]`, by name. Raises SettingInvalid; what is in the file is not told."""
    try:
        tree = tomllib.loads(_text(home))
    except tomllib.TOMLDecodeError:
        raise SettingInvalid(str(home.secrets), "…", phrase("expected.toml")) from None
    rows = tree.get(table, {})
    return (
        {name: row for name, row in rows.items() if isinstance(row, dict)} if isinstance(rows, dict) else {}
    )


def keep(home: Home, table: str, name: str, values: dict[str, str]) -> None:
    """Writes one entry anew; none is left of it when there are no values."""
    text = with_table(_text(home), f"{table}.{literal(name)}", values)
    write_atomic(home.secrets, text.encode(), MODE)


def _text(home: Home) -> str:
    try:
        return home.secrets.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise StoreUnwritable(str(home.secrets), type(error).__name__) from error
