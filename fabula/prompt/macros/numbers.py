"""Numbers and truth as JavaScript reads and writes them in texts. Knows no macro.

Variables of cards are written for JavaScript's rules ("5" + 1 is 6, "a" + 1 is "a1"), so these are kept.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)", re.A)
_RADIX = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_INFINITY = re.compile(r"[+-]?Infinity")
_FALSE = frozenset({"off", "false", "0"})


def number(value: Any) -> float:
    """ECMAScript's ToNumber for texts, numbers and booleans; NaN for what is none."""
    if isinstance(value, (int, float)):
        return float(value)
    text = str(value).strip()
    if not text:
        return 0.0
    if _RADIX.fullmatch(text):
        return float(int(text, 0))
    if _INFINITY.fullmatch(text):
        return -math.inf if text.startswith("-") else math.inf
    return float(text) if _DECIMAL.fullmatch(text) else math.nan


def written(value: Any) -> str:
    """A value as text: whole numbers without a point, lists and objects as JSON, nothing as ''."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return _finite(float(value))


def _finite(value: float) -> str:
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    mantissa, _, exponent = repr(value).partition("e")
    if not exponent:
        return mantissa
    if int(exponent) >= -6 and int(exponent) < 0:
        return f"{value:.{len(mantissa.replace('-', '').replace('.', '')) - int(exponent) - 1}f}"
    return f"{mantissa}e{'+' if int(exponent) > 0 else '-'}{abs(int(exponent))}"


def is_false_word(text: str) -> bool:
    return text.strip().lower() in _FALSE
