"""A person's own well-known models, in a file of the home folder. Knows no hub.

The file has the form of `models.json`; statements without a source count as the person's. An entry with a
shipped one's name takes its place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fabula.core.errors import CatalogInvalid, NotInCatalog
from fabula.models.known.entries import VERSION, Entry, entries, find, plain, read
from fabula.store.files import write_atomic

LARGEST = 16 << 20  # bytes of a list


def known(file: Path) -> tuple[Entry, ...]:
    """The person's own, then what is shipped. Raises CatalogInvalid."""
    own = mine(file)
    names = {plain(entry.name) for entry in own}
    return (*own, *(entry for entry in entries() if plain(entry.name) not in names))


def mine(file: Path) -> tuple[Entry, ...]:
    """() while there is no file. Raises CatalogInvalid."""
    return _read(_load(file), file) if file.is_file() else ()


def named(rows: Iterable[Entry], name: str) -> Entry:
    """Raises NotInCatalog with what is called alike."""
    held = list(rows)
    entry = find(held, name)
    if entry is None:
        inside = [each.name for each in held if plain(name) and plain(name) in plain(each.name)]
        near = inside[:5] or get_close_matches(name, [each.name for each in held], 5, 0.4)
        raise NotInCatalog(name[:80], ", ".join(near) or "–")
    return entry


def add(file: Path, rows: Iterable[Mapping[str, Any]]) -> tuple[Entry, ...]:
    """Into the person's file, in place of those of the same name. Raises CatalogInvalid, StoreUnwritable."""
    more = list(rows)
    added = _read({"version": VERSION, "models": more}, file)
    names = {plain(entry.name) for entry in added}
    before = _load(file)["models"] if mine(file) else []
    kept = [row for row in before if plain(str(row.get("name", ""))) not in names]
    text = json.dumps({"version": VERSION, "models": [*kept, *more]}, ensure_ascii=False, indent=1)
    write_atomic(file, (text + "\n").encode())
    return added


def remove(file: Path, name: str) -> Entry:
    """Raises NotInCatalog for one that is not the person's own."""
    entry = named(mine(file), name)
    data = _load(file)
    kept = [row for row in data["models"] if plain(str(row.get("name", ""))) != plain(entry.name)]
    write_atomic(file, (json.dumps(data | {"models": kept}, ensure_ascii=False, indent=1) + "\n").encode())
    return entry


def rows_of(file: Path) -> list[dict[str, Any]]:
    """What a file has that is to be added: a whole list, a bare one, or one entry. Raises CatalogInvalid."""
    data = _parsed(file)
    if isinstance(data, dict):
        data = data.get("models", [data])
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise CatalogInvalid(str(file), "models: a list of entries is missing")
    return data


def _load(file: Path) -> dict[str, Any]:
    data = _parsed(file)
    if not isinstance(data, dict) or not isinstance(data.get("models"), list):
        raise CatalogInvalid(str(file), "models: a list is missing")
    return data


def _parsed(file: Path) -> Any:
    try:
        if file.stat().st_size > LARGEST:
            raise CatalogInvalid(str(file), f"more than {LARGEST >> 20} MiB")
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as wrong:
        raise CatalogInvalid(str(file), str(wrong)) from wrong


def _read(data: Mapping[str, Any], file: Path) -> tuple[Entry, ...]:
    try:
        return read(data, own=True)
    except ValueError as wrong:
        raise CatalogInvalid(str(file), str(wrong)) from wrong
