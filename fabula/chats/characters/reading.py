"""Read a character from the bytes of any file that holds one. Knows no database and no network.

What a file is, is told by its content: PNG or APNG (V3's `ccv3` before V2's `chara`), JSON, CHARX, YAML,
Backyard archives, and pictures with an archive behind them. All of it comes from strangers: sizes are limited
before anything is allocated.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import yaml

from fabula.chats.characters import archive, foreign, png
from fabula.chats.characters.archive import BadArchive
from fabula.chats.characters.card import TEXTS, Card, card
from fabula.chats.characters.png import BadPicture
from fabula.core.errors import CardUnreadable
from fabula.core.texts import phrase

FILE_LIMIT = 256 << 20  # bytes
JSON_LIMIT = 32 << 20  # bytes of one document
YAML_DEPTH = 200  # open brackets
YAML_LIMIT = 2 << 20
ASSET = "chara-ext-asset_"
EMBEDDED = ("embeded://", "embedded://", "__asset:")  # the first is how the specification spells it
CARD_FILE = "card.json"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A card with what came along. `picture` is the file's own picture or the main icon; `files` are the
    others that the card's assets name, by the path in their URI.
    """

    card: Card
    picture: bytes | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)


class _NoCard(Exception):
    """Why there is no card: the end of a text key."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read(name: str, content: bytes) -> Bundle:
    """`name` is the file's, for sentences and for a card without a name. Raises CardUnreadable."""
    try:
        found = _found(content)
    except (_NoCard, BadPicture, BadArchive) as bad:
        raise CardUnreadable(name, phrase(f"cards.reason.{bad.reason}")) from bad
    if not found.card.name:
        return Bundle(found.card.edited({"name": PurePath(name).stem or "?"}), found.picture, found.files)
    return found


def _found(content: bytes) -> Bundle:
    if len(content) > FILE_LIMIT:
        raise _NoCard("too_large")
    if png.is_png(content):
        return _of_picture(content)
    if archive.is_archive(content):
        return _of_archive(content)
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return Bundle(_card(_json(content)))
    return Bundle(_card(_yaml(content)))


# ── pictures ────────────────────────────────────────────────────────────────────────────────────────


def _of_picture(content: bytes) -> Bundle:
    texts = {keyword.lower(): text for keyword, text in png.texts(content)}
    held = texts.get("ccv3", texts.get("chara"))
    if held is None:
        if archive.is_archive(content):
            return _of_archive(content)
        raise _NoCard("picture_only")
    files = {_asset_path(key): _base64(text) for key, text in png.texts(content) if _asset_path(key)}
    return Bundle(_card(_json(_base64(held))), content, files)


def _asset_path(keyword: str) -> str:
    """`chara-ext-asset_:path`; some programs leave out the colon."""
    path = keyword.removeprefix(ASSET).removeprefix(":")
    return path if keyword.startswith(ASSET) and archive.safe_path(path) else ""


def _base64(text: bytes) -> bytes:
    try:
        packed = b"".join(text.split())
        return base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError) as broken:
        raise _NoCard("damaged") from broken


# ── archives ────────────────────────────────────────────────────────────────────────────────────────


def _of_archive(content: bytes) -> Bundle:
    files = archive.unpacked(content)
    if foreign.is_backyard(files):
        return _of_backyard(files)
    if CARD_FILE not in files:
        raise _NoCard("no_card_file")
    found = _card(_json(files.pop(CARD_FILE)))
    return Bundle(found, _main_icon(found, files), files)


def _of_backyard(files: Mapping[str, bytes]) -> Bundle:
    try:
        document, picture = foreign.backyard(files)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as broken:
        raise _NoCard("damaged") from broken
    return Bundle(_card(document), picture)


def _main_icon(found: Card, files: Mapping[str, bytes]) -> bytes | None:
    icons = [asset for asset in found.assets if asset.type == "icon"]
    for asset in sorted(icons, key=lambda asset: asset.name != "main"):
        if (path := path_of(asset.uri)) in files:
            return files[path]
    return None


def path_of(uri: str) -> str:
    """The path of a file that came along with the card; "" for every other kind of address."""
    for scheme in EMBEDDED:
        if uri.startswith(scheme):
            return uri.removeprefix(scheme)
    return ""


# ── documents ───────────────────────────────────────────────────────────────────────────────────────


def _card(document: Any) -> Card:
    if not isinstance(document, dict):
        raise _NoCard("not_card")
    made = card(foreign.translated(document) or document)
    if not any(made.text(field) for field in TEXTS):
        raise _NoCard("not_card")
    return made


def _json(content: bytes) -> Any:
    if len(content) > JSON_LIMIT:
        raise _NoCard("too_large")
    try:
        return json.loads(content.decode("utf-8-sig"), parse_constant=_refused)
    except (ValueError, RecursionError) as broken:
        raise _NoCard("damaged") from broken


def _refused(constant: str) -> None:
    raise ValueError(constant)


class _Plain(yaml.SafeLoader):
    """YAML without references: a few lines of them can stand for gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("references are not read")
        return super().compose_node(parent, index)


def _check_depth(content: bytes) -> None:
    """The parser looks at every open bracket for each word: half a minute for 100,000 of them."""
    depth = 0
    for bracket in re.finditer(rb"[\[\]{}]", content):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > YAML_DEPTH:
            raise ValueError("too deep")


def _yaml(content: bytes) -> Any:
    if len(content) > YAML_LIMIT:
        raise _NoCard("too_large")
    try:
        _check_depth(content)
        read = yaml.load(content.decode("utf-8-sig"), _Plain)
        return json.loads(json.dumps(read, default=str))  # dates and other YAML types as text
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as broken:
        raise _NoCard("not_card") from broken
