"""Replies that must have a form: refuse a form that cannot be kept, and check what came. Knows no engine.

An engine may leave a schema unheeded without a word (llama.cpp does when it cannot compile one), and a reply
that was cut short by a limit keeps no form. So the form is checked before, and the reply after.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import regex

from fabula.core.errors import BadParameter
from fabula.core.sampling import Sampling
from fabula.core.texts import Phrase, phrase
from fabula.engine.bans import matcher

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

FORMS = ("grammar", "json_schema", "regex")
MAX_FORM = 200_000  # characters of a schema, regex or grammar
MAX_CHECKED = 1_000_000  # characters of a reply
MATCH_S = 1.0  # a pattern may take exponential time


def check(sampling: Sampling) -> None:
    """Raises BadParameter for a form that is wrong, for two at once, and for unusable banned texts."""
    matcher.check(sampling.banned_strings, sampling.banned_regexes)
    asked = [name for name in FORMS if getattr(sampling, name)]
    if len(asked) > 1:
        raise BadParameter(asked[1], getattr(sampling, asked[1])[:80], phrase("expected.one_form"))
    for name in asked:
        form = getattr(sampling, name)
        if len(form) > MAX_FORM:
            raise BadParameter(name, f"{form[:60]}…", phrase("expected.shorter", most=MAX_FORM))
        _CHECKS[name](form)


def problem(sampling: Sampling, text: str) -> Phrase | None:
    """Why a reply does not have the form that was asked for; None when it has, or when none was asked for."""
    if len(text) > MAX_CHECKED:
        return None
    if sampling.json_schema:
        return _json_problem(sampling.json_schema, text)
    return _regex_problem(sampling.regex, text) if sampling.regex else None


def _regex_problem(pattern: str, text: str) -> Phrase | None:
    try:
        matches = regex.fullmatch(pattern, text, timeout=MATCH_S)
    except TimeoutError:
        return phrase("form.regex_slow", seconds=MATCH_S)
    return None if matches else phrase("form.regex")


def _json_problem(schema: str, text: str) -> Phrase | None:
    from jsonschema import Draft202012Validator

    try:
        value = json.loads(text)
    except json.JSONDecodeError as wrong:
        return phrase("form.no_json", line=wrong.lineno, column=wrong.colno)
    except RecursionError:
        return phrase("form.no_json", line=1, column=1)
    broken = next(Draft202012Validator(json.loads(schema)).iter_errors(value), None)
    return _rule_broken(broken) if broken else None


def _rule_broken(wrong: ValidationError) -> Phrase:
    """Where, and which rule of the schema: the validator's own words are English only."""
    rule = f"{wrong.validator}: {json.dumps(wrong.validator_value, ensure_ascii=False)}"
    return phrase("form.schema", path=wrong.json_path[:200], rule=rule[:200])


def _check_schema(text: str) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    schema = _parsed(text)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as wrong:
        reason = f"{wrong.json_path}: {wrong.message}"[:300]
        raise BadParameter(
            "json_schema", text[:80], phrase("expected.valid_schema", reason=reason)
        ) from wrong


def _parsed(text: str) -> Any:
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise BadParameter("json_schema", text[:80], phrase("expected.schema")) from wrong
    if not isinstance(schema, dict | bool):
        raise BadParameter("json_schema", text[:80], phrase("expected.schema"))
    return schema


def _check_regex(text: str) -> None:
    try:
        regex.compile(text)
    except (regex.error, RecursionError, OverflowError) as wrong:
        raise BadParameter("regex", text[:80], phrase("expected.valid_regex", reason=f"{wrong}")) from wrong


def _check_grammar(text: str) -> None:
    """The engine refuses a bad grammar aloud; only the one thing that it insists on is checked here."""
    if not regex.search(r"(?m)^\s*root\s*::=", text) and not text.startswith("%llguidance"):
        raise BadParameter("grammar", text[:80], phrase("expected.grammar"))


_CHECKS = {"grammar": _check_grammar, "json_schema": _check_schema, "regex": _check_regex}
