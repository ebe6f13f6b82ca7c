"""Ask a server for a file or a part of one: redirects, tokens, refusals. Knows no disk.

What may pass (a broken connection, a busy server) is `Broken`, for whoever tries again; all else is an error
for the person.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

import httpx

from fabula.core.errors import (
    AccessDenied,
    AccessGated,
    DownloadBroken,
    DownloadFailure,
    SourceMissing,
    UnknownSource,
)
from fabula.core.texts import phrase
from fabula.models.sources.addresses import is_allowed

TIMEOUT = httpx.Timeout(30, connect=10)  # seconds
REDIRECTS = 10
AGAIN = (408, 425, 429, 500, 502, 503, 504)
_TOTAL = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<total>\d+|\*)$")
_RESET = re.compile(r"\bt=(\d+)")


@dataclass(frozen=True, slots=True)
class Remote:
    """One file on a server. `expected` is its size in bytes, 0 if not known beforehand."""

    url: str
    name: str
    source: str  # for error messages
    sha256: str = ""
    expected: int = 0
    headers: Mapping[str, str] | None = None  # sent to the first host only

    @property
    def id(self) -> str:
        """By its content where that is known: what one mirror began, another one can end."""
        return hashlib.sha256((self.sha256.lower() or self.url).encode()).hexdigest()[:16]


class Broken(Exception):
    """The connection failed in a way that may pass. `wait` is what the server asked for, in seconds."""

    def __init__(self, reason: str, reached: bool, wait: float = 0) -> None:
        super().__init__(reason)
        self.reached, self.wait = reached, wait


@contextmanager
def broken_connections() -> Iterator[None]:
    """Failures of the connection as `Broken`."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        raise Broken(str(error), reached=False) from error
    except (httpx.RequestError, httpx.StreamError) as error:
        raise Broken(str(error) or type(error).__name__, reached=True) from error


@contextmanager
def asked(client: httpx.Client, remote: Remote, more: Mapping[str, str]) -> Iterator[httpx.Response]:
    """The answer after redirects, its body not read. Raises Broken or what `check` raises."""
    headers = {"accept-encoding": "identity", **(remote.headers or {}), **more}
    with broken_connections():
        answer = _follow(client, remote, headers)
        try:
            check(answer, remote.source)
            yield answer
        finally:
            answer.close()


def _follow(client: httpx.Client, remote: Remote, headers: dict[str, str]) -> httpx.Response:
    """Redirects may not leave HTTPS, and a token is for its own host alone."""
    url = httpx.URL(remote.url)
    for _ in range(REDIRECTS):
        if not is_allowed(str(url)):
            raise UnknownSource(str(url))
        answer = client.send(client.build_request("GET", url, headers=headers), stream=True)
        if answer.next_request is None:
            return answer
        answer.close()
        target = answer.next_request.url
        if (target.host, target.port) != (url.host, url.port):
            private = ("authorization", "cookie")
            headers = {name: value for name, value in headers.items() if name.lower() not in private}
        url = target
    raise DownloadBroken(remote.source, phrase("reasons.redirects", most=REDIRECTS))


def check(answer: httpx.Response, source: str) -> None:
    """Raises Broken for what may pass, else the refusal as an error for the person."""
    status = answer.status_code
    if status in (200, 206, 304, 416):
        return
    if status in AGAIN:
        raise Broken(f"HTTP {status}", reached=True, wait=_wait(answer))
    raise refusal(answer, source)


def refusal(answer: httpx.Response, source: str) -> DownloadFailure:
    """The hub says 401 for repositories that do not exist, too, and tells them apart in a header."""
    code, status = answer.headers.get("x-error-code", ""), answer.status_code
    if code in ("RepoNotFound", "RevisionNotFound", "EntryNotFound") or status in (404, 410):
        return SourceMissing(source)
    if code == "GatedRepo":
        return AccessGated(source, _page(answer))
    if status in (401, 403):
        return AccessDenied(source)
    return DownloadBroken(source, f"HTTP {status}")


def _page(answer: httpx.Response) -> str:
    """Where the terms of a gated repository are accepted."""
    match = re.match(r"/(?:api/models/)?([^/]+/[^/]+)", answer.url.path)
    return f"{answer.url.scheme}://{answer.url.netloc.decode()}/{match[1] if match else ''}"


def _wait(answer: httpx.Response) -> float:
    """Seconds, from Retry-After or the hub's own RateLimit header; 0 = not told."""
    told = answer.headers.get("retry-after", "")
    if not told and (match := _RESET.search(answer.headers.get("ratelimit", ""))):
        told = match[1]
    with contextlib.suppress(ValueError):
        return max(float(told), 0)
    with contextlib.suppress(ValueError):
        return max(parsedate_to_datetime(told).timestamp() - time.time(), 0)
    return 0


# ── what an answer says of its file ─────────────────────────────────────────────────────────────────


def place(answer: httpx.Response) -> tuple[int, int]:
    """(first byte, size of the whole file) of an answer; 0 is not told, a start of −1 is nonsense."""
    if answer.status_code != 206:
        plain = "content-encoding" not in answer.headers
        return 0, int(answer.headers.get("content-length", 0) or 0) if plain else 0
    match = _TOTAL.match(answer.headers.get("content-range", ""))
    if match is None:
        return -1, 0
    return int(match["start"]), int(match["total"]) if match["total"] != "*" else 0


def validator(answer: httpx.Response) -> str:
    """What If-Range may carry: a strong ETag, else the date."""
    etag: str = answer.headers.get("etag", "")
    return etag if etag and not etag.startswith("W/") else answer.headers.get("last-modified", "")


def name_in(url: str) -> str:
    return unquote(httpx.URL(url).path.rsplit("/", 1)[-1])


def name_offered(answer: httpx.Response) -> str:
    match = re.search(r'filename="?([^";]+)"?', answer.headers.get("content-disposition", ""))
    return match[1] if match else ""
