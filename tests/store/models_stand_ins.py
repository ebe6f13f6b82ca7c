"""Stand-ins for the models room: tiny GGUF files, and a loopback server with ranges, redirects and faults."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import threading
import time
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Pairs = dict[str, Any]


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Any) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _string(value)
    kind, items = (8, [_string(item) for item in value]) if isinstance(value[0], str) else (4, [])
    items = items or [struct.pack("<I", item) for item in value]
    return struct.pack("<IIQ", 9, kind, len(items)) + b"".join(items)


SHAPE: Pairs = {
    "general.architecture": "llama",
    "general.type": "model",
    "general.name": "Tiny",
    "general.file_type": 0,
    "general.license": "cc0-1.0",
    "general.languages": ["en", "zh"],
    "llama.block_count": 2,
    "llama.context_length": 512,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.tokens": ["<s>", "</s>", "a", "b"],
    "tokenizer.ggml.merges": ["a b"],
    "tokenizer.ggml.bos_token_id": 0,
    "tokenizer.ggml.eos_token_id": 1,
    "tokenizer.ggml.add_bos_token": True,
}


def tiny_gguf(rows: int = 16, version: int = 3, **changes: Any) -> bytes:
    """A whole GGUF with one F32 tensor of 64 × rows. `changes` replace metadata ("." written as "__")."""
    pairs = {**SHAPE, **{key.replace("__", "."): value for key, value in changes.items()}}
    pairs = {key: value for key, value in pairs.items() if value is not None}
    head = b"GGUF" + struct.pack("<IQQ", version, 1, len(pairs))
    head += b"".join(_string(key) + _value(value) for key, value in pairs.items())
    head += _string("token_embd.weight") + struct.pack("<IQQIQ", 2, 64, rows, 0, 0)
    head += b"\0" * (-len(head) % 32)
    return head + hashlib.sha256(b"seed").digest() * (64 * rows * 4 // 32)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wheel(name: str, version: str, files: dict[str, bytes]) -> bytes:
    """A minimal wheel that carries `files`."""
    buffer = io.BytesIO()
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return buffer.getvalue()


@dataclass
class Shelf:
    """What the server gives, and how it misbehaves. Lists are used up, one item per request."""

    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    trees: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)  # bytes after which the connection breaks
    pause: float = 0.0  # seconds between two blocks of 64 KiB
    etags: bool = True
    ranges: bool = True
    token: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    address: str = ""

    def ranges_asked(self) -> list[str]:
        return [headers["range"] for _, headers in self.asked if "range" in headers]

    def add_to_hub(self, repository: str, files: dict[str, bytes]) -> None:
        rows = [
            {
                "type": "file",
                "path": path,
                "size": len(content),
                "oid": "0" * 40,
                "lfs": {"oid": sha256(content), "size": len(content), "pointerSize": 130},
            }
            for path, content in files.items()
        ]
        self.trees[repository] = rows
        for path, content in files.items():
            self.files[f"/cdn/{path}"] = content
            self.redirects[f"/{repository}/resolve/main/{path}"] = f"/cdn/{path}"

    def add_to_index(self, name: str, version: str, files: dict[str, bytes]) -> None:
        """A package of a Python package index under /simple."""
        file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        self.files[f"/packages/{file}"] = wheel(name.replace("-", "_"), version, files)
        self.files[f"/simple/{name}/"] = f'<a href="/packages/{file}">{file}</a>'.encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shelf: Shelf

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        shelf, path = self.shelf, unquote(urlsplit(self.path).path)
        shelf.asked.append((path, {key.lower(): value for key, value in self.headers.items()}))
        is_open = not shelf.token or path.startswith("/cdn/")
        if not is_open and self.headers.get("authorization") != f"Bearer {shelf.token}":
            return self._head(401)
        if shelf.statuses and (status := shelf.statuses.pop(0)) != 200:
            return self._head(status)
        if path in shelf.redirects:
            return self._head(302, location=shelf.redirects[path])
        if path.startswith("/api/models/"):
            return self._tree(path.removeprefix("/api/models/").rpartition("/tree/")[0])
        return self._file(path) if path in shelf.files else self._head(404)

    def _head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", "0")
        self.end_headers()

    def _tree(self, repository: str) -> None:
        if repository not in self.shelf.trees:
            return self._head(401, x_error_code="RepoNotFound")
        self._send(
            200, json.dumps(self.shelf.trees[repository]).encode(), {"content-type": "application/json"}
        )
        return None

    def _file(self, path: str) -> None:
        content, shelf = self.shelf.files[path], self.shelf
        etag = f'"{sha256(content)[:16]}"'
        headers = {"content-type": "text/html" if path.startswith("/simple/") else "application/octet-stream"}
        if shelf.etags:
            headers["etag"] = etag
        if shelf.etags and self.headers.get("if-none-match") == etag:
            return self._head(304, etag=etag)
        asked = self.headers.get("range") if shelf.ranges else None
        if asked and self.headers.get("if-range") in (None, etag):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or len(content)), len(content) - 1)
            if start >= len(content):
                return self._head(416)
            headers["content-range"] = f"bytes {start}-{end}/{len(content)}"
            return self._send(206, content[start : end + 1], headers)
        return self._send(200, content, headers)

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        cut = self.shelf.cuts.pop(0) if self.shelf.cuts else len(content)
        for at in range(0, min(cut, len(content)), 65536):
            self.wfile.write(content[at : min(at + 65536, cut)])
            time.sleep(self.shelf.pause)
        if cut < len(content):
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what these tests are about."""


def serve(shelf: Shelf) -> _Server:
    """Starts the server on a free port; `shelf.address` tells where."""
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"shelf": shelf}))
    shelf.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server
