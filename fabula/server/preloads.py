"""What each room of the app needs beyond the page's files, worked out from what is imported. Knows no room.

A browser learns what a module imports when it has read it: without this, a room whose imports are four deep
is asked for in four rounds, one after the other.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path

ROOM = re.compile(r'name: "(\w+)", load: \(\) => import\("\./([^"]+)"\)(?:.*style: (\[[^\]]*\]|"[^"]*"))?')
"""A line of rooms.js: its name, its view, its style sheets as they stand there."""
IMPORT = re.compile(r'^(?:import|export) (?:[^"]*?from )?"([^"]+)";$', re.MULTILINE)
PAGE_FILE = re.compile(r'href="web/\{\{version\}\}/([^"]+)"')
MAPPED = re.compile(r'"([^"]+)": "\./web/\{\{version\}\}/([^"]+)"')


def needs(folder: Path) -> dict[str, list[str]]:
    """By room: names of style sheets and modules, below the app's folder."""
    page = _read(folder, "index.html")
    there, mapped = set(PAGE_FILE.findall(page)), dict(MAPPED.findall(page))
    return {
        room: [f"style/{name}" for name in _listed(styles)] + _modules(folder, view, there, mapped)
        for room, view, styles in ROOM.findall(_read(folder, "rooms.js"))
    }


def _listed(styles: str) -> list[str]:
    found = json.loads(styles or "[]")
    return [found] if isinstance(found, str) else found


def _modules(folder: Path, view: str, there: set[str], mapped: dict[str, str]) -> list[str]:
    """A view and all that it imports before it runs, but for what is there."""
    found, ahead = dict.fromkeys(there), [view]
    for name in ahead:
        if name not in found:
            found[name] = None
            ahead += [] if name.startswith("vendor/") else _imports(folder, name, mapped)
    return [name for name in found if name not in there]


def _imports(folder: Path, name: str, mapped: dict[str, str]) -> list[str]:
    beside = posixpath.dirname(name)
    imported = IMPORT.findall(_read(folder, name))
    return [mapped.get(one) or posixpath.normpath(posixpath.join(beside, one)) for one in imported]


def _read(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")
