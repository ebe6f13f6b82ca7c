"""The web app's files, and the page of the API's description. Knows no view and no route of the API."""

from __future__ import annotations

import functools
import json
import mimetypes
from collections.abc import Callable
from pathlib import Path

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from fabula import __version__
from fabula.core import texts
from fabula.server.preloads import needs

FOLDER = Path(__file__).parent.parent / "web"
TEXTS = "texts/"  # the message files, of core, as if they were the app's own
EARLY = "early.js"
SHELL = "style/shell.css"
SHEETS = ("tokens.css", "base.css", "parts.css")
"""What every page looks like: asked for at once, so the three are one file for a browser."""
IMMUTABLE = {"cache-control": "public, max-age=31536000, immutable"}
FRESH = {"cache-control": "no-cache"}
MEDIA_TYPES = {  # the system's table of types is not the same on every machine
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".png": "image/png",
}


def index_html() -> str:
    """The app's page; the policy's hash is taken over the same bytes."""
    return page("index.html")


def page(name: str) -> str:
    """A page with the version of its files filled in."""
    return (FOLDER / name).read_text(encoding="utf-8").replace("{{version}}", stamp())


def stamp() -> str:
    """Names one state of the files: the version, and in a checkout the newest change too."""
    files = (path for folder in (FOLDER, texts.FOLDER) for path in folder.rglob("*") if path.is_file())
    newest = max(int(path.stat().st_mtime) for path in files)
    return f"{__version__}-{newest:x}"


PAGES = {
    "/": "index.html",
    "/docs": "docs.html",
    "/login": "login.html",
    "/sw.js": "sw.js",
    "/manifest.webmanifest": "manifest.webmanifest",
}
"""What is asked for anew each time, and names the version of everything else."""

KNOCK = Response(b"Ollama is running", media_type="text/plain")
"""What clients of Ollama look for before they ask anything; whoever wants a page says so."""


class WebApp:
    """ASGI. The app's page and files; what else is asked for goes on to `behind`.

    `language` is the studio's own, "" where that is left to the browser: the page tells it.
    Files are read where they are asked for: all are small, in the system's cache, and kept by the browser.
    """

    def __init__(self, behind: ASGIApp, language: Callable[[], str]) -> None:
        self._behind, self._language = behind, language
        self._pages = {path: page(name) for path, name in PAGES.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._answer(scope["path"]) if _reads(scope) else None
        if scope.get("path") == "/" and found and not _wants_page(scope):
            found = KNOCK
        await (found or self._behind)(scope, receive, send)

    def _answer(self, path: str) -> Response | None:
        if path in self._pages:
            content = self._pages[path].replace("{{language}}", self._language())
            return Response(content, headers=FRESH, media_type=_media_type(Path(PAGES[path])))
        name = _named(path)
        if name in MADE:
            return Response(MADE[name](), headers=IMMUTABLE, media_type=_media_type(Path(name)))
        file = _find(name) if name else None
        if file is None:
            return None
        return Response(file.read_bytes(), headers=IMMUTABLE, media_type=_media_type(file))


def _shell() -> bytes:
    return b"\n".join((FOLDER / "style" / name).read_bytes() for name in SHEETS)


@functools.cache  # it looks into many files
def _early() -> bytes:
    """With what the rooms need, as the text of a JavaScript string."""
    told = json.dumps(json.dumps(needs(FOLDER), separators=(",", ":")))
    return (FOLDER / EARLY).read_text(encoding="utf-8").replace('"{{needs}}"', told).encode()


MADE: dict[str, Callable[[], bytes]] = {SHELL: _shell, EARLY: _early}
"""Files that are put together from others."""


def _media_type(file: Path) -> str:
    return MEDIA_TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "text/plain"


def _wants_page(scope: Scope) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def _reads(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] in ("GET", "HEAD")


def _named(path: str) -> str:
    """What `/web/{version}/{name}` names. The version is there so that browsers may keep it for ever."""
    _, _, rest = path.partition("/web/")
    _, _, name = rest.partition("/")
    return name if path.startswith("/web/") else ""


def _find(path: str) -> Path | None:
    """A file of ours, or None for what leads out of the folder or is no name of a file at all."""
    try:
        folder, name = (texts.FOLDER, path.removeprefix(TEXTS)) if path.startswith(TEXTS) else (FOLDER, path)
        found = (folder / name).resolve()
        return found if found.is_relative_to(folder.resolve()) and found.is_file() else None
    except (OSError, ValueError):  # too long, or with a zero byte
        return None
