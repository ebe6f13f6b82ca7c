"""Forms from recipes: a kind of job as a JSON schema with words, and what somebody filled in, read back.

Knows no kind.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from fabula.app.forms import Form
from fabula.core import texts
from fabula.core.errors import BadParameter
from fabula.core.load import CHOICES, RANGES, LoadOptions
from fabula.core.texts import phrase
from fabula.server.mistakes import refusal

Json = dict[str, Any]


def told(form: Form, language: str) -> Json:
    """A form as the objects of docs/api.md have it."""
    return {
        "kind": form.kind,
        "room": form.room,
        "title": texts.say(f"jobs.kinds.{form.kind}.title", language),
        "about": texts.say(f"jobs.kinds.{form.kind}.about", language),
        "schema": _worded(_schema(form), (f"jobs.kinds.{form.kind}", "jobs"), language),
    }


def load_options(language: str) -> Json:
    """Everything that can be set for a model's load, as a form."""
    schema = _plain(LoadOptions)
    for name, choices in CHOICES.items():
        schema["properties"][name]["enum"] = list(choices)
    for name, (low, high) in RANGES.items():
        schema["properties"][name] |= {"minimum": low, "maximum": high}
    for name, field in schema["properties"].items():
        field["more"] = name not in EVERYDAY
    for name in ELSEWHERE:
        del schema["properties"][name]
    return _worded(schema, ("load", "jobs"), language)


EVERYDAY = ("context", "slots", "kv_type", "gpu_layers", "threads", "flash_attention", "keep_alive")
ELSEWHERE = ("adapters", "chat_template", "engine")
"""What has its own place on a model's page."""


def read(form: Form, arguments: Mapping[str, Any]) -> Any:
    """The recipe. Raises BadParameter, or what the recipe itself raises."""
    schema = _schema(form)
    for name, value in arguments.items():
        if name not in schema["properties"]:
            raise BadParameter(name, f"{value!r}"[:80], phrase("expected.known_field"))
        _require_within(name, value, schema["properties"][name])
    try:
        return _adapter(form.asks()).validate_python({**arguments, **form.given})
    except ValidationError as wrong:
        raise refusal([dict(row, loc=("body", *row["loc"])) for row in wrong.errors()]) from None


def _require_within(name: str, value: Any, field: Json) -> None:
    """Hints may have limits that a recipe's type does not tell."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    if "minimum" in field and value < field["minimum"]:
        raise BadParameter(name, f"{value}", phrase("expected.no_less", name=f"{field['minimum']}"))
    if "maximum" in field and value > field["maximum"]:
        raise BadParameter(name, f"{value}", phrase("expected.no_more", name=f"{field['maximum']}"))


# ── the schema ──────────────────────────────────────────────────────────────────────────────────────


@functools.cache
def _adapter(recipe: type) -> TypeAdapter[Any]:
    return TypeAdapter(recipe)


def _schema(form: Form) -> Json:
    """An object whose fields hold everything themselves: no references, what is given left out."""
    plain = _plain(form.asks())
    asked = {name: field for name, field in plain["properties"].items() if name not in form.given}
    for name, hint in form.hints.items():
        asked[name] = asked[name] | dict(hint)
    required = [name for name in plain.get("required", []) if name in asked]
    return {"type": "object", "properties": asked, "required": required}


def _plain(recipe: type) -> Json:
    whole = _adapter(recipe).json_schema()
    plain: Json = _resolved(whole, whole.get("$defs", {}))
    return plain


def _resolved(value: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_resolved(item, definitions) for item in value]
    if not isinstance(value, dict):
        return value
    if reference := value.get("$ref"):
        rest = {name: item for name, item in value.items() if name != "$ref"}
        return _resolved(definitions[reference.rpartition("/")[2]] | rest, definitions)
    return {name: _resolved(item, definitions) for name, item in value.items() if name != "$defs"}


def _worded(schema: Json, stems: tuple[str, ...], language: str) -> Json:
    """With a title, a description and the words of its choices for each field, from the first stem that has
    them."""
    fields = {name: _field(name, field, stems, language) for name, field in schema["properties"].items()}
    return schema | {"properties": fields}


def _field(name: str, field: Json, stems: tuple[str, ...], language: str) -> Json:
    def word(part: str) -> str:
        return _first((f"{stem}.{part}" for stem in stems), language)

    worded = dict(field) | {"title": word(f"fields.{name}") or name, "description": word(f"help.{name}")}
    if choices := field.get("enum"):
        worded["labels"] = {f"{one}": word(f"choices.{one}") or f"{one}" for one in choices}
    if "properties" in field:
        worded = _worded(worded, stems, language)
    return worded


def _first(keys: Iterable[str], language: str) -> str:
    """The first sentence that there is; "" where there is none."""
    known = texts.catalogue(language)
    return next((known[key] for key in keys if key in known), "")
