"""The operators of `{{.name op value}}`. Knows no syntax."""

from __future__ import annotations

import operator
from collections.abc import Callable

from fabula.prompt.macros.numbers import is_false_word, number, written
from fabula.prompt.macros.scene import Variables

Value = Callable[[], str]

_COMPARES: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def apply(variables: Variables, name: str, sign: str, value: Value) -> str:
    """What the expression gives; `value` is worked out only where it is needed."""
    if sign in _COMPARES:
        return written(_COMPARES[sign](number(variables.get(name)), number(value())))
    return _OPERATORS[sign](variables, name, value)


def _get(variables: Variables, name: str, value: Value) -> str:
    return written(variables.get(name))


def _set(variables: Variables, name: str, value: Value) -> str:
    variables.set(name, value())
    return ""


def _add(variables: Variables, name: str, value: Value) -> str:
    variables.add(name, value())
    return ""


def _subtract(variables: Variables, name: str, value: Value) -> str:
    amount = number(value())
    if amount == amount:
        variables.add(name, -amount)
    return ""


def _step(by: int) -> Callable[[Variables, str, Value], str]:
    return lambda variables, name, value: written(variables.add(name, by))


def _is_false(value: object) -> bool:
    return not value or is_false_word(written(value))


def _or(variables: Variables, name: str, value: Value) -> str:
    current = variables.get(name)
    return value() if _is_false(current) else written(current)


def _if_missing(variables: Variables, name: str, value: Value) -> str:
    return written(variables.get(name)) if variables.has(name) else value()


def _or_set(variables: Variables, name: str, value: Value) -> str:
    return _kept(variables, name, value) if _is_false(variables.get(name)) else written(variables.get(name))


def _set_if_missing(variables: Variables, name: str, value: Value) -> str:
    return written(variables.get(name)) if variables.has(name) else _kept(variables, name, value)


def _kept(variables: Variables, name: str, value: Value) -> str:
    text = value()
    variables.set(name, text)
    return text


def _equal(variables: Variables, name: str, value: Value) -> str:
    return written(written(variables.get(name)) == value())


def _different(variables: Variables, name: str, value: Value) -> str:
    return written(written(variables.get(name)) != value())


_OPERATORS: dict[str, Callable[[Variables, str, Value], str]] = {
    "": _get,
    "=": _set,
    "+=": _add,
    "-=": _subtract,
    "++": _step(1),
    "--": _step(-1),
    "||": _or,
    "??": _if_missing,
    "||=": _or_set,
    "??=": _set_if_missing,
    "==": _equal,
    "!=": _different,
}
