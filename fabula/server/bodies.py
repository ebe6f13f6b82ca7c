"""What dialects do with every body: read it, take its fields with their types, name what nobody understood.

Knows no dialect's fields.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Container, Iterable, Mapping
from typing import Any, NoReturn
from urllib.parse import quote

from fastapi import Request

from fabula.core import images
from fabula.core.errors import BadParameter
from fabula.core.loose import is_number
from fabula.core.messages import IMAGE
from fabula.core.texts import Phrase, phrase

MAX_HEADER = 4000  # characters
MAX_IMAGES = 16  # of one message


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object that was sent. Raises BadParameter."""
    return parsed(await request.body())


def parsed(raw: bytes) -> dict[str, Any]:
    body = any_of(raw)
    if not isinstance(body, dict):
        raise BadParameter("body", f"{body!r}"[:80], phrase("expected.object"))
    return body


def any_of(raw: bytes) -> Any:
    """Any JSON that was sent. Raises BadParameter."""
    try:
        text = raw.decode(json.detect_encoding(raw))
        body = _decode(text)
        if "\\ud" in text or "\\uD" in text:  # half a character can neither be tokenized nor sent back
            json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as reason:
        shown = raw[:80].decode(errors="replace")
        raise BadParameter("body", shown, phrase("expected.json_object", reason=f"{reason}")) from reason
    return body


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_decode = json.JSONDecoder(parse_constant=_refuse).decode  # `json.loads` would make one for each body

_KINDS: dict[type, Phrase] = {
    bool: phrase("expected.bool"),
    int: phrase("expected.whole"),
    float: phrase("expected.number"),
    str: phrase("expected.text"),
    list: phrase("expected.list"),
    dict: phrase("expected.object"),
}


def get(row: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    """A field of the right type; null and absence are the default. Raises BadParameter.

    A whole number is good where a `float` is asked for.
    """
    value = row.get(name)
    if value is None:
        return default
    if kind is float and isinstance(value, int) and is_number(value):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadParameter(name, f"{value!r}"[:80], _KINDS[kind])
    return value


def ids_in(row: Mapping[str, Any], name: str) -> list[int]:
    """A list of token ids; null and absence are none. Raises BadParameter."""
    ids: list[Any] = get(row, name, list, [])
    if not all(type(id) is int for id in ids):
        raise BadParameter(name, f"{ids!r}"[:80], phrase("expected.ids"))
    return ids


def unknown(
    body: Mapping[str, Any],
    known: Container[str],
    neutral: Mapping[str, tuple[Any, ...]] | None = None,
) -> tuple[str, ...]:
    """The fields that nobody understood. `neutral` are values that ask for nothing: to ignore them ignores
    nothing."""
    harmless = neutral or {}
    return tuple(
        name
        for name, value in body.items()
        if name not in known and value is not None and value not in harmless.get(name, ())
    )


def ignored_header(names: Iterable[str]) -> dict[str, str]:
    """A header for people who look at the wire; names are the client's and may hold anything."""
    listed = quote(", ".join(names), safe=" ,[]()")[:MAX_HEADER]
    return {"X-Fabula-Ignored": listed} if listed else {}


# ── texts and images ────────────────────────────────────────────────────────────────────────────────


def plain(text: str, where: str) -> str:
    """A text that holds no mark of an image that is not there. Raises BadParameter."""
    if IMAGE in text:
        raise BadParameter(where, text[:80], phrase("expected.text"))
    return text


def joined(parts: Iterable[str | bytes], where: str) -> tuple[str, tuple[bytes, ...]]:
    """Texts and image files in their order: the whole text with a mark for each image, and the files. A text
    after a text begins a line, as llama.cpp has it: programs send what belongs apart in parts."""
    parts = list(parts)
    files = tuple(part for part in parts if isinstance(part, bytes))
    if len(files) > MAX_IMAGES:
        raise BadParameter(where, f"{len(files)}", phrase("expected.images", most=MAX_IMAGES))
    whole = ""
    for before, part in itertools.pairwise([b"", *parts]):
        begins_a_line = whole and isinstance(before, str) and isinstance(part, str)
        whole += ("\n" if begins_a_line else "") + (IMAGE if isinstance(part, bytes) else part)
    return whole, files


def image_in(address: Any, where: str) -> bytes:
    """The file in a data: address. Others are never fetched: they would reach into the person's network."""
    head, _, coded = address.partition(",") if isinstance(address, str) else ("", "", "")
    if not (head.startswith("data:image/") and head.endswith(";base64")):
        raise BadParameter(where, f"{address!r}"[:80], phrase("expected.image_data"))
    return image_of(coded, where)


def image_of(coded: Any, where: str) -> bytes:
    """The file behind base64, which may stand in lines. Raises BadParameter for what is no image that can be
    read here."""
    try:
        data = base64.b64decode("".join(coded.split()), validate=True)
    except (ValueError, TypeError, AttributeError) as wrong:
        raise BadParameter(where, f"{coded!r}"[:40], phrase("expected.image_data")) from wrong
    return images.checked(data, where)
