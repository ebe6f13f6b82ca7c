"""Read the header of a model that is not here yet: a few ranges of its start. Knows no plan.

    first request   2 MiB; most headers are shorter
    then            8, 32, 128 MiB in all, until the header is whole
    later           one request that asks whether the file is still the same (its ETag)

What was read is kept in a folder, so that a model which is looked at again costs one small request.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from fabula.core.errors import AccessDenied, DownloadBroken, NotAModel, Offline, SourceMissing, UnknownSource
from fabula.core.model import LocalModel
from fabula.models.formats.gguf import BadHeader, Header, read_header_from
from fabula.models.formats.identify import describe
from fabula.models.sources.addresses import is_allowed
from fabula.models.sources.parse import parse
from fabula.models.sources.requests import TIMEOUT, Remote
from fabula.models.sources.words import Source

REDIRECTS = 10
KEPT = 200  # headers in the folder
_TOTAL = re.compile(r"bytes \d+-\d+/(\d+)")


@dataclass(frozen=True, slots=True)
class Peeked:
    """A model's headers, of all its parts, and what they say. `requests` is how many were needed."""

    model: LocalModel
    headers: tuple[Header, ...]
    requests: int


def peek(source: Source | str, folder: Path) -> Peeked:
    """The model behind an address or in a repository, without its weights. `folder` keeps headers.

    Raises UnknownSource, NotAModel, or what a fetch would raise.
    """
    source = parse(source) if isinstance(source, str) else source
    return peek_at(_remotes(source), source, folder)


def peek_at(remotes: Sequence[Remote], source: Source, folder: Path) -> Peeked:
    """The model that these files are."""
    headers, requests = [], 0
    for remote in remotes:
        with client(source) as opened:
            ranges = Ranges(opened, remote)
            headers.append(_header(ranges, folder))
            requests += ranges.requests
    path = Path(_name(headers))
    return Peeked(describe(path, headers), tuple(headers), requests)


def _remotes(source: Source) -> Sequence[Remote]:
    if source.kind == "url":
        return [Remote(source.target, "", source.text)]
    if source.kind in ("hub", "modelscope"):
        from fabula.models.sources import hub

        held, revision = hub.chosen(source)
        if held.model.format != "gguf":
            raise NotAModel(source.text, "models.problem.not_gguf")
        return hub.remotes(held.model, source, revision)
    raise UnknownSource(source.text)


def _name(headers: Sequence[Header]) -> str:
    return headers[0].path.name


@contextmanager
def client(source: Source) -> Iterator[httpx.Client]:
    """Follows redirects where they are allowed to lead; another host gets no token."""

    def check(request: httpx.Request) -> None:
        if not is_allowed(str(request.url)):
            raise UnknownSource(str(request.url))

    try:
        with httpx.Client(
            timeout=TIMEOUT, follow_redirects=True, max_redirects=REDIRECTS, event_hooks={"request": [check]}
        ) as client:
            yield client
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        raise Offline(source.text) from error
    except httpx.HTTPError as error:
        raise DownloadBroken(source.text, str(error) or type(error).__name__) from error


class Ranges:
    """The start of a remote file, read range by range."""

    def __init__(self, client: httpx.Client, remote: Remote) -> None:
        self.client, self.remote = client, remote
        self.at = self.total = self.requests = 0
        self.etag = ""

    def unchanged(self, etag: str) -> bool:
        """Whether the file still has this tag."""
        with self._ask(0, 1, {"if-none-match": etag}) as answer:
            return answer.status_code == 304 or answer.headers.get("etag", "") == etag

    def read(self, size: int, /) -> bytes:
        if size <= 0 or (self.total and self.at >= self.total):
            return b""
        with self._ask(self.at, size, {"if-range": self.etag} if self.etag else {}) as answer:
            ranged = answer.status_code == 206
            self._note(answer, ranged)
            data = _taken(answer, size if ranged else self.at + size)
        data = data if ranged else data[self.at :]
        self.at += len(data)
        return data

    def _note(self, answer: httpx.Response, ranged: bool) -> None:
        """Raises DownloadBroken where the file has become another one."""
        etag = answer.headers.get("etag", "")
        if self.at and etag != self.etag:
            raise DownloadBroken(self.remote.source, "the file changed while it was read")
        self.etag = etag
        match = _TOTAL.match(answer.headers.get("content-range", ""))
        self.total = int(match[1]) if match else int(answer.headers.get("content-length", 0) or 0)
        if ranged and match is None:
            raise DownloadBroken(self.remote.source, "the server does not say how long the file is")

    @contextmanager
    def _ask(self, start: int, size: int, more: dict[str, str]) -> Iterator[httpx.Response]:
        self.requests += 1
        span = {"range": f"bytes={start}-{start + size - 1}", "accept-encoding": "identity"}
        headers = {**(self.remote.headers or {}), **span, **more}
        with self.client.stream("GET", self.remote.url, headers=headers) as answer:
            _check(answer, self.remote.source)
            yield answer


