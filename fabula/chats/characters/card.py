"""A character card: the document as it came, and its fields by name. Knows no file format and no prompt.

Three versions of the format are about (V1: flat; V2 and V3: `{spec, spec_version, data}`; SPEC_V3.md of
kwaroran/character-card-spec-v3, and malfoyslastname/character-card-spec-v2). All of them are held in the V3
form, and what is not known of a document is kept where it was, so that it survives editing and writing.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Version = Literal[1, 2, 3]
SPECS: dict[int, tuple[str, str]] = {2: ("chara_card_v2", "2.0"), 3: ("chara_card_v3", "3.0")}

V1_FIELDS = ("name", "description", "personality", "scenario", "first_mes", "mes_example")
V2_TEXTS = ("creator_notes", "system_prompt", "post_history_instructions", "creator", "character_version")
TEXTS = (*V1_FIELDS, *V2_TEXTS)
LISTS = ("alternate_greetings", "tags")
V3_LISTS = ("group_only_greetings", "source", "assets")
ONLY_V3 = (*V3_LISTS, "nickname", "creator_notes_multilingual", "creation_date", "modification_date")
MIRRORED = (*V1_FIELDS, "tags", "talkativeness", "fav")  # SillyTavern repeats these beside `data`

_HALVES = re.compile("[\ud800-\udfff]")
TALKATIVENESS = 0.5  # where a card says nothing
DEFAULT_ASSETS = ({"type": "icon", "uri": "ccdefault:", "name": "main", "ext": "png"},)


@dataclass(frozen=True, slots=True)
class DepthNote:
    """A note that a card wants so many messages above the end of the prompt."""

    text: str
    depth: int = 4
    role: str = "system"


@dataclass(frozen=True, slots=True)
class Asset:
    """`uri` is `ccdefault:`, `embeded://path` (the specification's spelling), `data:…` or an address."""

    type: str
    uri: str
    name: str
    ext: str


@dataclass(frozen=True, slots=True)
class Card:
    """`document` is a V2 or V3 card as JSON holds it. It is never changed: `edited` makes another card."""

    document: Mapping[str, Any]

    @property
    def data(self) -> Mapping[str, Any]:
        data: Mapping[str, Any] = self.document["data"]
        return data

    @property
    def spec(self) -> str:
        return str(self.document.get("spec", ""))

    @property
    def newer(self) -> bool:
        """Whether the card follows a later version of the format than is known here."""
        try:
            return float(str(self.document.get("spec_version", "3.0"))) > 3.0
        except ValueError:
            return False

    # ── fields ──────────────────────────────────────────────────────────────────────────────────────

    def text(self, field: str) -> str:
        """A field as text; "" where it is missing or is none."""
        return _text(self.data.get(field))

    def texts(self, field: str) -> tuple[str, ...]:
        """A field as a list of texts; entries that are none are left out."""
        listed = self.data.get(field)
        return tuple(_text(one) for one in listed if isinstance(one, str)) if isinstance(listed, list) else ()

    @property
    def name(self) -> str:
        return self.text("name")

    @property
    def called(self) -> str:
        """What `{{char}}` stands for: the nickname of a V3 card, else the name."""
        return self.text("nickname") or self.name

    @property
    def greetings(self) -> tuple[str, ...]:
        """The first message and its alternatives."""
        first = self.text("first_mes")
        return (*((first,) if first else ()), *self.texts("alternate_greetings"))

    @property
    def group_greetings(self) -> tuple[str, ...]:
        """Those that are meant for group chats only."""
        return self.texts("group_only_greetings")

    def notes(self, language: str) -> str:
        """The creator's notes in a language ("zh-Hant" → "zh"), else in English."""
        told = self.data.get("creator_notes_multilingual")
        by_language = {str(k): _text(v) for k, v in told.items()} if isinstance(told, dict) else {}
        by_language.setdefault("en", self.text("creator_notes"))
        return by_language.get(language) or by_language.get(language.split("-")[0]) or by_language["en"]

    @property
    def extensions(self) -> Mapping[str, Any]:
        return _object(self.data.get("extensions"))

    @property
    def book(self) -> Mapping[str, Any] | None:
        """The lorebook inside the card, as JSON holds it."""
        book = self.data.get("character_book")
        return book if isinstance(book, dict) else None

    @property
    def talkativeness(self) -> float:
        """How often the character speaks up in a group, 0…1. SillyTavern also writes it as text."""
        try:
            return min(max(float(self.extensions.get("talkativeness", TALKATIVENESS)), 0.0), 1.0)
        except (TypeError, ValueError):
            return TALKATIVENESS

    @property
    def depth_note(self) -> DepthNote | None:
        """SillyTavern's `depth_prompt`, where it holds text."""
        note = _object(self.extensions.get("depth_prompt"))
        text = _text(note.get("prompt"))
        if not text:
            return None
        depth = note.get("depth", 4)
        usual = DepthNote(text)
        return replace(
            usual,
            depth=depth if isinstance(depth, int) and depth >= 0 else usual.depth,
            role=_text(note.get("role")) or usual.role,
        )

    @property
    def assets(self) -> tuple[Asset, ...]:
        listed = self.data.get("assets")
        found = listed if isinstance(listed, list) else DEFAULT_ASSETS
        return tuple(
            Asset(*(_text(one.get(part)) for part in ("type", "uri", "name", "ext")))
            for one in found
            if isinstance(one, dict)
        )

    # ── other forms ─────────────────────────────────────────────────────────────────────────────────

    def edited(self, fields: Mapping[str, Any]) -> Card:
        """With other values in `data`; None takes a field out. Repetitions beside `data` follow."""
        document = copy.deepcopy(dict(self.document))
        _lay(document["data"], fields)
        _lay(
            document, {name: value for name, value in fields.items() if name in MIRRORED and name in document}
        )
        return Card(document)

    def written(self, version: Version = 3) -> dict[str, Any]:
        """The document for a file. Version 1 holds six fields and no more; 2 leaves out what V3 added."""
        if version == 1:
            return {name: self.text(name) for name in V1_FIELDS}
        document = copy.deepcopy(dict(self.document))
        document["spec"], document["spec_version"] = SPECS[version]
        return {**document, "data": _filled(document["data"], version)}


def card(document: Mapping[str, Any]) -> Card:
    """A card of any version. What lies flat in V1 is moved into `data`; nothing else is touched."""
    if isinstance(document.get("data"), dict):
        return Card(dict(document))
    moved = {name: value for name, value in document.items() if name in (*TEXTS, *LISTS, *ONLY_V3)}
    moved |= {name: document[name] for name in ("extensions", "character_book") if name in document}
    rest = {name: value for name, value in document.items() if name not in moved}
    spec, version = SPECS[3]
    return Card({**rest, "spec": spec, "spec_version": version, "data": moved})


def _filled(data: Mapping[str, Any], version: Version) -> dict[str, Any]:
    """With the fields that the version requires."""
    lists = (*LISTS, *(("group_only_greetings",) if version == 3 else ()))
    usual: dict[str, Any] = dict.fromkeys(TEXTS, "") | {name: [] for name in lists} | {"extensions": {}}
    kept = {name: value for name, value in data.items() if version == 3 or name not in ONLY_V3}
    return usual | kept


def _lay(over: dict[str, Any], fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        if value is None:
            over.pop(name, None)
        else:
            over[name] = copy.deepcopy(value)


def _text(value: Any) -> str:
    """Text that can be stored and sent: half characters (JSON allows them) become U+FFFD."""
    return _HALVES.sub("\ufffd", value) if isinstance(value, str) else ""


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
