"""What is wrong with a body or a query, as a sentence of ours: pydantic's own words are English only.

Knows no route.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.texts import Phrase, phrase

_KINDS = {
    "missing": "given",
    "extra_forbidden": "known_field",
    "int_type": "whole",
    "int_parsing": "whole",
    "int_from_float": "whole",
    "int_parsing_size": "whole",
    "float_type": "number",
    "float_parsing": "number",
    "finite_number": "number",
    "string_type": "text",
    "bool_type": "bool",
    "bool_parsing": "bool",
    "list_type": "list",
    "dict_type": "object",
    "model_type": "object",
    "model_attributes_type": "object",
    "json_invalid": "json_text",
    "value_error": "json_text",
    "string_unicode": "text",
}
"""pydantic's kinds of mistakes → the ends of our text keys."""


def refusal(mistakes: list[Any]) -> BadParameter:
    """The first mistake, as pydantic describes them."""
    first = mistakes[0]
    name = ".".join(str(part) for part in first["loc"][1:]) or "body"
    return BadParameter(name, f"{first.get('input')!r}"[:80], _expected(first))


def _expected(mistake: Mapping[str, Any]) -> Phrase | str:
    limits = mistake.get("ctx", {})
    match mistake["type"]:
        case "literal_error":
            names = str(limits["expected"]).replace("'", "").replace(" or ", ", ")
            return phrase("expected.one_of", names=names)
        case "string_too_long":
            return phrase("expected.shorter", most=limits["max_length"])
        case "too_long":
            return phrase("expected.fewer", most=limits["max_length"])
        case "greater_than_equal":
            return phrase("expected.no_less", name=f"{limits['ge']}")
        case "less_than_equal":
            return phrase("expected.no_more", name=f"{limits['le']}")
        case kind if kind in _KINDS:
            return phrase(f"expected.{_KINDS[kind]}")
    return str(mistake["msg"])
