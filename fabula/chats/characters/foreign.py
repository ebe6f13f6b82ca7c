"""Characters of other programs, as documents of cards. Knows no file format.

What each program calls its fields was read from files that it writes: Pygmalion's and text-generation-webui's
JSON and YAML, Agnaistic's JSON, and the Backyard Archive Format (schemas v1 of its specification).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

PYGMALION = {
    "char_name": "name",
    "char_persona": "description",
    "world_scenario": "scenario",
    "char_greeting": "first_mes",
    "example_dialogue": "mes_example",
}
TEXTGEN = {
    "name": "name",
    "context": "description",
    "greeting": "first_mes",
    "example_dialogue": "mes_example",
}
AGNAISTIC = {
    "name": "name",
    "greeting": "first_mes",
    "scenario": "scenario",
    "sampleChat": "mes_example",
    "description": "creator_notes",
    "systemPrompt": "system_prompt",
    "postHistoryInstructions": "post_history_instructions",
    "alternateGreetings": "alternate_greetings",
    "characterBook": "character_book",
    "creator": "creator",
    "characterVersion": "character_version",
    "tags": "tags",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A program's document is known by `marks`, fields that all have to be there."""

    marks: tuple[str, ...]
    fields: Mapping[str, str]
    more: Callable[[Document], Document] = dict  # what is no plain renaming


def _agnaistic(document: Document) -> Document:
    """A persona is a text or lists of traits: `{attributes: {text: […]}}` or `{attributes: {trait: […]}}`."""
    attributes = document.get("persona", {}).get("attributes", {})
    if not isinstance(attributes, dict):
        return {}
    lines = [
        " ".join(values) if name == "text" else f"{name}: {', '.join(values)}"
        for name, values in attributes.items()
        if isinstance(values, list) and all(isinstance(value, str) for value in values)
    ]
    return {"description": "\n".join(lines)}


SHAPES = (
    Shape(("char_name",), PYGMALION),
    Shape(("kind", "persona", "greeting"), AGNAISTIC, _agnaistic),
    Shape(("name", "context"), TEXTGEN),
    Shape(("name", "greeting"), TEXTGEN),
)


def translated(document: Document) -> Document | None:
    """The card that a document of another program is, or None. What has no place in a card is kept."""
    for shape in SHAPES:
        if all(mark in document for mark in shape.marks):
            card = {to: document[field] for field, to in shape.fields.items() if field in document}
            known = {**shape.fields, "persona": ""}
            rest = {field: value for field, value in document.items() if field not in known}
            more = shape.more(document) if shape.more is not dict else {}
            return card | more | ({"extensions": {"imported": rest}} if rest else {})
    return None


# ── Backyard archives ───────────────────────────────────────────────────────────────────────────────

_PLACEHOLDERS = {"{character}": "{{char}}", "{user}": "{{user}}"}
_PLACEHOLDER = re.compile("|".join(map(re.escape, _PLACEHOLDERS)), re.IGNORECASE)


def is_backyard(files: Mapping[str, bytes]) -> bool:
    return "manifest.json" in files and any(path.startswith("characters/") for path in files)


def backyard(files: Mapping[str, bytes]) -> tuple[Document, bytes | None]:
    """The first character of an archive as a card, and its picture. Raises ValueError or KeyError for a
    manifest that names what is not there.

    Scenarios beyond the first lend their first messages as alternative greetings.
    """
    manifest = json.loads(files["manifest.json"])
    path = str(manifest["characters"][0])
    character = json.loads(files[path])
    scenarios = [json.loads(files[str(one)]) for one in manifest.get("scenarios", []) if str(one) in files]
    greetings = [text for scenario in scenarios for text in _spoken(scenario.get("firstMessages"))]
    first = scenarios[0] if scenarios else {}
    card: Document = {
        "name": str(character.get("displayName") or character.get("name") or ""),
        "description": _placed(character.get("persona")),
        "scenario": _placed(first.get("narrative")),
        "first_mes": greetings[0] if greetings else "",
        "alternate_greetings": greetings[1:],
        "mes_example": _examples(first.get("exampleMessages")),
        "system_prompt": _placed(first.get("formattingInstructions")),
        "extensions": {"backyard": {"character": character, "scenarios": scenarios}},
    }
    if lore := character.get("loreItems"):
        card["character_book"] = {"name": card["name"], "extensions": {}, "entries": list(_entries(lore))}
    return card, _picture(files, path, character)


def _placed(text: Any) -> str:
    return (
        _PLACEHOLDER.sub(lambda found: _PLACEHOLDERS[found[0].lower()], text) if isinstance(text, str) else ""
    )


def _spoken(messages: Any) -> Iterable[str]:
    return [_placed(one.get("text")) for one in messages or [] if isinstance(one, dict)]


def _examples(messages: Any) -> str:
    """Backyard marks who speaks with `#{character}:`; cards have blocks that begin with <START>."""
    spoken = [text.replace("#{{", "{{") for text in _spoken(messages)]
    return "<START>\n" + "\n".join(spoken) if spoken else ""


def _entries(items: Any) -> Iterable[Document]:
    for number, item in enumerate(one for one in items if isinstance(one, dict)):
        keys = [key.strip() for key in str(item.get("key", "")).split(",")]
        yield {
            "id": number,
            "keys": [key for key in keys if key],
            "content": _placed(item.get("value")),
            "enabled": True,
            "insertion_order": number,
            "extensions": {},
        }


def _picture(files: Mapping[str, bytes], path: str, character: Document) -> bytes | None:
    folder = path.rpartition("/")[0]
    for image in character.get("images") or []:
        named = str(image.get("path", "")) if isinstance(image, dict) else ""
        for place in (named, f"{folder}/{named}"):
            if place in files:
                return files[place]
    return None
