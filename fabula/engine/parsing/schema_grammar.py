"""JSON schemas as GBNF, the engine's grammar language. Pure.

What a schema says about types, properties, required ones, items, lengths, enums, constants and alternatives
is in the grammar; bounds of numbers, patterns and formats are not. Properties come in the schema's order.
Raises BadSchema, with where it is wrong, for what is no schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fabula.core.texts import Phrase, phrase

SPACE = "space"
PRIMITIVES = {
    "space": '| " " | "\\n" [ \\t]{0,20}',
    "char": '[^"\\\\\\x7F\\x00-\\x1F] | "\\\\" (["\\\\/bfnrt] | "u" [0-9a-fA-F]{4})',
    "string": '"\\"" char* "\\""',
    "integer": '"-"? ("0" | [1-9] [0-9]{0,15})',
    "number": 'integer ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,3})?',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "pair": 'string space ":" space value',
    "object": '"{" space (pair (space "," space pair)*)? space "}"',
    "array": '"[" space (value (space "," space value)*)? space "]"',
    "value": "object | array | string | number | boolean | null",
}
NEEDS = {
    "string": ("char",),
    "number": ("integer",),
    "object": ("space", "pair"),
    "pair": ("space", "string", "value"),
    "array": ("space", "value"),
    "value": ("object", "array", "string", "number", "boolean", "null"),
}
TYPES = ("string", "integer", "number", "boolean", "null", "object", "array")
DEPTH = 64  # schemas inside schemas


class BadSchema(Exception):
    """`where` is the path inside the schema, `expected` what is accepted there."""

    def __init__(self, where: str, found: Any, expected: Phrase) -> None:
        super().__init__(where)
        self.where, self.found, self.expected = where, found, expected


class Grammar:
    """Rules that grow as schemas are added to them."""

    def __init__(self) -> None:
        self.rules: dict[str, str] = {}
        self._references: dict[tuple[int, str], str] = {}

    def add(self, name: str, body: str) -> str:
        """A rule under this name, or a numbered one; the name it got."""
        unique, number = name, 0
        while self.rules.get(unique, body) != body:
            number += 1
            unique = f"{name}-{number}"
        self.rules[unique] = body
        return unique

    def primitive(self, name: str) -> str:
        if name not in self.rules:
            self.rules[name] = PRIMITIVES[name]
            for other in NEEDS.get(name, ()):
                self.primitive(other)
        return name

    def schema(self, schema: Any, name: str = "schema", root: Any = None) -> str:
        """The rule for all values of a schema; `root` is what it is part of, to which its references lead."""
        return _Writer(self, schema if root is None else root).rule(schema, name, "", 0)

    def without(self, mark: str, name: str) -> str:
        """The rule for text up to and with the first `mark`: the automaton of the search for it."""
        for matched in range(len(mark)):
            steps = {char: _next_state(mark, matched, char) for char in sorted(set(mark[: matched + 1]))}
            options = [
                literal(char) if then == len(mark) else f"{literal(char)} {name}-{then}"
                for char, then in steps.items()
                if then
            ]
            others = "".join(_in_class(char) for char, then in steps.items() if then)
            self.rules[f"{name}-{matched}"] = " | ".join([*options, f"[^{others}] {name}-0"])
        return f"{name}-0"

    def text(self, root: str) -> str:
        return "\n".join(f"{name} ::= {body}" for name, body in {"root": root, **self.rules}.items())


def literal(text: str) -> str:
    """A text as GBNF writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped.replace(chr(9), chr(92) + "t")}"'


