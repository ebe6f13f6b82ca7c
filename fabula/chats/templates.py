"""Templates of prompts that a person keeps, in SillyTavern's forms. Knows no HTTP and no chat.

Five forms: `context` (how the head is laid out), `instruct` (how turns are wrapped), `prompts` (a preset of
chat completion), `system` (a system prompt) and `reasoning`.
"""

from __future__ import annotations

import builtins  # in Templates, `list` lists them
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

from fabula.chats import items
from fabula.chats.items import Item, Links
from fabula.core.errors import TemplateNotFound, TemplateUnreadable
from fabula.prompt.faithful.formats import CONTEXTS, FORMATS
from fabula.prompt.faithful.manager import ChatSettings, settings_of
from fabula.prompt.faithful.templates import Context, Instruct, context_of, instruct_of
from fabula.store.database import Database

Form = Literal["context", "instruct", "prompts", "system", "reasoning"]
FORMS: tuple[Form, ...] = ("context", "instruct", "prompts", "system", "reasoning")
BUILT_IN: Mapping[str, Mapping[str, Any]] = {"context": CONTEXTS, "instruct": FORMATS}
LIMIT = 8 << 20  # bytes of a file
_MARKS: tuple[tuple[Form, tuple[str, ...]], ...] = (
    ("context", ("story_string",)),
    ("instruct", ("input_sequence", "output_sequence")),
    ("prompts", ("prompts", "prompt_order")),
    ("reasoning", ("prefix", "suffix", "separator")),
    ("system", ("name", "content")),
)
_MASTER = {"instruct": "instruct", "context": "context", "sysprompt": "system", "reasoning": "reasoning"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """`id` is "" for one that comes with Fabula."""

    id: str
    form: str
    name: str
    row: Mapping[str, Any]


class Templates:
    """What asks for an owner shows no template of anyone else. A name is taken once per form."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, owner: str) -> builtins.list[Template]:
        """One's own; those that come with Fabula are in `BUILT_IN`."""
        found = await self._database.read(lambda c: items.listed(c, owner, "template", whole=True))
        return [template_of(item) for item in found]

    async def take(self, owner: str, file: str, content: bytes) -> builtins.list[Template]:
        """All templates of a file; one of the same form and name is replaced. Raises TemplateUnreadable."""
        return [await self.keep(owner, form, name, row) for form, name, row in read(file, content)]

    async def keep(self, owner: str, form: Form, name: str, row: Mapping[str, Any]) -> Template:
        _usable(form, row, name)
        document = {"form": form, "row": dict(row)}

        def work(connection: Any) -> Item:
            for item in items.listed(connection, owner, "template", whole=True):
                if (item.document["form"], item.name) == (form, name):
                    return items.change(connection, owner, item, item.revision, document=document)
            return items.add(connection, owner, "template", name, document, Links())

        return template_of(await self._database.write(work))

    async def remove(self, owner: str, id: str) -> None:
        """Raises TemplateNotFound."""
        found = await self._database.read(lambda c: items.find(c, owner, "template", id))
        if found is None:
            known = ", ".join(template.name for template in await self.list(owner))
            raise TemplateNotFound(id, known or "–")
        await self._database.write(lambda c: items.remove(c, owner, id))


def template_of(item: Item) -> Template:
    return Template(id=item.id, form=item.document["form"], name=item.name, row=item.document["row"])


def read(file: str, content: bytes) -> builtins.list[tuple[Form, str, dict[str, Any]]]:
    """Forms, names and rows. A "master export" holds several. Raises TemplateUnreadable."""
    try:
        found = json.loads(content[:LIMIT].decode("utf-8-sig"))
    except (ValueError, RecursionError) as broken:
        raise TemplateUnreadable(file) from broken
    if not isinstance(found, dict):
        raise TemplateUnreadable(file)
    inner = [(form, found[key]) for key, form in _MASTER.items() if isinstance(found.get(key), dict)]
    parts = inner or [(_form(found), found)]
    stem = PurePath(file).stem
    made = [(form, _name(row, stem), row) for form, row in parts if form in FORMS]
    if not made:
        raise TemplateUnreadable(file)
    return made


def _name(row: Mapping[str, Any], stem: str) -> str:
    name = row.get("name")
    return name if isinstance(name, str) and name.strip() else stem


def _form(row: Mapping[str, Any]) -> str:
    return next((form for form, marks in _MARKS if all(mark in row for mark in marks)), "")


def _usable(form: Form, row: Mapping[str, Any], name: str) -> None:
    """Raises TemplateUnreadable for values that no template has."""
    reader: Callable[[Mapping[str, Any]], Any] = {
        "context": context_of,
        "instruct": instruct_of,
        "prompts": settings_of,
    }.get(form, dict)
    try:
        made = reader(row)
    except (TypeError, ValueError, KeyError, AttributeError) as broken:
        raise TemplateUnreadable(name) from broken
    if isinstance(made, Context | Instruct) and not _is_typed(made):
        raise TemplateUnreadable(name)


def _is_typed(made: Context | Instruct) -> bool:
    usual = type(made)()
    return all(
        isinstance(getattr(made, name), type(getattr(usual, name)))
        for name in type(made).__dataclass_fields__
    )


# ── by name ─────────────────────────────────────────────────────────────────────────────────────────


def context(own: builtins.list[Template], name: str) -> Context:
    """The person's own, else Fabula's, else the usual one."""
    row = _row(own, "context", name)
    return context_of(row) if row else CONTEXTS.get(name, CONTEXTS["Default"])


def instruct(own: builtins.list[Template], name: str) -> Instruct | None:
    """None where there is none of that name: what the model's chat template says holds then."""
    row = _row(own, "instruct", name)
    return instruct_of(row) if row else FORMATS.get(name)


def prompts(own: builtins.list[Template], name: str) -> ChatSettings | None:
    row = _row(own, "prompts", name)
    return settings_of(row) if row else None


def _row(own: builtins.list[Template], form: Form, name: str) -> Mapping[str, Any] | None:
    return next((one.row for one in own if (one.form, one.name) == (form, name)), None)
