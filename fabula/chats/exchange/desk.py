"""Chats in and out as files. Knows no HTTP; formats are each other modules' work."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Literal

from fabula.chats.book import Chats
from fabula.chats.exchange import foreign, plain, planting, tavern
from fabula.chats.exchange.foreign import Found
from fabula.chats.exchange.said import Growth, storable
from fabula.chats.exchange.tavern import Facing, Kept, TavernFile, Whole
from fabula.chats.records import Chat
from fabula.core.errors import ChatUnreadable
from fabula.core.texts import phrase
from fabula.store.database import Database

Format = Literal["jsonl", "text", "markdown", "html"]
FILE_LIMIT = 256 << 20  # bytes
NOTE = {"text": "note_prompt", "interval": "note_interval", "depth": "note_depth", "role": "note_role"}
NOTE |= {"place": "note_position"}
NOTHING: Mapping[str, str] = MappingProxyType({})
OWN = "fabula"
"""Where the header of a file keeps what only Fabula knows: title, model, system prompt, sampling."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A chat that came in. `bad` counts lines that could not be read."""

    chat: Chat
    program: str
    messages: int
    files: int = 1
    bad: int = 0
    names: tuple[str, ...] = ()  # of SillyTavern's files, without their ending


@dataclass(frozen=True, slots=True)
class Written:
    """A file to be handed out."""

    name: str
    kind: str
    content: bytes


class Exchange:
    """What asks for an owner shows no chat of anyone else."""

    def __init__(self, database: Database, chats: Chats) -> None:
        self._database = database
        self._chats = chats

    # ── in ──────────────────────────────────────────────────────────────────────────────────────────

    async def take(
        self,
        owner: str,
        files: Sequence[tuple[str, bytes]],
        fields: Mapping[str, Any] | None = None,
        *,
        worlds: Mapping[str, str] = NOTHING,
        personas: Mapping[str, str] = NOTHING,
    ) -> list[Taken]:
        """The chats of files of any program. Those of SillyTavern that branch off each other become one.

        `worlds` and `personas` are ids of what a chat names: lorebooks by name, personas by picture.
        Raises ChatUnreadable, and then nothing came in.
        """
        tavern_files, others = await asyncio.to_thread(_sorted_out, files)
        told, mine = dict(fields or {}), []
        for family in tavern.families(tavern_files):
            named = _named(family[0], worlds, personas)
            story = {"story": _told(family[0]).get("story", {}) | named | told.get("story", {})}
            mine.append(await self._plant_tavern(owner, family, told | story))
        return mine + [await self._plant(owner, found, told) for found in others]

    async def has(self, owner: str, id: str) -> None:
        """Raises ChatNotFound."""
        await self._chats.get(owner, id)

    def require_readable(self, name: str, content: bytes) -> None:
        """Raises ChatUnreadable."""
        _sorted_out([(name, content)])

    async def _plant_tavern(self, owner: str, family: Sequence[TavernFile], fields: dict[str, Any]) -> Taken:
        whole = await asyncio.to_thread(tavern.grown, family)
        origin = {"files": [one.document() for one in whole.files]}
        bad = {file.name: list(file.bad) for file in family if file.bad}
        told = _told(family[0]) | fields
        chat = await self._database.write(
            lambda c: planting.plant(
                c,
                owner,
                told,
                whole.growth,
                whole.files[0].end,
                {"tavern": origin | ({"bad": bad} if bad else {})},
            )
        )
        self._chats.announce(chat)
        count = sum(len(rows) for rows in bad.values())
        names = tuple(file.name for file in family)
        return Taken(chat, "SillyTavern", len(whole.growth.all), len(family), count, names)

    async def _plant(self, owner: str, found: Found, fields: dict[str, Any]) -> Taken:
        persona = {"persona": {"name": found.user, "description": ""}} if found.user else {}
        told = {"title": found.title} | persona | found.fields | fields
        origin = {"program": found.program, "kept": found.kept}
        chat = await self._database.write(
            lambda c: planting.plant(c, owner, told, found.growth, found.end, origin)
        )
        self._chats.announce(chat)
        return Taken(chat, found.program, len(found.growth.all))

    # ── out ─────────────────────────────────────────────────────────────────────────────────────────

    async def give(self, owner: str, id: str, format: Format) -> Written:
        """A chat as a file; of `jsonl` a ZIP file where there are several. Raises ChatNotFound."""
        chat, growth, origin, variables = await self._database.read(lambda c: planting.dig(c, owner, id))
        return await asyncio.to_thread(_written, chat, growth, origin, variables, format)

    async def files(self, owner: str, id: str) -> list[tuple[str, str]]:
        """SillyTavern's files of a chat: (name, content)."""
        chat, growth, origin, variables = await self._database.read(lambda c: planting.dig(c, owner, id))
        return await asyncio.to_thread(_tavern_files, chat, growth, origin, variables)