def _in_class(character: str) -> str:
    special = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", "]": "\\]", "[": "\\[", "^": "\\x5E"}
    return special.get(character, "\\x2D" if character == "-" else character)


def _next_state(mark: str, matched: int, character: str) -> int:
    """How much of the mark is matched after one more character."""
    seen = mark[:matched] + character
    return next(length for length in range(len(seen), -1, -1) if mark.startswith(seen[len(seen) - length :]))


class _Writer:
    """Rules of one schema, whose references it resolves."""

    def __init__(self, grammar: Grammar, root: Any) -> None:
        self._grammar = grammar
        self._root = root
        self._names: dict[str, str] = {}

    def rule(self, schema: Any, name: str, where: str, depth: int) -> str:
        if depth > DEPTH:
            raise BadSchema(where, "…", phrase("expected.shallower", most=DEPTH))
        if schema is True or schema == {}:
            return self._grammar.primitive("value")
        if not isinstance(schema, Mapping):
            raise BadSchema(where, schema, phrase("expected.object"))
        if "$ref" in schema:
            return self._reference(schema["$ref"], where, depth)
        for word in ("enum", "const"):
            if word in schema:
                return self._constants(schema, word, name, where)
        for word in ("anyOf", "oneOf", "allOf"):
            if word in schema:
                return self._combined(schema, word, name, where, depth)
        return self._typed(schema, name, where, depth)

    def _constants(self, schema: Mapping[str, Any], word: str, name: str, where: str) -> str:
        values = schema[word] if word == "enum" else [schema[word]]
        if not isinstance(values, list) or not values:
            raise BadSchema(f"{where}.{word}", values, phrase("expected.values"))
        return self._grammar.add(
            name, " | ".join(literal(json.dumps(item, ensure_ascii=False)) for item in values)
        )

    def _combined(self, schema: Mapping[str, Any], word: str, name: str, where: str, depth: int) -> str:
        parts = schema[word]
        if not isinstance(parts, list) or not parts:
            raise BadSchema(f"{where}.{word}", parts, phrase("expected.schemas"))
        if word == "allOf":
            return self.rule(_merged(schema, parts, where), name, where, depth + 1)
        rules = [
            self.rule(part, f"{name}-{number}", f"{where}.{word}[{number}]", depth + 1)
            for number, part in enumerate(parts)
        ]
        return self._grammar.add(name, " | ".join(rules))

    def _typed(self, schema: Mapping[str, Any], name: str, where: str, depth: int) -> str:
        kind = schema.get("type")
        if kind is None:
            kind = "object" if "properties" in schema else "array" if "items" in schema else "value"
        if isinstance(kind, list) and kind:
            rules = [self._typed({**schema, "type": each}, f"{name}-{each}", where, depth) for each in kind]
            return self._grammar.add(name, " | ".join(rules))
        if kind == "value":
            return self._grammar.primitive("value")
        if not isinstance(kind, str) or kind not in TYPES:
            raise BadSchema(f"{where}.type", kind, phrase("expected.one_of", names=", ".join(TYPES)))
        if kind == "object":
            return self._object(schema, name, where, depth)
        if kind == "array":
            return self._array(schema, name, where, depth)
        if kind == "string" and ("minLength" in schema or "maxLength" in schema):
            least, most = _bounds(schema, "minLength", "maxLength", where)
            self._grammar.primitive("char")
            return self._grammar.add(name, f'"\\"" char{_times(least, most)} "\\""')
        return self._grammar.primitive(kind)

    def _array(self, schema: Mapping[str, Any], name: str, where: str, depth: int) -> str:
        item = self.rule(schema.get("items", True), f"{name}-item", f"{where}.items", depth + 1)
        least, most = _bounds(schema, "minItems", "maxItems", where)
        self._grammar.primitive(SPACE)
        rest = _times(max(0, least - 1), None if most is None else max(0, most - 1))
        more = f'(space "," space {item}){rest}'
        items = f"{item} {more}" if most != 0 else ""
        return self._grammar.add(name, f'"[" space {items if least else f"({items})?"} space "]"')

    def _object(self, schema: Mapping[str, Any], name: str, where: str, depth: int) -> str:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, Mapping):
            raise BadSchema(f"{where}.properties", properties, phrase("expected.object"))
        if not isinstance(required, list) or not all(isinstance(key, str) for key in required):
            raise BadSchema(f"{where}.required", required, phrase("expected.texts"))
        self._grammar.primitive(SPACE)
        if not properties:
            closed = schema.get("additionalProperties", True) is False
            return self._grammar.add(name, '"{" space "}"') if closed else self._grammar.primitive("object")
        pairs = {
            key: f'{literal(json.dumps(key, ensure_ascii=False))} space ":" space '
            + self.rule(value, f"{name}-{_rule_name(key)}", f"{where}.properties.{key}", depth + 1)
            for key, value in properties.items()
        }
        needed = [pairs[key] for key in properties if key in required]
        optional = [pairs[key] for key in properties if key not in required]
        return self._grammar.add(name, f'"{{" space {self._members(name, needed, optional)} space "}}"')

    def _members(self, name: str, needed: list[str], optional: list[str]) -> str:
        """Members in order, commas between those that are there."""
        comma = ' space "," space '
        if needed:
            return comma.join(needed) + "".join(f" ({comma.lstrip()}{pair})?" for pair in optional)
        starts = []
        for number, pair in enumerate(optional):
            rest = "".join(f" ({comma.lstrip()}{other})?" for other in optional[number + 1 :])
            starts.append(f"{pair}{rest}")
        return f"({' | '.join(starts)})?"

    def _reference(self, reference: Any, where: str, depth: int) -> str:
        if reference in self._names:
            return self._names[reference]
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise BadSchema(f"{where}.$ref", reference, phrase("expected.schema_reference"))
        target: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(target, Mapping) or key not in target:
                raise BadSchema(f"{where}.$ref", reference, phrase("expected.schema_reference"))
            target = target[key]
        name = f"ref-{_rule_name(reference)}"
        while name in self._grammar.rules:
            name += "-again"
        self._names[reference] = name
        self._grammar.rules[name] = ""  # may be needed by itself
        self._grammar.rules[name] = self.rule(target, f"{name}-target", where, depth + 1)
        return name


def _merged(schema: Mapping[str, Any], parts: Sequence[Any], where: str) -> dict[str, Any]:
    """`allOf` of objects as one object."""
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in parts:
        if not isinstance(part, Mapping):
            raise BadSchema(f"{where}.allOf", part, phrase("expected.schemas"))
        for key, value in part.items():
            if key == "properties":
                merged[key] = {**merged.get(key, {}), **value}
            elif key == "required":
                merged[key] = [*merged.get(key, []), *value]
            else:
                merged.setdefault(key, value)
    return merged


def _bounds(schema: Mapping[str, Any], low: str, high: str, where: str) -> tuple[int, int | None]:
    least, most = schema.get(low, 0), schema.get(high)
    for word, number in ((low, least), (high, most)):
        if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 0):
            raise BadSchema(f"{where}.{word}", number, phrase("expected.whole_from", low=0))
    if most is not None and most < least:
        raise BadSchema(f"{where}.{high}", most, phrase("expected.no_less", name=low))
    return least, most


def _times(least: int, most: int | None) -> str:
    if most is None:
        return "*" if least == 0 else "+" if least == 1 else f"{{{least},}}"
    return f"{{{least},{most}}}"


def _rule_name(text: str) -> str:
    return re.sub("[^A-Za-z0-9]+", "-", text).strip("-") or "x"
