"""Whether what the list says of repositories and files is still so. Asks the hub; changes nothing.

A hub rounds what it shows: sizes that were seen in GB count as the same within their last digit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fabula.core.errors import AccessDenied, AccessGated, DownloadFailure, SourceMissing
from fabula.models.known.entries import Entry, File, Origin
from fabula.models.sources import parse
from fabula.models.sources.hubs import HubFile, hub_of

State = Literal["ok", "missing", "gone", "size", "hash", "closed", "unanswered"]
"""`missing`: the file; `gone`: the repository; `closed`: it wants an account or accepted terms."""
Listing = Callable[[Origin], Sequence[HubFile]]
DIGITS = 3  # that a hub shows of a size


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`file` is "" for a whole repository; `seen` and `found` are bytes, or the starts of hashes."""

    entry: str
    source: str
    state: State
    file: str = ""
    seen: str = ""
    found: str = ""
    reason: DownloadFailure | None = None


def listed(origin: Origin) -> Sequence[HubFile]:
    """All files of the repository. Raises a DownloadFailure."""
    source = parse(origin.address)
    hub = hub_of(source)
    return hub.files(source.target, hub.revision, source.text)


def check(rows: Iterable[Entry], listing: Listing = listed) -> Iterator[Finding]:
    """Each repository is asked once, whichever entries name it."""
    known: dict[str, Sequence[HubFile] | DownloadFailure] = {}
    for entry in rows:
        for origin in entry.sources:
            if origin.address not in known:
                known[origin.address] = _asked(origin, listing)
            yield from _findings(entry, origin, known[origin.address])


def _asked(origin: Origin, listing: Listing) -> Sequence[HubFile] | DownloadFailure:
    try:
        return listing(origin)
    except DownloadFailure as failure:
        return failure


def _findings(entry: Entry, origin: Origin, told: Sequence[HubFile] | DownloadFailure) -> Iterator[Finding]:
    if isinstance(told, DownloadFailure):
        yield Finding(entry=entry.name, source=origin.address, state=_state(told), reason=told)
        return
    yield Finding(entry=entry.name, source=origin.address, state="ok")
    there = {file.path: file for file in told} | {file.path.rpartition("/")[2]: file for file in told}
    for file in origin.files:
        yield _finding(entry, origin, file, there.get(file.file))


def _state(failure: DownloadFailure) -> State:
    if isinstance(failure, SourceMissing):
        return "gone"
    return "closed" if isinstance(failure, AccessDenied | AccessGated) else "unanswered"


def _finding(entry: Entry, origin: Origin, file: File, found: HubFile | None) -> Finding:
    plain = Finding(entry=entry.name, source=origin.address, file=file.file, state="ok")
    if found is None:
        return replace(plain, state="missing")
    if file.bytes and not same_size(file, found.size):
        return replace(plain, state="size", seen=str(file.bytes), found=str(found.size))
    if file.sha256 and found.sha256 and file.sha256 != found.sha256:
        return replace(plain, state="hash", seen=file.sha256[:12], found=found.sha256[:12])
    return plain


def same_size(file: File, size: int) -> bool:
    if file.size:
        return file.size == size
    step = 10 ** (math.floor(math.log10(size)) - DIGITS + 1) if size > 0 else 1
    return abs(file.size_gb * 1e9 - size) <= step