def _sorted_out(files: Sequence[tuple[str, bytes]]) -> tuple[list[TavernFile], list[Found]]:
    mine: list[TavernFile] = []
    others: list[Found] = []
    for name, content in files:
        stem = (
            PurePath(name).stem
            if PurePath(name).suffix.lower() in (".json", ".jsonl")
            else PurePath(name).name
        )
        if len(content) > FILE_LIMIT:
            raise ChatUnreadable(name, phrase("chats.reason.too_large"))
        if tavern.looks_like(content):
            mine.append(tavern.read(stem, content))
        elif found := foreign.read(stem, content):
            others += found
        else:
            raise ChatUnreadable(name, phrase("chats.reason.unknown"))
    return mine, others


def _told(file: TavernFile) -> dict[str, Any]:
    """What a file's header says of its chat."""
    metadata = file.metadata
    own = metadata.get(OWN)
    own = own if isinstance(own, dict) else {}
    user = next((storable(str(line.get("name", ""))) for line in file.lines if line.get("is_user")), "")
    told: dict[str, Any] = {"title": storable(file.name)}
    told |= {"persona": {"name": user, "description": ""}} if user else {}
    types = {"title": str, "model": str, "system": str, "sampling": dict}
    told |= {name: own[name] for name, kind in types.items() if isinstance(own.get(name), kind)}
    note = {ours: metadata[theirs] for ours, theirs in NOTE.items() if _is_note(ours, metadata.get(theirs))}
    told |= {"story": {"note": note}} if note.get("text") else {}
    variables = metadata.get("variables")
    return told | ({"variables": variables} if isinstance(variables, dict) else {})


def _named(file: TavernFile, worlds: Mapping[str, str], personas: Mapping[str, str]) -> dict[str, Any]:
    """The lorebook and the persona that a chat is bound to, where they are here."""
    book, face = (str(file.metadata.get(name, "")) for name in ("world_info", "persona"))
    named: dict[str, Any] = {"lorebooks": [worlds[book]]} if book in worlds else {}
    return named | ({"persona_id": personas[face]} if face in personas else {})


def _is_note(name: str, value: Any) -> bool:
    return (
        isinstance(value, str) if name == "text" else isinstance(value, int) and not isinstance(value, bool)
    )


def _tavern_files(
    chat: Chat, growth: Growth, origin: Mapping[str, Any], variables: dict[str, Any]
) -> list[tuple[str, str]]:
    kept = [Kept.of(row) for row in origin.get("tavern", {}).get("files", ())]
    return tavern.files(Whole(growth, kept), chat.head_id, _facing(chat, growth, variables, bool(kept)))


def _facing(chat: Chat, growth: Growth, variables: dict[str, Any], was_file: bool) -> Facing:
    """What the header says; of one that came from a file only what may have been changed here."""
    note = chat.story.get("note") or {}
    metadata = {theirs: note[ours] for ours, theirs in NOTE.items() if ours in note}
    metadata |= {"variables": variables} if variables else {}
    character = next((one.author for one in growth.all.values() if one.role == "assistant"), "")
    if not was_file:
        own = {name: getattr(chat, name) for name in ("title", "model", "system", "sampling")}
        metadata |= {OWN: {name: value for name, value in own.items() if value}}
    user = str(chat.persona.get("name") or "") or "User"
    return Facing(chat.title or "chat", user, character, metadata)


def _written(
    chat: Chat, growth: Growth, origin: Mapping[str, Any], variables: dict[str, Any], format: Format
) -> Written:
    if format != "jsonl":
        ending, kind, write = plain.WRITERS[format]
        content = write(chat.title, growth.path(chat.head_id))
        return Written(f"{chat.title or 'chat'}.{ending}", kind, content.encode("utf-8", "replace"))
    files = _tavern_files(chat, growth, origin, variables)
    if len(files) == 1:
        name, content = files[0]
        return Written(f"{name}.jsonl", "application/jsonl", content.encode("utf-8", "surrogatepass"))
    return Written(f"{chat.title or 'chat'}.zip", "application/zip", _packed(files))


def _packed(files: Sequence[tuple[str, str]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(f"{name}.jsonl", content.encode("utf-8", "surrogatepass"))
    return packed.getvalue()
