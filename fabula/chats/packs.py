"""The library of system prompts: those that come with Fabula and one's own; which one a turn is told with.

One's own are templates of the form `system`, as SillyTavern's system prompts are. A choice holds for a chat,
else for its character, else for the model, else for all. Knows no HTTP and no prompt layout.
"""

from __future__ import annotations

import builtins  # in Packs, `list` lists them
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection

from fabula.chats import items, story_settings
from fabula.chats.templates import Template, Templates, template_of
from fabula.core.errors import BadParameter, PackNotFound, PresetBuiltIn
from fabula.core.texts import phrase
from fabula.store.database import Database

Scope = Literal["models", "characters"]
CO_WRITER = "co-writer"
MOST_TEXT = 100_000  # characters
KEY, EVERYWHERE = "packs", "everywhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A system prompt. `role` is what it makes of the model ("" = one's own), `text` may hold macros."""

    id: str
    name: str
    text: str
    role: str = ""
    language: str = ""
    built_in: bool = False


@functools.cache
def built_in() -> Mapping[str, Pack]:
    """By id, as `narrator.zh-Hant`."""
    file = Path(__file__).with_suffix(".json")
    rows: dict[str, dict[str, dict[str, str]]] = json.loads(file.read_text(encoding="utf-8"))
    return {
        f"{role}.{language}": Pack(
            id=f"{role}.{language}", role=role, language=language, built_in=True, **texts
        )
        for role, languages in rows.items()
        for language, texts in languages.items()
    }


def own(templates: Sequence[Template]) -> builtins.list[Pack]:
    return [
        Pack(id=one.id, name=one.name, text=str(one.row.get("content", "")))
        for one in templates
        if one.form == "system"
    ]


def find(which: str, templates: Sequence[Template]) -> Pack:
    """By id; one's own also by name; one of Fabula's without a language is English. Raises PackNotFound."""
    mine = own(templates)
    found = built_in().get(which) or built_in().get(f"{which}.en")
    found = next((one for one in mine if which in (one.id, one.name)), found)
    if found is None:
        raise PackNotFound(which, ", ".join([*(one.name for one in mine), *built_in()]))
    return found


def chosen(
    settings: Mapping[str, Any],
    templates: Sequence[Template],
    chat: str,
    characters: Sequence[str],
    model: str,
) -> Pack | None:
    """The one that a turn is told with: `chat` is the chat's own choice, `settings` those of all stories. One
    that was removed counts as not chosen."""
    row = settings.get(KEY)
    row = row if isinstance(row, dict) else {}
    of_characters, of_models = (_object(row.get(name)) for name in ("characters", "models"))
    wanted = [chat, *(of_characters.get(id, "") for id in characters[:1]), of_models.get(model, "")]
    for which in (*wanted, row.get(EVERYWHERE, "")):
        if which:
            try:
                return find(str(which), templates)
            except PackNotFound:
                continue
    return None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


class Packs:
    """What asks for an owner shows no prompt of anyone else."""

    def __init__(self, database: Database, templates: Templates) -> None:
        self._database, self._templates = database, templates

    async def list(self, owner: str) -> builtins.list[Pack]:
        """One's own first."""
        return [*own(await self._templates.list(owner)), *built_in().values()]

    async def get(self, owner: str, which: str) -> Pack:
        """Raises PackNotFound."""
        return find(which, await self._templates.list(owner))

    async def keep(self, owner: str, name: str, text: str) -> Pack:
        """One's own; one of the same name is replaced. Raises BadParameter."""
        if not name.strip() or not text.strip() or len(text) > MOST_TEXT:
            raise BadParameter("text", f"{text[:60]}", phrase("expected.some_text"))
        made = await self._templates.keep(
            owner, "system", name.strip(), {"name": name.strip(), "content": text}
        )
        return Pack(id=made.id, name=made.name, text=text)

    async def remove(self, owner: str, which: str) -> Pack:
        """Raises PackNotFound, or PresetBuiltIn for one of Fabula's."""
        pack = await self.get(owner, which)
        if pack.built_in:
            raise PresetBuiltIn(pack.id)
        await self._templates.remove(owner, pack.id)
        return pack

    # ── choices ─────────────────────────────────────────────────────────────────────────────────────

    async def choices(self, owner: str) -> dict[str, Any]:
        """{everywhere, models, characters}: ids of prompts."""
        settings, _ = await self._database.read(lambda c: story_settings.read(c, owner))
        row = _object(settings.get(KEY))
        return {EVERYWHERE: row.get(EVERYWHERE, "")} | {
            name: _object(row.get(name)) for name in ("models", "characters")
        }

    async def choose(
        self, owner: str, which: str, *, scope: Scope | None = None, name: str = ""
    ) -> dict[str, Any]:
        """For a model or a character, or for all; "" takes the choice away. Raises PackNotFound."""
        id = (await self.get(owner, which)).id if which else ""

        def work(connection: Connection) -> None:
            settings, _ = story_settings.read(connection, owner)
            row = _object(settings.get(KEY))
            if scope is None:
                row |= {EVERYWHERE: id}
            else:
                kept = _object(row.get(scope)) | {name: id}
                row |= {scope: {key: value for key, value in kept.items() if value}}
            story_settings.write(connection, owner, settings=settings | {KEY: row})

        await self._database.write(work)
        return await self.choices(owner)

    async def of(self, owner: str, chat: str, characters: Sequence[str], model: str) -> Pack | None:
        """The one that a turn is told with."""

        def work(connection: Connection) -> Pack | None:
            settings, _ = story_settings.read(connection, owner)
            kept = [template_of(one) for one in items.listed(connection, owner, "template", whole=True)]
            return chosen(settings, kept, chat, characters, model)

        return await self._database.read(work)
