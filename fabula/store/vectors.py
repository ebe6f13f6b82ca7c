"""sqlite-vec on a connection, where it is installed and this Python can load it. Knows no table.

Not every build of Python can load extensions into SQLite; without it vectors are compared with numpy.
"""

from __future__ import annotations

import logging
import sqlite3
from typing import Any

from sqlalchemy import Connection

LOADED = "sqlite-vec"  # in what is known of a connection of the pool
log = logging.getLogger(__name__)


def has_distances(connection: Connection) -> bool:
    """Whether `vec_distance_cosine` can be asked for here. Looked for once for each connection."""
    if connection.dialect.name != "sqlite":
        return False
    if LOADED not in connection.info:
        connection.info[LOADED] = _load(connection.connection.driver_connection)
    return bool(connection.info[LOADED])


def _load(raw: Any) -> bool:
    if not hasattr(raw, "enable_load_extension"):
        return False
    try:
        import sqlite_vec
    except ImportError:
        return False
    raw.enable_load_extension(True)
    try:
        raw.load_extension(sqlite_vec.loadable_path())
    except sqlite3.Error as reason:
        log.warning("sqlite-vec cannot be loaded, vectors are compared with numpy: %s", reason)
        return False
    finally:
        raw.enable_load_extension(False)
    return True
