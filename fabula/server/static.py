"""The web app's files, and the page of the API's description. Knows no view and no route of the API."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse

from fabula import __version__
from fabula.core.errors import NoSuchRoute

FOLDER = Path(__file__).parent.parent / "web"
IMMUTABLE = {"cache-control": "public, max-age=31536000, immutable"}
FRESH = {"cache-control": "no-cache"}
MEDIA_TYPES = {  # the system's table of types is not the same on every machine
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}


def index_html() -> str:
    """The app's page; the policy's hash is taken over the same bytes."""
    return page("index.html")


def page(name: str) -> str:
    """A page with the version of its files filled in."""
    return (FOLDER / name).read_text(encoding="utf-8").replace("{{version}}", stamp())


def stamp() -> str:
    """Names one state of the files: the version, and in a checkout the newest change too."""
    newest = max(int(path.stat().st_mtime) for path in FOLDER.rglob("*") if path.is_file())
    return f"{__version__}-{newest:x}"


def web_routes() -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    index_page, docs_page = index_html(), page("docs.html")

    @routes.get("/")
    async def index() -> HTMLResponse:
        return HTMLResponse(index_page, headers=FRESH)

    @routes.get("/docs")
    async def docs() -> HTMLResponse:
        """Swagger UI from our own files: the browser fetches nothing from elsewhere."""
        return HTMLResponse(docs_page, headers=FRESH)

    @routes.get("/web/{version}/{path:path}")
    async def file(version: str, path: str) -> FileResponse:
        """A file of the web app. The version is in the address so that browsers may keep it for ever."""
        found = _find(path)
        if found is None:
            raise NoSuchRoute("GET", f"/web/{version}/{path}")
        return FileResponse(found, media_type=MEDIA_TYPES.get(found.suffix), headers=IMMUTABLE)

    return routes


def _find(path: str) -> Path | None:
    """A file of ours, or None for what leads out of the folder or is no name of a file at all."""
    try:
        found = (FOLDER / path).resolve()
        return found if found.is_relative_to(FOLDER.resolve()) and found.is_file() else None
    except (OSError, ValueError):  # too long, or with a zero byte
        return None
