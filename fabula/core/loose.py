"""Loose values (JSON, preset files) as the types of fields, without guessing. Knows no field's meaning.

Text is never read as a number, and true is no number: what does not fit is refused with what would.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.texts import Phrase, phrase


@dataclass(frozen=True, slots=True)
class _Kind:
    fits: Callable[[Any], bool]
    make: Callable[[Any], Any]
    expected: Phrase


def typed(name: str, value: Any, annotation: str) -> Any:
    """`value` as the annotation says. Raises BadParameter."""
    plain = annotation.removesuffix(" | None")
    if value is None and plain != annotation:
        return None
    kind = _BY_NAME.get(name) or _BY_ANNOTATION[plain]
    if not kind.fits(value):
        raise BadParameter(name, f"{value!r}"[:80], kind.expected)
    return kind.make(value)


LARGEST = 1e300  # JSON's whole numbers have no end; those beyond cannot become a float


def is_number(value: Any) -> bool:
    """A number that a float can hold; infinities too."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return isinstance(value, float) or -LARGEST <= value <= LARGEST


def _is_whole(value: Any) -> bool:
    return is_number(value) and float(value).is_integer()


def _list_of(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list | tuple) and all(type(item) is kind for item in value)


def _is_ids(value: Any) -> bool:
    return _list_of(int)(value) and min(value, default=0) >= 0


def _is_shares(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(is_number(item) and item >= 0 for item in value)


def _is_bias(value: Any) -> bool:
    try:
        pairs = _bias(value)
        return not any(math.isnan(amount) or token < 0 for token, amount in pairs)
    except (TypeError, ValueError, OverflowError):
        return False


def _bias(value: Any) -> tuple[tuple[int, float], ...]:
    """Pairs of token id and bias, from pairs or from OpenAI's {"id": bias}."""
    pairs = value.items() if isinstance(value, dict) else value
    return tuple((_token(token), _amount(amount)) for token, amount in pairs)


def _token(value: Any) -> int:
    """JSON's names are text."""
    if isinstance(value, str) or _is_whole(value):
        return int(value)
    raise TypeError(f"{value!r}")


def _amount(value: Any) -> float:
    """JSON has no infinity: in text it may stand."""
    if value in ("-inf", "inf") or is_number(value):
        return float(value)
    raise TypeError(f"{value!r}")


SCALE_LIMIT = 100.0
"""Of an adapter, both ways. Past 3 or so most only write nonsense."""


def _is_scales(value: Any) -> bool:
    try:
        return all(
            isinstance(name, str) and name and is_number(scale) and abs(scale) <= SCALE_LIMIT
            for name, scale in _pairs(value)
        )
    except (TypeError, ValueError):
        return False


def _scales(value: Any) -> tuple[tuple[str, float], ...]:
    """Pairs of name and scale, from pairs or from an object; the last one said of a name holds."""
    return tuple((name, float(scale)) for name, scale in dict(_pairs(value)).items())


def _pairs(value: Any) -> Any:
    return value.items() if isinstance(value, dict) else value


def _is_vectors(value: Any) -> bool:
    try:
        return all(
            isinstance(name, str) and name and abs(scale) <= SCALE_LIMIT and min(first, last) >= 0
            for name, scale, first, last in _vectors(value)
        )
    except (TypeError, ValueError, KeyError):
        return False


def _vectors(value: Any) -> tuple[tuple[str, float, int, int], ...]:
    """From {name: scale}, or a list of [name, scale, first, last] or {name, scale, layers}."""
    return tuple(_vector(row) for row in _pairs(value))


def _vector(row: Any) -> tuple[str, float, int, int]:
    if isinstance(row, dict):
        first, last = row.get("layers") or (0, 0)
        row = (row["name"], row.get("scale", 1.0), first, last)
    name, scale, first, last = (*row, 0, 0)[:4] if len(row) in (2, 4) else ()
    if not (is_number(scale) and _is_whole(first) and _is_whole(last)):
        raise TypeError(f"{row!r}")
    return name, float(scale), int(first), int(last)


def _exact(value: Any) -> str:
    """It was once a yes or no."""
    return value if isinstance(value, str) else "always" if value else "never"


def _schema(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_BY_ANNOTATION = {
    "bool": _Kind(lambda value: isinstance(value, bool), bool, phrase("expected.bool")),
    "int": _Kind(_is_whole, int, phrase("expected.whole")),
    "float": _Kind(is_number, float, phrase("expected.number")),
    "str": _Kind(lambda value: isinstance(value, str), str, phrase("expected.text")),
    "tuple[str, ...]": _Kind(_list_of(str), tuple, phrase("expected.texts")),
    "tuple[int, ...]": _Kind(_is_ids, tuple, phrase("expected.ids")),
    "tuple[float, ...]": _Kind(_is_shares, tuple, phrase("expected.shares")),
}
_BY_NAME = {
    "exact": _Kind(lambda value: isinstance(value, str | bool), _exact, phrase("expected.text")),
    "logit_bias": _Kind(_is_bias, _bias, phrase("expected.bias")),
    "adapters": _Kind(
        _is_scales, _scales, phrase("expected.adapters", low=f"{-SCALE_LIMIT:g}", high=f"{SCALE_LIMIT:g}")
    ),
    "control_vectors": _Kind(
        _is_vectors,
        _vectors,
        phrase("expected.control_vectors", low=f"{-SCALE_LIMIT:g}", high=f"{SCALE_LIMIT:g}"),
    ),
    "json_schema": _Kind(
        lambda value: isinstance(value, str | dict | bool), _schema, phrase("expected.schema")
    ),
}
