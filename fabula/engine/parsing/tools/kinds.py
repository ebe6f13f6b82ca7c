"""What an argument may be, as its JSON schema says, and its text. Knows no format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Schemas = Mapping[str, Mapping[str, Any]]
"""Of each tool, the schemas of its parameters by name."""

DEEPEST = 8  # schemas inside each other that are looked into
REFERRED = 4  # and where references lead: each step may branch
ALTERNATIVES = ("anyOf", "oneOf", "allOf")


def kinds(schema: Any, depth: int = 0) -> set[str]:
    """The types that a schema allows: an optional text is often `anyOf` a string and null."""
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return set()
    said = schema.get("type", [])
    found = {kind for kind in (said if isinstance(said, list) else [said]) if isinstance(kind, str)}
    values = [*_list(schema.get("enum")), *([schema["const"]] if "const" in schema else [])]
    found |= {"string" for value in values if isinstance(value, str)} | {
        "null" for value in values if value is None
    }
    inner = [each for word in ALTERNATIVES for each in _list(schema.get(word))]
    return found.union(*(kinds(each, depth + 1) for each in inner))


def values(schema: Any, depth: int = 0) -> list[Any]:
    """All that a schema allows where it names them; [] where it allows more than that."""
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return []
    if "enum" in schema or "const" in schema:
        return _list(schema["enum"]) if "enum" in schema else [schema["const"]]
    if schema.get("type") == "null":
        return [None]
    parts = _list(schema.get("anyOf")) or _list(schema.get("oneOf"))
    named = [values(part, depth + 1) for part in parts]
    return [value for each in named for value in each] if all(named) else []


def referred(schema: Any, root: Any, depth: int = 0) -> Any:
    """The schema with what it refers to in place of the references, those of its alternatives too."""
    if not isinstance(schema, Mapping) or depth >= REFERRED:
        return schema
    if isinstance(reference := schema.get("$ref"), str):
        return referred(_at(root, reference), root, depth + 1)
    inner = {
        word: [referred(each, root, depth + 1) for each in _list(schema[word])]
        for word in ALTERNATIVES
        if word in schema
    }
    return {**schema, **inner}


def _at(root: Any, reference: str) -> Any:
    target = root
    for step in reference.removeprefix("#").split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(target, Mapping) or key not in target:
            return {}
        target = target[key]
    return target


def _list(something: Any) -> list[Any]:
    return something if isinstance(something, list) else []


def json_text(something: Any) -> str:
    """Raises ValueError for numbers that JSON does not have."""
    return json.dumps(something, ensure_ascii=False, allow_nan=False)
