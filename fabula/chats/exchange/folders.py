"""A whole data folder of SillyTavern, each thing to whoever keeps its like. Knows no HTTP.

The folders are those of `data/<user>/` in SillyTavern 1.19 (reference: docs/chats.md). A file that cannot be
read is told with its reason, and the others come in all the same; what has no place here is told by number.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from fabula.chats.characters.library import Characters
from fabula.chats.characters.shelf import Character, Marks
from fabula.chats.exchange.desk import FILE_LIMIT, Exchange
from fabula.chats.exchange.ledger import Ledger, digest
from fabula.chats.items import Links
from fabula.chats.lorebooks.library import Lorebooks
from fabula.chats.personas import Persona, Personas
from fabula.chats.quick_replies import QuickReplies
from fabula.chats.scripts import Scripts
from fabula.chats.templates import Templates
from fabula.core.errors import (
    BadParameter,
    CharacterNotFound,
    ChatUnreadable,
    FabulaError,
    FolderUnreadable,
    NotFound,
    TemplateNotFound,
)
from fabula.core.texts import phrase
from fabula.engine.presets.importing import imported
from fabula.engine.presets.shelf import Presets

CARDS = (".png", ".json", ".charx", ".yaml", ".yml", ".byaf")
PRESETS = ("TextGen Settings", "KoboldAI Settings", "NovelAI Settings")
TEMPLATES = ("instruct", "context", "sysprompt", "reasoning", "OpenAI Settings")
LEFT = (
    "backgrounds",
    "themes",
    "extensions",
    "assets",
    "vectors",
    "movingUI",
    "User Avatars",
)
Take = Callable[[Path, bytes], Awaitable[str]]
Here = Callable[[Path, str], Awaitable[None]]
MARKS_OF_TAVERN = ("characters", "chats", "worlds", "settings.json", "group chats")


@dataclass(slots=True)
class Tally:
    """What came over of one kind of things."""

    kind: str
    taken: int = 0
    already: int = 0  # came in before, and are still here
    refused: list[tuple[str, FabulaError]] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """`left` counts files that have no place here, by their folder."""

    folder: str
    tallies: dict[str, Tally] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)  # quick replies that are kept and not run

    def of(self, kind: str) -> Tally:
        return self.tallies.setdefault(kind, Tally(kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """Who keeps what."""

    characters: Characters
    exchange: Exchange
    lorebooks: Lorebooks
    personas: Personas
    scripts: Scripts
    templates: Templates
    presets: Presets
    quick_replies: QuickReplies
    ledger: Ledger


class Move:
    """One folder on its way in. Made for one use."""

    def __init__(self, rooms: Rooms, owner: str, folder: Path) -> None:
        """Raises FolderUnreadable."""
        self._rooms, self._owner = rooms, owner
        self._root = _root(folder)
        self._settings = _json(self._root / "settings.json")
        self._cards: dict[str, Character] = {}  # by the name of the file that SillyTavern knows it by
        self._books: dict[str, str] = {}  # name → id
        self._faces: dict[str, str] = {}  # a persona's picture → id
        self._fresh: set[str] = set()  # files of characters that came in now
        self.report = Report(str(self._root))

    async def run(self) -> Report:
        await self._take_characters()
        await self._take_worlds()
        await self._take_personas()
        await self._take_templates()
        await self._take_presets()
        await self._take_scripts()
        await self._take_replies()
        await self._take_chats()
        await self._take_groups()
        for name in LEFT:
            if count := len(self._files(name, recursive=True)):
                self.report.left[name] = count
        return self.report

    # ── what chats need ─────────────────────────────────────────────────────────────────────────────

    async def _take_characters(self) -> None:
        async def take(path: Path, content: bytes) -> str:
            made = await self._rooms.characters.take(self._owner, path.name, content)
            self._cards[path.name] = made
            self._fresh.add(path.name)
            return made.id

        async def here(path: Path, id: str) -> None:
            self._cards[path.name] = await self._rooms.characters.get(self._owner, id)
            if self._cards[path.name].deleted:
                raise CharacterNotFound(id)

        await self._each("characters", self._files("characters", CARDS), take, here)
        await self._mark_characters()

    async def _mark_characters(self) -> None:
        """Tags that SillyTavern keeps beside the cards, and favourites."""
        names = {row.get("id"): row.get("name") for row in _objects(self._settings.get("tags"))}
        for file, character in self._cards.items():
            if file not in self._fresh:
                continue
            ids = _object(self._settings.get("tag_map")).get(file)
            tags = [str(names[id]) for id in ids if names.get(id)] if isinstance(ids, list) else []
            favourite = character.card.extensions.get("fav") in (True, "true")
            if tags or favourite:
                marks = Marks(favourite=favourite or None, add_tags=tags)
                await self._rooms.characters.mark(self._owner, [character.id], marks)

    async def _take_worlds(self) -> None:
        chosen = _object(_object(self._settings.get("world_info_settings")).get("world_info"))
        everywhere = chosen.get("globalSelect")
        held: dict[str, list[str]] = {}
        for character in self._cards.values():
            held.setdefault(str(character.card.extensions.get("world", "")), []).append(character.id)

        async def take(path: Path, content: bytes) -> str:
            book = await self._rooms.lorebooks.take(self._owner, path.name, content, path.stem)
            self._books[path.stem] = book.id
            always = isinstance(everywhere, list) and path.stem in everywhere
            links = Links(everywhere=always, characters=tuple(held.get(path.stem, ())))
            if links != Links():
                await self._rooms.lorebooks.change(self._owner, book.id, book.revision, links=links)
            return book.id

        async def here(path: Path, id: str) -> None:
            self._books[path.stem] = (await self._rooms.lorebooks.get(self._owner, id)).id

        await self._each("lorebooks", self._files("worlds", (".json",)), take, here)

    async def _take_personas(self) -> None:
        power = _object(self._settings.get("power_user"))
        about = _object(power.get("persona_descriptions"))
        for face, name in _object(power.get("personas")).items():
            made = self._persona(str(name), _object(about.get(face)), power.get("default_persona") == face)

            async def take(made: Persona = made) -> str:
                return (await self._rooms.personas.add(self._owner, made)).id

            async def here(id: str) -> None:
                await self._rooms.personas.get(self._owner, id)

            row = {"name": name, "about": _object(about.get(face))}
            if id := await self._row("personas", str(face), row, take, here):
                self._faces[face] = id

    def _persona(self, name: str, about: Mapping[str, Any], usual: bool) -> Persona:
        connected = [row.get("id") for row in _objects(about.get("connections"))]
        with_whom = tuple(self._cards[str(file)].id for file in connected if str(file) in self._cards)
        numbers = {"place": about.get("position"), "depth": about.get("depth"), "role": about.get("role")}
        given: dict[str, Any] = {key: value for key, value in numbers.items() if type(value) is int}
        return Persona(
            name=name,
            title=_text(about.get("title")),
            description=_text(about.get("description")),
            links=Links(everywhere=usual, characters=with_whom),
            **given,
        )

    # ── how prompts are made ────────────────────────────────────────────────────────────────────────

    async def _take_templates(self) -> None:
        async def take(path: Path, content: bytes) -> str:
            return (await self._rooms.templates.take(self._owner, path.name, content))[0].id

        async def here(path: Path, id: str) -> None:
            if all(one.id != id for one in await self._rooms.templates.list(self._owner)):
                raise TemplateNotFound(path.stem, "–")

        files = [path for folder in TEMPLATES for path in self._files(folder, (".json", ".settings"))]
        await self._each("templates", files, take, here)

    async def _take_presets(self) -> None:
        async def take(path: Path, content: bytes) -> str:
            found = imported(content.decode("utf-8-sig", "replace"))
            return (await self._rooms.presets.save(self._owner, path.stem, found.sampling)).name

        async def here(path: Path, name: str) -> None:
            await self._rooms.presets.get(self._owner, name)

        files = [path for folder in PRESETS for path in self._files(folder, (".json", ".settings"))]
        await self._each("presets", files, take, here)

    async def _take_scripts(self) -> None:
        extensions = _object(self._settings.get("extension_settings"))
        for row in _objects(extensions.get("regex")):

            async def take(row: dict[str, Any] = row) -> str:
                return (await self._rooms.scripts.add(self._owner, row, Links(everywhere=True))).id

            async def here(id: str) -> None:
                await self._rooms.scripts.get(self._owner, id)

            await self._row("scripts", _text(row.get("scriptName")) or "regex", row, take, here)

    async def _take_replies(self) -> None:
        async def take(path: Path, content: bytes) -> str:
            made = await self._rooms.quick_replies.take(self._owner, path.name, content)
            left = [one.label for one in made.replies if one.unknown]
            if left:
                self.report.notes.append((self._name(path), ", ".join(left)))
            return made.id

        async def here(path: Path, id: str) -> None:
            await self._rooms.quick_replies.get(self._owner, id)

        await self._each("replies", self._files("QuickReplies", (".json",)), take, here)

    # ── chats ───────────────────────────────────────────────────────────────────────────────────────

    async def _take_chats(self) -> None:
        """The chats with a character lie in a folder of the name that its file has, without the ending."""
        folder = self._root / "chats"
        for below in sorted(folder.iterdir()) if folder.is_dir() else ():
            if below.is_dir():
                card = next((one for file, one in self._cards.items() if Path(file).stem == below.name), None)
                fields = {"character_id": card.id} if card else {}
                await self._chats_of(self._files(f"chats/{below.name}", (".jsonl",)), fields)

    async def _take_groups(self) -> None:
        files = {path.stem: path for path in self._files("group chats", (".jsonl",))}
        for path in self._files("groups", (".json",)):
            group = _json(path)
            wanted = [str(name) for name in group.get("chats") or () if str(name) in files]
            fields = {"folder": _text(group.get("name")), "story": {"group": self._cast(group)}}
            await self._chats_of([files.pop(name) for name in dict.fromkeys(wanted)], fields)
        await self._chats_of(list(files.values()), {})

    def _cast(self, group: Mapping[str, Any]) -> dict[str, Any]:
        muted = group.get("disabled_members") or ()
        members = [
            {"character_id": self._cards[str(file)].id, "muted": file in muted}
            for file in group.get("members") or ()
            if str(file) in self._cards
        ]
        numbers = {"order": group.get("activation_strategy"), "join": group.get("generation_mode")}
        given: dict[str, Any] = {key: value for key, value in numbers.items() if type(value) is int}
        texts = {"prefix": "generation_mode_join_prefix", "suffix": "generation_mode_join_suffix"}
        given |= {ours: _text(group.get(theirs)) for ours, theirs in texts.items()}
        return given | {"members": members, "self_replies": group.get("allow_self_responses") is True}

    async def _chats_of(self, files: list[Path], fields: Mapping[str, Any]) -> None:
        """All files of one character together: branches lie beside what they left. One that cannot be read
        is told, and the others come in."""
        tally, readable = self.report.of("chats"), list[tuple[str, bytes]]()
        marks: dict[str, str] = {}  # by the name of the file
        for path in files:
            try:
                content = await asyncio.to_thread(_content, path)
                mark = digest(self._name(path), content)
                if await self._is_here(mark, partial(self._rooms.exchange.has, self._owner)):
                    tally.already += 1
                    continue
                marks[path.stem] = mark
                self._rooms.exchange.require_readable(path.name, content)
                readable.append((path.name, content))
            except (ChatUnreadable, BadParameter) as wrong:
                tally.refused.append((self._name(path), wrong))
        taken = await self._rooms.exchange.take(
            self._owner, readable, fields, worlds=self._books, personas=self._faces
        )
        tally.taken += sum(one.files for one in taken)
        for one in taken:
            for name in one.names:
                if name in marks:
                    await self._rooms.ledger.note(self._owner, marks[name], "chats", one.chat.id)

    # ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _each(self, kind: str, files: list[Path], take: Take, here: Here) -> None:
        """`take` gives the id of what it made; `here` raises NotFound for one that is gone by now."""
        tally = self.report.of(kind)
        for path in files:
            try:
                content = await asyncio.to_thread(path.read_bytes)
                mark = digest(self._name(path), content)
                if await self._is_here(mark, partial(here, path)):
                    tally.already += 1
                    continue
                await self._rooms.ledger.note(self._owner, mark, kind, await take(path, content))
                tally.taken += 1
            except FabulaError as wrong:
                tally.refused.append((self._name(path), wrong))
            except OSError as wrong:
                reason = phrase("expected.readable_file", reason=f"{wrong.strerror}")
                tally.refused.append((self._name(path), BadParameter("file", path.name, reason)))

    async def _row(
        self,
        kind: str,
        name: str,
        row: Mapping[str, Any],
        take: Callable[[], Awaitable[str]],
        here: Callable[[str], Awaitable[None]],
    ) -> str:
        """The same for what is no file of its own; its id, "" where it was refused."""
        tally, content = self.report.of(kind), json.dumps(row, sort_keys=True)
        mark = digest(f"{kind}/{name}", content.encode())
        try:
            if id := await self._is_here(mark, here):
                tally.already += 1
                return id
            made = await take()
        except FabulaError as wrong:
            tally.refused.append((name, wrong))
            return ""
        await self._rooms.ledger.note(self._owner, mark, kind, made)
        tally.taken += 1
        return made

    async def _is_here(self, mark: str, here: Callable[[str], Awaitable[None]]) -> str:
        """The id of what came in before and was not deleted since; "" for what has to come."""
        id = await self._rooms.ledger.find(self._owner, mark)
        try:
            if id:
                await here(id)
        except NotFound:
            return ""
        return id

    def _files(self, folder: str, endings: tuple[str, ...] = (), recursive: bool = False) -> list[Path]:
        """Of the folder; what a link leads out of it to is not followed."""
        place = self._root / folder
        found = place.rglob("*") if recursive else place.glob("*")
        return sorted(
            path
            for path in (found if place.is_dir() else ())
            if path.is_file()
            and not path.is_symlink()
            and (not endings or path.suffix.lower() in endings)
            and path.resolve().is_relative_to(self._root)
        )

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._root))


def _root(folder: Path) -> Path:
    """The folder of one user: itself, the only one in `data/`, or `default-user` in it."""
    if not folder.is_dir():
        raise FolderUnreadable(str(folder), phrase("chats.reason.no_folder"))
    places = [folder, folder / "default-user", folder / "data" / "default-user"]
    places += sorted(path for path in folder.iterdir() if path.is_dir())
    for place in places:
        if sum((place / name).exists() for name in MARKS_OF_TAVERN) > 1:
            return place.resolve()
    raise FolderUnreadable(str(folder), phrase("chats.reason.no_tavern"))


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > FILE_LIMIT:
            raise ChatUnreadable(path.name, phrase("chats.reason.too_large"))
        return path.read_bytes()
    except OSError as wrong:
        reason = phrase("expected.readable_file", reason=f"{wrong.strerror}")
        raise BadParameter("file", path.name, reason) from wrong


def _json(path: Path) -> dict[str, Any]:
    """{} where there is none, or it cannot be read."""
    try:
        return _object(json.loads(path.read_bytes().decode("utf-8-sig")))
    except (OSError, ValueError, RecursionError):
        return {}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
