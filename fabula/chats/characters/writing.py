"""Write a character into files that other programs read. Knows no database.

A PNG holds the card twice, as V2 in `chara` for older programs and as V3 in `ccv3`; its pixels and everything
else in it stay as they are.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from fabula.chats.characters import archive, png
from fabula.chats.characters.card import Asset, Card, Version
from fabula.chats.characters.reading import CARD_FILE, EMBEDDED, Bundle, path_of

NAME = 120  # characters of a file name
_UNSAFE = re.compile(r'[\\/:*?"<>|\x00-\x1f]')
BLANK = (512, 768, (96, 104, 118))  # width, height, colour of the picture of a card without one

FOLDERS = {
    "images": ("png", "apng", "jpg", "jpeg", "webp", "gif", "avif", "svg", "bmp"),
    "audio": ("mp3", "wav", "ogg", "flac", "m4a", "opus"),
    "video": ("mp4", "webm", "mkv", "mov"),
    "3d": ("mmd", "obj", "glb", "gltf", "fbx", "vrm"),
    "ai": ("safetensors", "ckpt", "onnx", "gguf"),
    "fonts": ("otf", "ttf", "woff", "woff2"),
    "code": ("lua", "js"),
}
"""SPEC_V3, "CHARX": the folder inside `assets/<type>/` by the file's ending; all others go to `other`."""


def as_json(card: Card, version: Version = 3) -> bytes:
    return json.dumps(card.written(version), ensure_ascii=False, indent=2).encode(errors="surrogatepass")


def as_png(card: Card, picture: bytes | None) -> bytes:
    """Raises BadPicture where `picture` is no PNG."""
    texts = {"chara": _packed(card.written(2)), "ccv3": _packed(card.written(3))}
    return png.with_texts(picture or png.plain(*BLANK), texts)


def as_charx(bundle: Bundle) -> bytes:
    """An archive with the card and all its files; the picture is its main icon."""
    card, files = bundle.card, dict(bundle.files)
    named = {path_of(asset.uri) for asset in card.assets}
    if bundle.picture and not any(files.get(path) == bundle.picture for path in named):
        path = folder("icon", "png") + "main.png"
        files[path] = bundle.picture
        card = _with_icon(card, Asset("icon", EMBEDDED[0] + path, "main", "png"))
    document = json.dumps(card.written(3), ensure_ascii=True, indent=2).encode()
    return archive.packed({CARD_FILE: document} | files)


def free_name(name: str, ending: str, taken: set[str]) -> str:
    """A file name that no system stumbles over and that is not taken; it is from now on."""
    plain = _UNSAFE.sub("_", name).strip(" .")[:NAME] or "_"
    found, number = f"{plain}.{ending}", 2
    while found.casefold() in taken:
        found, number = f"{plain} ({number}).{ending}", number + 1
    taken.add(found.casefold())
    return found


def folder(type: str, ext: str) -> str:
    """Where the specification wants an asset: `assets/icon/images/`."""
    kind = next((name for name, endings in FOLDERS.items() if ext.lower() in endings), "other")
    return f"assets/{type or 'other'}/{kind}/"


def _with_icon(card: Card, icon: Asset) -> Card:
    def replaced(one: Any) -> bool:
        return isinstance(one, dict) and one.get("type") == "icon" and one.get("uri") == "ccdefault:"

    listed = [one for one in card.data.get("assets") or [] if not replaced(one)]
    made = {"type": icon.type, "uri": icon.uri, "name": icon.name, "ext": icon.ext}
    return card.edited({"assets": [made, *listed]})


def _packed(document: dict[str, Any]) -> bytes:
    return base64.b64encode(json.dumps(document, ensure_ascii=True).encode())
