"""Regex scripts that a person keeps, in SillyTavern's form. Knows no HTTP, and not what scripts do."""

from __future__ import annotations

import asyncio
import builtins  # in Scripts, `list` lists them
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fabula.chats import items
from fabula.chats.items import Item, Links
from fabula.core.errors import BadParameter, ScriptNotFound
from fabula.core.texts import phrase
from fabula.prompt.macros.scene import Scene
from fabula.prompt.regexes.scripts import Script, pattern_of, run, script_of
from fabula.store.database import Database

USUAL: Mapping[str, Any] = {
    "scriptName": "",
    "findRegex": "",
    "replaceString": "",
    "trimStrings": [],
    "placement": [2],
    "disabled": False,
    "markdownOnly": False,
    "promptOnly": False,
    "runOnEdit": False,
    "substituteRegex": 0,
    "minDepth": None,
    "maxDepth": None,
}
LIMIT_S = 1.0  # for a script that is tried
MOST_FIND = 100_000  # characters of an expression


class Scripts:
    """What asks for an owner shows no script of anyone else. They run in the order of their positions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, owner: str) -> builtins.list[Item]:
        return await self._database.read(lambda c: items.listed(c, owner, "script", whole=True))

    async def get(self, owner: str, id: str) -> Item:
        """Raises ScriptNotFound."""
        found = await self._database.read(lambda c: items.find(c, owner, "script", id))
        if found is None:
            raise ScriptNotFound(id)
        return found

    async def add(self, owner: str, fields: Mapping[str, Any], links: Links) -> Item:
        """Raises BadParameter for an expression that JavaScript would refuse."""
        document = checked({**USUAL, **fields})
        name = document["scriptName"] or document["findRegex"]
        return await self._database.write(lambda c: items.add(c, owner, "script", name, document, links))

    async def take(self, owner: str, content: bytes) -> builtins.list[Item]:
        """All scripts of a file: one, or a list. They hold everywhere. Raises BadParameter."""
        return [await self.add(owner, row, Links(everywhere=True)) for row in read(content)]

    async def change(
        self,
        owner: str,
        id: str,
        revision: int,
        fields: Mapping[str, Any],
        links: Links | None = None,
        position: int | None = None,
    ) -> Item:
        before = await self.get(owner, id)
        document = checked({**before.document, **fields})
        row: dict[str, Any] = {"document": document, "name": document["scriptName"] or document["findRegex"]}
        row |= {} if links is None else {"links": links}
        row |= {} if position is None else {"position": position}
        return await self._database.write(lambda c: items.change(c, owner, before, revision, **row))

    async def tried(self, fields: Mapping[str, Any], text: str) -> str:
        """A script on a text, for people and characters without a name. Raises BadParameter."""
        script = script_of(checked({**USUAL, **fields}))
        try:
            return await asyncio.to_thread(run, script, text, Scene(), limit_s=LIMIT_S)
        except TimeoutError as slow:
            raise BadParameter("findRegex", script.finds[:80], phrase("expected.quick_expression")) from slow

    async def remove(self, owner: str, id: str) -> None:
        await self.get(owner, id)
        await self._database.write(lambda c: items.remove(c, owner, id))


def read(content: bytes) -> builtins.list[dict[str, Any]]:
    """Raises BadParameter for what is no script."""
    try:
        found = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        found = None
    rows = found if isinstance(found, list) else [found]
    if not rows or not all(isinstance(row, dict) and isinstance(row.get("findRegex"), str) for row in rows):
        raise BadParameter("content", content[:40].decode(errors="replace"), phrase("expected.scripts"))
    return rows


def checked(row: Mapping[str, Any]) -> dict[str, Any]:
    """Raises BadParameter for wrong types and for an expression that JavaScript would refuse."""
    for name, usual in USUAL.items():
        if not _fits(row[name], usual):
            raise BadParameter(name, f"{row[name]!r}"[:80], phrase("expected.script_field"))
    expression = row["findRegex"]
    is_plain = not row["substituteRegex"]  # else it is known only once its macros are resolved
    if not 0 < len(expression) <= MOST_FIND or (is_plain and pattern_of(expression) is None):
        raise BadParameter("findRegex", expression[:80], phrase("expected.expression"))
    return dict(row)


def _fits(value: Any, usual: Any) -> bool:
    if usual is None:
        return value is None or (isinstance(value, int) and not isinstance(value, bool))
    if isinstance(usual, list):
        kind = int if usual else str
        return isinstance(value, list) and all(isinstance(one, kind) for one in value)
    return type(value) is type(usual) or (isinstance(usual, bool) and value is None)


def of_card(extensions: Mapping[str, Any]) -> builtins.list[Script]:
    """The scripts inside a card; what is none is passed over."""
    listed = extensions.get("regex_scripts")
    return _able(row for row in (listed if isinstance(listed, list) else []) if isinstance(row, dict))


def of_items(found: Sequence[Item]) -> builtins.list[Script]:
    return _able(item.document for item in found)


def _able(rows: Iterable[Mapping[str, Any]]) -> builtins.list[Script]:
    scripts = []
    for row in rows:
        try:
            scripts.append(script_of(checked({**USUAL, **row})))
        except BadParameter:
            continue  # a card of a stranger: what does not run is left out, as SillyTavern leaves it
    return scripts
