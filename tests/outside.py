"""A host of pictures on loopback, and the one way to it: tests let a name lead there. Knows no test."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from fabula.chats.outside import asking, way
from fabula.core.errors import PictureUnreachable

NAME = "pictures.example"
REAL = way.to


def picture(kind: str = "PNG") -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (3, 2), "teal").save(made, kind)
    return made.getvalue()


class Host(ThreadingHTTPServer):
    """`log` is what was asked: path and headers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.log: list[tuple[str, dict[str, str]]] = []
        self.files: dict[str, tuple[int, dict[str, str], bytes]] = {}
        for kind in ("PNG", "JPEG", "GIF", "WEBP"):
            self.put(f"/{kind.lower()}", picture(kind))

    def put(self, path: str, content: bytes = b"", status: int = 200, **headers: str) -> None:
        self.files[path] = (status, headers, content)

    def address(self, path: str, name: str = NAME) -> str:
        return f"http://{name}:{self.server_port}{path}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.log]


class _Handler(BaseHTTPRequestHandler):
    server: Host

    def do_GET(self) -> None:
        self.server.log.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        status, headers, content = self.server.files.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in ({"Content-Type": "text/html", "Set-Cookie": "a=b"} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Tests look at `log`."""


@contextlib.contextmanager
def hosting() -> Iterator[Host]:
    """Names under .example lead to it; every other name and number is judged as ever."""

    async def to(host: str, port: int) -> str:
        if host == "gone.example":
            raise PictureUnreachable(host, "no such host")
        return "127.0.0.1" if host.endswith(".example") else await REAL(host, port)

    with Host() as host, pytest.MonkeyPatch.context() as patch:
        patch.setattr(asking.way, "to", to)
        thread = threading.Thread(target=host.serve_forever, args=(0.02,))
        thread.start()
        yield host
        host.shutdown()
        thread.join()
