"""Fetch one file over HTTP(S), resuming what is there. Knows nothing of what the file is for.

`ID.part` holds the bytes so far and `ID.json` what they belong to (address, size, validator). A later
call, in this process or the next, goes on from there with Range and If-Range; a server that has
another file by now, or knows no ranges, makes it start again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

import httpx

from fabula.core.errors import AccessDenied, DownloadBroken, NotAModel, Offline, SourceMissing, UnknownSource
from fabula.core.texts import phrase
from fabula.models.sources import landing
from fabula.models.sources.addresses import is_allowed
from fabula.models.sources.words import Errand, Meter, Source

TIMEOUT = httpx.Timeout(30, connect=10)  # seconds
ATTEMPTS = 5  # in a row without a single byte
FIRST_ATTEMPTS = 2  # while the server was never reached: being offline should be told soon
REDIRECTS = 10
_AGAIN = (408, 425, 429, 500, 502, 503, 504)


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
        return hashlib.sha256(f"{self.url}\0{self.sha256}".encode()).hexdigest()[:16]


@dataclass(slots=True)
class _State:
    """What the bytes in the `.part` belong to."""

    url: str
    size: int = 0
    validator: str = ""
    name: str = ""


class _Broken(Exception):
    """The connection failed in a way that may pass."""

    def __init__(self, reason: str, reached: bool) -> None:
        super().__init__(reason)
        self.reached = reached


def fetch_url(source: Source, errand: Errand) -> Path:
    """The file behind an address, as a model in the folder."""
    remote = Remote(source.target, "", source.text, source.sha256, source.size)
    with landing.one_at_a_time(errand, remote.id):
        download = Download(remote, errand)
        part = download.run()
        try:
            landing.check_model(part, source.text)
        except NotAModel:
            download.forget()
            raise
        return download.land()


class Download:
    """One remote file on its way. `run` may be called again after any failure."""

    def __init__(self, remote: Remote, errand: Errand, before: int = 0, total: int = 0) -> None:
        """`before` and `total` place this file among several, for the progress."""
        self.remote, self.errand = remote, errand
        self.before, self.total = before, total
        self.part = errand.workshop / f"{remote.id}.part"
        self.note = errand.workshop / f"{remote.id}.json"
        self.state = self._recall()
        self.digest = hashlib.sha256()

    def run(self) -> Path:
        """The finished `.part`, its checksum verified."""
        failures, reached = 0, False
        while True:
            have = self._size()
            try:
                with landing.disk_errors(self.errand, lambda: self.state.size, self.forget):
                    self._transfer()
                break
            except _Broken as broken:
                reached = reached or broken.reached
                failures = 1 if self._size() > have else failures + 1
                self._give_up(failures, reached, broken)
            self.errand.pause(min(0.5 * 2 ** (failures - 1), 8))
        landing.check_digest(self.part, self.name, self.remote.sha256, self.digest.hexdigest())
        return self.part

    def land(self, target: Path | None = None) -> Path:
        wanted = target or self.errand.folder / self.name
        if wanted.is_file() and self._is_same(wanted):
            self.forget()
            return wanted
        done = landing.land(self.part, landing.free_name(wanted))
        self.note.unlink(missing_ok=True)
        return done

    def forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    @property
    def have(self) -> int:
        """Bytes that are there already."""
        return self._size()

    @property
    def name(self) -> str:
        return landing.file_name(self.remote.name or self.state.name or _name_in(self.remote.url))

    # ── one attempt ─────────────────────────────────────────────────────────────────────────────────

    def _transfer(self) -> None:
        have = self._rehash()
        with self.part.open("ab") as file:
            if have and have == self.state.size:
                return
            with self._answer(have) as answer:
                if answer.status_code == 416:  # the part is longer than the file, or belongs to another
                    self._restart(file)
                    raise _Broken("the server refused to resume", reached=True)
                start = self._place(answer, have, file)
                self.errand.check_space(max(self.state.size - start, 0))
                self._receive(answer, file, start)
            landing.flush(file)
        if self.state.size and self._size() != self.state.size:
            raise _Broken(f"{self._size()} of {self.state.size} bytes came", reached=True)

    def _place(self, answer: httpx.Response, have: int, file: BinaryIO) -> int:
        """Where the bytes of this answer belong; remembers what they are."""
        start = _range_start(answer) if answer.status_code == 206 else 0
        if start != have:
            self._restart(file)
            if start:
                raise _Broken("the server resumed at another place", reached=True)
        size = start + int(answer.headers.get("content-length", 0) or 0)
        if "content-length" not in answer.headers or "content-encoding" in answer.headers:
            size = self.remote.expected
        name = _name_offered(answer)
        self.state = _State(self.remote.url, size, _validator(answer), name)
        self.note.write_text(json.dumps(asdict(self.state)), encoding="utf-8")
        return start

    def _receive(self, answer: httpx.Response, file: BinaryIO, start: int) -> None:
        total = self.total or self.state.size
        meter = Meter(self.errand, total, "models.fetch.downloading", self.before + start)
        try:
            for block in answer.iter_bytes():  # as they come: a block size would hold bytes back
                file.write(block)
                self.digest.update(block)
                meter.add(len(block))
        except httpx.RequestError as error:
            raise _Broken(str(error) or type(error).__name__, reached=True) from error
        finally:
            file.flush()
        meter.tell()

    def _restart(self, file: BinaryIO) -> None:
        file.truncate(0)
        self.digest = hashlib.sha256()
        self.state = _State(self.remote.url)
        self.note.unlink(missing_ok=True)

    # ── the request ─────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _answer(self, have: int) -> Iterator[httpx.Response]:
        """The server's answer after redirects, which may not leave HTTPS."""
        headers = {"accept-encoding": "identity", **(self.remote.headers or {})}
        if have:
            headers["range"] = f"bytes={have}-"
            if self.state.validator:
                headers["if-range"] = self.state.validator
        try:
            with httpx.Client(timeout=TIMEOUT) as client:
                answer = _follow(client, self.remote, headers)
                try:
                    _check_status(answer, self.remote.source)
                    yield answer
                finally:
                    answer.close()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            raise _Broken(str(error), reached=False) from error
        except httpx.RequestError as error:
            raise _Broken(str(error) or type(error).__name__, reached=True) from error

    def _give_up(self, failures: int, reached: bool, broken: _Broken) -> None:
        if failures < (ATTEMPTS if reached else FIRST_ATTEMPTS):
            return
        if not broken.reached:
            raise Offline(self.remote.source) from broken
        raise DownloadBroken(self.remote.source, str(broken)) from broken

    # ── what is there already ───────────────────────────────────────────────────────────────────────

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _rehash(self) -> int:
        """Length of the usable part. Bytes that nothing vouches for are dropped."""
        if self._size() and not (self.state.validator or self.remote.sha256):
            self.forget()
        self.digest = hashlib.sha256()
        self.part.touch()
        with self.part.open("rb") as file:
            while block := file.read(landing.CHUNK):
                self.errand.check_cancelled()
                self.digest.update(block)
        return self._size()

    def _recall(self) -> _State:
        try:
            return _State(**json.loads(self.note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return _State(self.remote.url)

    def _is_same(self, target: Path) -> bool:
        if target.stat().st_size != self._size():
            return False
        return landing.digest_of(target, self.errand) == self.digest.hexdigest()


def _follow(client: httpx.Client, remote: Remote, headers: dict[str, str]) -> httpx.Response:
    url = httpx.URL(remote.url)
    for _ in range(REDIRECTS):
        if not is_allowed(str(url)):
            raise UnknownSource(str(url))
        answer = client.send(client.build_request("GET", url, headers=headers), stream=True)
        if answer.next_request is None:
            return answer
        answer.close()
        target = answer.next_request.url
        if (target.host, target.port) != (url.host, url.port):  # a token is for its own host alone
            headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
        url = target
    raise DownloadBroken(remote.source, phrase("reasons.redirects", most=REDIRECTS))


def _check_status(answer: httpx.Response, source: str) -> None:
    status = answer.status_code
    if status in (200, 206, 416):
        return
    if status in (404, 410):
        raise SourceMissing(source)
    if status in (401, 403):
        raise AccessDenied(source)
    if status in _AGAIN:
        raise _Broken(f"HTTP {status}", reached=True)
    raise DownloadBroken(source, f"HTTP {status}")


def _range_start(answer: httpx.Response) -> int:
    match = re.match(r"bytes (\d+)-", answer.headers.get("content-range", ""))
    return int(match[1]) if match else -1


def _validator(answer: httpx.Response) -> str:
    """What If-Range may carry: a strong ETag, else the date."""
    etag: str = answer.headers.get("etag", "")
    return etag if etag and not etag.startswith("W/") else answer.headers.get("last-modified", "")


def _name_in(url: str) -> str:
    return unquote(httpx.URL(url).path.rsplit("/", 1)[-1])


def _name_offered(answer: httpx.Response) -> str:
    match = re.search(r'filename="?([^";]+)"?', answer.headers.get("content-disposition", ""))
    return match[1] if match else ""
