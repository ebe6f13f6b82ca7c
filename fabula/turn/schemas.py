"""JSON schemas as strangers send them: checked, and replies held against them. Knows no engine.

Neither may take for ever, fetch anything, or fail: a schema can refer to itself, to an address, and in thirty
lines to a thousand million of its own parts; a pattern can take exponential time. Patterns are those of the
package `regex`, which knows `\\p{L}` and a time limit.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

import regex

from fabula.core.errors import BadParameter
from fabula.core.regex_size import MOST_PARTS, parts
from fabula.core.texts import Phrase, phrase

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

MOST_ITEMS = 100_000  # to make the rules for more, the engine takes minutes and answers nobody else meanwhile
DEEPEST = 64  # schemas inside each other; Python's stack bears some more
PATIENCE_S = 0.5  # for one reply
_COUNTS = ("minItems", "maxItems", "minContains", "maxContains")
_VALUES = ("const", "enum", "default", "examples")  # what stands in them is no schema


def check(text: str) -> None:
    """Raises BadParameter for what is no schema, or one that nobody can keep to."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    schema = _parsed(text)
    try:
        _bounded(schema, text)
        Draft202012Validator.check_schema(schema, format_checker=_formats())
    except SchemaError as wrong:
        raise _refused(text, f"{wrong.json_path}: {wrong.message}"[:300]) from wrong
    except RecursionError as wrong:
        raise BadParameter("json_schema", text[:80], phrase("expected.shallower", most=DEEPEST)) from wrong


def problem(schema: str, text: str) -> Phrase | None:
    """Why a text is no value of a schema; None when it is."""
    from referencing.exceptions import Unresolvable

    try:
        value = json.loads(text, parse_constant=_no_constant)
        broken = next(_validator(json.loads(schema)).iter_errors(value), None)
    except json.JSONDecodeError as wrong:
        return phrase("form.no_json", line=wrong.lineno, column=wrong.colno)
    except (Unresolvable, RecursionError, TimeoutError, ValueError, re.error, regex.error):
        return phrase("form.unchecked")
    return _rule_broken(broken) if broken else None


def _no_constant(name: str) -> None:
    """NaN and its like, which Python takes for JSON."""
    raise json.JSONDecodeError(name, name, 0)


def _rule_broken(wrong: ValidationError) -> Phrase:
    """Where, and which rule of the schema: the validator's own words are English only."""
    rule = f"{wrong.validator}: {json.dumps(wrong.validator_value, ensure_ascii=False)}"
    return phrase("form.schema", path=wrong.json_path[:200], rule=rule[:200])


def _parsed(text: str) -> Any:
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise BadParameter("json_schema", text[:80], phrase("expected.schema")) from wrong
    if not isinstance(schema, dict | bool):
        raise BadParameter("json_schema", text[:80], phrase("expected.schema"))
    return schema


def _refused(text: str, reason: str | Phrase) -> BadParameter:
    return BadParameter("json_schema", text[:80], phrase("expected.valid_schema", reason=reason))


def _bounded(schema: Any, text: str) -> None:
    """Before anything is compiled: repetitions of items and of patterns."""
    total, found = 0, [schema]
    while found:
        each = found.pop()
        if isinstance(each, list):
            found += each
        elif isinstance(each, dict):
            for name in _COUNTS:
                count = each.get(name)
                if isinstance(count, int | float) and count > MOST_ITEMS:
                    raise _refused(text, phrase("expected.at_most", name=name, most=MOST_ITEMS))
            total += sum(parts(one) for one in _patterns(each))
            if total > MOST_PARTS:
                raise _refused(text, phrase("expected.smaller_regex", most=MOST_PARTS))
            found += [value for name, value in each.items() if name not in _VALUES]


def _patterns(schema: dict[str, Any]) -> Iterator[str]:
    if isinstance(pattern := schema.get("pattern"), str):
        yield pattern
    if isinstance(several := schema.get("patternProperties"), dict):
        yield from several


@cache
def _formats() -> Any:
    from jsonschema import FormatChecker

    formats = FormatChecker(formats=())
    formats.checks("regex", raises=(regex.error, OverflowError))(_is_regex)
    return formats


def _is_regex(text: Any) -> bool:
    return not isinstance(text, str) or bool(regex.compile(text))


# ── a reply ─────────────────────────────────────────────────────────────────────────────────────────────


def _validator(schema: Any) -> Any:
    """One for one reply: it ends when its time is over, and knows no address."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend
    from referencing import Registry

    until = time.monotonic() + PATIENCE_S
    rules: dict[str, Callable[..., Any]] = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "multipleOf": _multiple_of,
    }
    for name in ("$ref", "$dynamicRef"):  # nothing small takes long without them
        rules[name] = _timed(Draft202012Validator.VALIDATORS[name], until)
    return extend(Draft202012Validator, rules)(schema, registry=Registry())  # type: ignore[no-untyped-call]


def _timed(rule: Callable[..., Any], until: float) -> Callable[..., Any]:
    def followed(validator: Any, reference: Any, instance: Any, schema: Any) -> Any:
        if time.monotonic() > until:
            raise TimeoutError
        return rule(validator, reference, instance, schema)

    return followed


def _found(pattern: str, text: str) -> bool:
    return regex.search(pattern, text, timeout=PATIENCE_S) is not None


def _broken(rule: str) -> ValidationError:
    from jsonschema import ValidationError

    return ValidationError(rule)


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _found(pattern, instance):
        yield _broken("pattern")


def _pattern_properties(
    validator: Any, patterns: dict[str, Any], instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for pattern, inner in patterns.items():
            for name, value in instance.items():
                if _found(pattern, name):
                    yield from validator.descend(value, inner, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, inner: Any, instance: Any, schema: dict[str, Any]
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        patterns = schema.get("patternProperties", {})
        for name, value in instance.items():
            named = name in schema.get("properties", {})
            if not named and not any(_found(pattern, name) for pattern in patterns):
                if inner is False:
                    yield _broken("additionalProperties")
                else:
                    yield from validator.descend(value, inner, path=name)


def _multiple_of(validator: Any, of: float, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """As the numbers are written: 1.11 is a multiple of 0.01, though not in binary."""
    if not isinstance(instance, int | float) or isinstance(instance, bool):
        return
    if not math.isfinite(instance) or (Fraction(repr(instance)) / Fraction(repr(of))).denominator != 1:
        yield _broken("multipleOf")