def _taken(answer: httpx.Response, most: int) -> bytes:
    """At most so many bytes: a server that knows no ranges sends the whole file."""
    blocks, have = [], 0
    for block in answer.iter_bytes():
        blocks.append(block)
        have += len(block)
        if have >= most:
            break
    return b"".join(blocks)[:most]


def _check(answer: httpx.Response, source: str) -> None:
    status = answer.status_code
    if status in (200, 206, 304, 416):
        return
    if status in (404, 410):
        raise SourceMissing(source)
    if status in (401, 403):
        raise AccessDenied(source)
    raise DownloadBroken(source, f"HTTP {status}")


# ── what was read before ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the kept bytes belong to."""

    url: str
    etag: str
    size: int


def _header(ranges: Ranges, folder: Path) -> Header:
    remote = ranges.remote
    name = Path(remote.name or httpx.URL(remote.url).path.rsplit("/", 1)[-1] or "model.gguf")
    if (kept := _recall(remote, folder)) and ranges.unchanged(kept[0].etag):
        return _parsed(io.BytesIO(kept[1]), kept[0].size, name, remote)
    first = ranges.read(1 << 21)
    header = _parsed(_Resumed(first, ranges), ranges.total, name, remote)
    _keep(remote, ranges, header, folder)
    return header


class _Resumed:
    """Bytes that are here already, then what a range brings."""

    def __init__(self, first: bytes, rest: Ranges) -> None:
        self.first, self.rest = io.BytesIO(first), rest

    def read(self, size: int, /) -> bytes:
        return self.first.read(size) or self.rest.read(size)


def _parsed(file: io.BytesIO | _Resumed, size: int, name: Path, remote: Remote) -> Header:
    try:
        return read_header_from(file, size, name)
    except BadHeader as bad:
        raise NotAModel(remote.source, f"models.problem.{bad.reason}") from bad


def _place(remote: Remote, folder: Path) -> Path:
    return folder / hashlib.sha256(remote.url.encode()).hexdigest()[:32]


def _recall(remote: Remote, folder: Path) -> tuple[_Kept, bytes] | None:
    place = _place(remote, folder)
    try:
        kept = _Kept(**json.loads(place.with_suffix(".json").read_text(encoding="utf-8")))
        return (kept, place.with_suffix(".header").read_bytes()) if kept.url == remote.url else None
    except (OSError, ValueError, TypeError):
        return None  # nothing was kept, or it is damaged: the header is read again


def _keep(remote: Remote, ranges: Ranges, header: Header, folder: Path) -> None:
    """Without a tag nobody could tell later whether it is the same file. A full disk costs only speed."""
    if not ranges.etag:
        return
    place = _place(remote, folder)
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        place.with_suffix(".header").write_bytes(header.held[: header.data_start])
        kept = asdict(_Kept(remote.url, ranges.etag, ranges.total))
        place.with_suffix(".json").write_text(json.dumps(kept), encoding="utf-8")
        _trim(folder)


def _trim(folder: Path) -> None:
    """The oldest go when there are too many."""
    notes = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
    for note in notes[:-KEPT]:
        note.unlink(missing_ok=True)
        note.with_suffix(".header").unlink(missing_ok=True)
