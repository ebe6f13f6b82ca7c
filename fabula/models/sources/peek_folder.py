"""Look into a folder of safetensors in a repository, without its weights. Knows no plan.

A twin of the folder is made here: small files whole, of the weights only the headers, with a hole behind
each as long as its numbers. What reads folders reads that. One request for each file of weights, two where
its header is long; files of vocabularies are holes too.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from fabula.core.errors import DownloadBroken, NotAModel
from fabula.models.formats.folders import FORMAT, TENSORS
from fabula.models.formats.inspecting import Inspection, inspect, inspected
from fabula.models.formats.safetensors import HEADER_LIMIT
from fabula.models.sources import hub
from fabula.models.sources.landing import plain_name
from fabula.models.sources.parse import parse
from fabula.models.sources.peek import Ranges, client, peek
from fabula.models.sources.requests import Remote
from fabula.models.sources.words import Source

FIRST = 256 << 10  # bytes of a file of weights that are asked for at once; most headers are shorter
SMALL = 4 << 20  # bytes of a file that is read whole
SHARDS = 512  # files of weights, at most
READ = (".json", ".jinja", ".md")
VOCABULARIES = ("tokenizer.json", "vocab.json")


@dataclass(frozen=True, slots=True)
class PeekedFolder:
    """What the folder is, and how many requests that took."""

    inspection: Inspection
    requests: int


def peek_folder(source: Source | str) -> PeekedFolder:
    """The folder of safetensors that a repository offers. Raises UnknownSource, NotAModel, or as a fetch."""
    source = parse(source) if isinstance(source, str) else source
    held, revision = hub.chosen(source)
    if held.model.format != FORMAT:
        raise NotAModel(source.text, "models.problem.no_weights")
    found = hub.remotes(held.model, source, revision)
    if sum(remote.name.endswith(TENSORS) for remote in found) > SHARDS:
        raise NotAModel(source.text, "models.problem.damaged")
    name = PurePosixPath(held.model.name).name
    with tempfile.TemporaryDirectory(prefix="fabula-") as place:
        twin = Path(place) / plain_name(name)
        twin.mkdir()
        requests = _make(twin, found, source)
        made = inspect(twin)
    size = sum(remote.expected for remote in found if remote.name.endswith(TENSORS))
    model = replace(made.model, path=Path(name), size=size or made.model.size)
    return PeekedFolder(replace(made, model=model), requests)


def look(target: str, folder: Path) -> Inspection:
    """Whatever a source offers: a folder of safetensors, or a GGUF, whose headers are kept in `folder`."""
    source = parse(target)
    if source.kind in ("hub", "modelscope") and hub.chosen(source)[0].model.format == FORMAT:
        return peek_folder(source).inspection
    found = peek(source, folder)
    return inspected(found.model, found.headers)


def _make(twin: Path, found: Sequence[Remote], source: Source) -> int:
    """Answers how many requests it took."""
    requests = 0
    with client(source) as opened:
        for remote in found:
            file, ranges = twin / plain_name(remote.name), Ranges(opened, remote)
            if remote.name.endswith(TENSORS):
                file.write_bytes(_header(ranges))
                os.truncate(file, ranges.total)
            elif _is_read(remote):
                file.write_bytes(ranges.read(SMALL))
            else:
                file.touch()
                os.truncate(file, remote.expected)
            requests += ranges.requests
    return requests


def _is_read(remote: Remote) -> bool:
    is_small = remote.expected <= SMALL
    return remote.name.endswith(READ) and remote.name not in VOCABULARIES and is_small


def _header(ranges: Ranges) -> bytes:
    """The first bytes of a file of weights, with the whole header among them where it is an honest one."""
    data = ranges.read(FIRST)
    length = struct.unpack("<Q", data[:8])[0] if len(data) >= 8 else 0
    if length > HEADER_LIMIT:  # told as damaged by what reads it
        return data
    while len(data) < 8 + length:
        more = ranges.read(8 + length - len(data))
        if not more:
            raise DownloadBroken(ranges.remote.source, "the header ends too early")
        data += more
    return data
