"""A hub on loopback that speaks the protocols of Hugging Face and of ModelScope, and misbehaves as they do.

Repositories have revisions; large files are kept apart (LFS): their address answers 302 to another path with
a signature, with X-Linked-Etag and X-Linked-Size, and `raw` gives the pointer. Listings come page by page
with a Link header. What is refused says so in X-Error-Code, as the hub does.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from models_stand_ins import sha256

LFS = 200  # bytes; larger files are kept apart


@dataclass
class Repository:
    """`revisions` maps names to files. `gated`: only for those who accepted its terms."""

    revisions: dict[str, dict[str, bytes]]
    gated: bool = False
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Hub:
    """`faults` are used up, one per request of a file: a status, or the bytes after which it breaks off."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    token: str = ""  # that opens what is gated
    page: int = 1000  # rows of a listing
    retry_after: str = "0"
    faults: list[int | str] = field(default_factory=list)
    busy: int = 0  # questions to the API that are answered with 429
    only_pointers: bool = False  # as a mirror that did not fetch what git only points to
    ranges: bool = True
    pause: float = 0.0  # seconds between two blocks
    block: int = 65536
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    open_at_once: int = 0
    most_at_once: int = 0
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, files: dict[str, bytes], revision: str = "main", **facts: Any) -> Repository:
        kept = self.repositories.setdefault(name, Repository({}))
        kept.revisions[revision] = files
        kept.facts |= facts
        return kept

    def ranges_asked(self) -> list[str]:
        return [headers["range"] for _, _, headers in self.asked if "range" in headers]

    def paths_asked(self) -> list[str]:
        return [path for path, _, _ in self.asked]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        path, asked = unquote(place.path), parse_qs(place.query)
        self.hub.asked.append((path, place.query, {name.lower(): v for name, v in self.headers.items()}))
        if path.startswith("/api/") and self.hub.busy:
            self.hub.busy -= 1
            return self._empty(429, retry_after=self.hub.retry_after)
        if path == "/api/models":
            return self._search(asked)
        if path == "/openapi/v1/models":
            return self._search_modelscope(asked)
        if path.startswith("/api/v1/models/"):
            return self._modelscope(path.removeprefix("/api/v1/models/"), asked)
        if path.startswith("/api/models/"):
            return self._api(path.removeprefix("/api/models/"), asked)
        if path.startswith("/cdn/"):
            return self._content(path)
        return self._resolve(path)

    # ── Hugging Face ────────────────────────────────────────────────────────────────────────────────

    def _search(self, asked: dict[str, list[str]]) -> None:
        text, author = asked["search"][0].lower(), asked.get("author", [""])[0]
        rows = [
            {"id": name, "tags": kept.facts.get("tags", []), **kept.facts}
            for name, kept in self.hub.repositories.items()
            if all(word in name.lower() for word in text.replace("-", " ").split())
            and (not author or name.startswith(f"{author}/"))
            and all(wanted in kept.facts.get("tags", []) for wanted in asked.get("filter", []))
        ]
        rows.sort(key=lambda row: -row.get("downloads", 0))
        self._json(rows[: int(asked["limit"][0])])

    def _api(self, path: str, asked: dict[str, list[str]]) -> None:
        owner, name, what, *rest = path.split("/", 3)
        if (kept := self._allowed(f"{owner}/{name}")) is None:
            return None
        if what == "refs":
            branches = [
                {"name": each, "ref": f"refs/heads/{each}", "targetCommit": "0" * 40}
                for each in kept.revisions
            ]
            return self._json({"branches": branches, "tags": [], "converts": []})
        files = kept.revisions.get(rest[0])
        if files is None:
            return self._empty(404, x_error_code="RevisionNotFound")
        rows = [_row(file, content) for file, content in files.items()]
        start = int(asked.get("cursor", ["0"])[0])
        more = {}
        if start + self.hub.page < len(rows):
            path, cursor = self.path.partition("?")[0], start + self.hub.page
            url = f"{self.hub.address}{path}?recursive=true&cursor={cursor}"
            more = {"link": f'<{url}>; rel="next"'}
        return self._json(rows[start : start + self.hub.page], more)

    def _allowed(self, name: str) -> Repository | None:
        """The repository, or None after the refusal was sent."""
        kept = self.hub.repositories.get(name)
        if kept is None:
            self._empty(401, x_error_code="RepoNotFound", x_error_message="Repository not found")
            return None
        if kept.gated and self.headers.get("authorization") != f"Bearer {self.hub.token}":
            status = 403 if self.headers.get("authorization") else 401
            self._empty(status, x_error_code="GatedRepo", x_error_message="Access is restricted")
            return None
        return kept

    def _resolve(self, path: str) -> None:
        parts = path.strip("/").split("/", 4)
        if len(parts) < 5 or parts[2] not in ("resolve", "raw"):
            return self._empty(404)
        owner, name, how, revision, file = parts
        if (kept := self._allowed(f"{owner}/{name}")) is None:
            return None
        content = kept.revisions.get(revision, {}).get(file)
        if content is None:
            return self._empty(404, x_error_code="EntryNotFound")
        if len(content) <= LFS:
            return self._send(200, content, {"etag": f'"{sha256(content)[:40]}"', "x-repo-commit": "0" * 40})
        if how == "raw" or self.hub.only_pointers:
            return self._send(200, pointer(content), {"content-type": "text/plain"})
        return self._empty(
            302,
            location=f"/cdn/{sha256(content)}/{owner}/{name}/{revision}/{file}?signature=abc",
            x_linked_etag=f'"{sha256(content)}"',
            x_linked_size=str(len(content)),
            x_repo_commit="0" * 40,
        )

    # ── ModelScope ──────────────────────────────────────────────────────────────────────────────────

    def _search_modelscope(self, asked: dict[str, list[str]]) -> None:
        text = asked["search"][0].lower()
        rows = [
            {"id": name, **kept.facts} for name, kept in self.hub.repositories.items() if text in name.lower()
        ]
        self._json({"success": True, "data": {"models": rows, "total_count": len(rows)}})

    def _modelscope(self, path: str, asked: dict[str, list[str]]) -> None:
        owner, name, _, *rest = path.split("/", 3)
        kept = self.hub.repositories.get(f"{owner}/{name}")
        if kept is None:
            told = {"Code": 10010205001, "Success": False, "Message": "model not exist", "Data": {}}
            return self._json(told, status=404)
        if path.endswith("/revisions"):
            branches = [{"Revision": each} for each in kept.revisions]
            told = {"Code": 200, "Success": True, "Data": {"RevisionMap": {"Branches": branches, "Tags": []}}}
            return self._json(told)
        files = kept.revisions[asked["Revision"][0]]
        if rest == ["files"]:
            rows = [_modelscope_row(file, content) for file, content in files.items()]
            return self._json({"Code": 200, "Success": True, "Message": "success", "Data": {"Files": rows}})
        file = asked["FilePath"][0]
        if file not in files:
            return self._empty(404)
        return self._empty(
            302, location=f"/cdn/{sha256(files[file])}/{owner}/{name}/{asked['Revision'][0]}/{file}"
        )

    # ── bytes ───────────────────────────────────────────────────────────────────────────────────────

    def _content(self, path: str) -> None:
        digest, owner, name, revision, file = path.removeprefix("/cdn/").split("/", 4)
        content = self.hub.repositories[f"{owner}/{name}"].revisions[revision][file]
        cut = len(content)
        if self.hub.faults:
            fault = self.hub.faults.pop(0)
            if isinstance(fault, int):
                more = {"retry_after": self.hub.retry_after} if fault in (429, 503) else {}
                return self._empty(fault, **more) if fault != 200 else self._ranged(content, digest, cut)
            cut = int(fault)
        return self._ranged(content, digest, cut)

    def _ranged(self, content: bytes, digest: str, cut: int) -> None:
        headers = {"etag": f'"{digest}"', "accept-ranges": "bytes" if self.hub.ranges else "none"}
        asked = self.headers.get("range") if self.hub.ranges else None
        if self.headers.get("if-none-match") == f'"{digest}"':
            return self._empty(304, etag=f'"{digest}"')
        if asked and self.headers.get("if-range") in (None, f'"{digest}"'):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or len(content)), len(content) - 1)
            if start >= len(content):
                return self._empty(416, content_range=f"bytes */{len(content)}")
            headers["content-range"] = f"bytes {start}-{end}/{len(content)}"
            return self._send(206, content[start : end + 1], headers, cut)
        return self._send(200, content, headers, cut)

    def _empty(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", "0")
        self.end_headers()

    def _json(self, value: Any, more: dict[str, str] | None = None, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), {"content-type": "application/json", **(more or {})})

    def _send(self, status: int, content: bytes, headers: dict[str, str], cut: int = -1) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        cut = len(content) if cut < 0 else min(cut, len(content))
        with self._counted():
            for at in range(0, cut, self.hub.block):
                self.wfile.write(content[at : min(at + self.hub.block, cut)])
                time.sleep(self.hub.pause)
        if cut < len(content):
            self.close_connection = True

    @contextmanager
    def _counted(self) -> Generator[None]:
        hub = self.hub
        with hub.lock:
            hub.open_at_once += 1
            hub.most_at_once = max(hub.most_at_once, hub.open_at_once)
        try:
            yield
        finally:
            with hub.lock:
                hub.open_at_once -= 1


def pointer(content: bytes) -> bytes:
    """What git has in the place of a large file."""
    version, size = "https://git-lfs.github.com/spec/v1", len(content)
    return f"version {version}\noid sha256:{sha256(content)}\nsize {size}\n".encode()


def _row(file: str, content: bytes) -> dict[str, Any]:
    row: dict[str, Any] = {"type": "file", "path": file, "size": len(content), "oid": "0" * 40}
    if len(content) > LFS:
        row["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": len(pointer(content))}
    return row


def _modelscope_row(file: str, content: bytes) -> dict[str, Any]:
    large = len(content) > LFS
    return {
        "Type": "blob",
        "Path": file,
        "Name": file.rpartition("/")[2],
        "Size": len(content),
        "IsLFS": large,
        "Sha256": sha256(content),
        "Revision": "0" * 40,
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what these tests are about."""


@contextmanager
def serving(hub: Hub) -> Generator[Hub]:
    """On a free port; `hub.address` tells where."""
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
