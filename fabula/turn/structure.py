"""Replies that must have a form: refuse a form that cannot be kept, and check what came. Knows no engine.

An engine may leave a schema unheeded without a word (llama.cpp does when it cannot compile one), and a reply
that was cut short by a limit keeps no form. So the form is checked before, and the reply after.
"""

from __future__ import annotations

import regex

from fabula.core.errors import BadParameter
from fabula.core.regex_size import MOST_PARTS, parts
from fabula.core.sampling import Sampling
from fabula.core.texts import Phrase, phrase
from fabula.engine.bans import matcher
from fabula.engine.parsing import gbnf
from fabula.turn import schemas

FORMS = ("grammar", "json_schema", "regex")
MAX_FORM = 200_000  # characters of a schema, regex or grammar
MAX_CHECKED = 1_000_000  # characters of a reply
MATCH_S = 0.5  # a pattern may take exponential time


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
        return schemas.problem(sampling.json_schema, text)
    return _regex_problem(sampling.regex, text) if sampling.regex else None


def _regex_problem(pattern: str, text: str) -> Phrase | None:
    try:
        matches = regex.fullmatch(pattern, text, timeout=MATCH_S)
    except TimeoutError:
        return phrase("form.regex_slow", seconds=MATCH_S)
    return None if matches else phrase("form.regex")


def _check_regex(text: str) -> None:
    if parts(text) > MOST_PARTS:
        raise BadParameter("regex", text[:80], phrase("expected.smaller_regex", most=MOST_PARTS))
    try:
        regex.compile(text)
    except (regex.error, RecursionError, OverflowError) as wrong:
        raise BadParameter("regex", text[:80], phrase("expected.valid_regex", reason=f"{wrong}")) from wrong


def _check_grammar(text: str) -> None:
    """What is written for llguidance is judged by the engine alone."""
    if text.startswith("%llguidance"):
        return
    if not regex.search(r"(?m)^\s*root\s*::=", text):
        raise BadParameter("grammar", text[:80], phrase("expected.grammar"))
    try:
        gbnf.check(text)
    except gbnf.BadGrammar as wrong:
        raise BadParameter(
            "grammar", text[:80], phrase("expected.valid_grammar", reason=f"{wrong}")
        ) from wrong


_CHECKS = {"grammar": _check_grammar, "json_schema": schemas.check, "regex": _check_regex}
