"""A model could not be fetched. Knows no sentence."""

from __future__ import annotations

from dataclasses import dataclass

from fabula.core.errors.base import FabulaError
from fabula.core.texts import Phrase


class DownloadFailure(FabulaError):
    status = 502


@dataclass(eq=False)
class Offline(DownloadFailure):
    source: str


@dataclass(eq=False)
class DownloadBroken(DownloadFailure):
    source: str
    reason: Phrase | str


@dataclass(eq=False)
class ChecksumMismatch(DownloadFailure):
    file: str
    expected: str
    actual: str


@dataclass(eq=False)
class SourceMissing(DownloadFailure):
    status = 404
    source: str


@dataclass(eq=False)
class QuantizationMissing(DownloadFailure):
    """The repository has no GGUF of that quantization or name; `known` lists what it has."""

    status = 404
    source: str
    wanted: str
    known: str


@dataclass(eq=False)
class AccessDenied(DownloadFailure):
    status = 403
    source: str


@dataclass(eq=False)
class NotInStore(DownloadFailure):
    """Another program does not have it; `known` lists what that program has ("–" = nothing)."""

    status = 404
    source: str
    program: str
    folder: str
    known: str


@dataclass(eq=False)
class AccessGated(DownloadFailure):
    """The repository's terms have to be accepted on its page, by whoever the token belongs to."""

    status = 403
    source: str
    page: str


@dataclass(eq=False)
class NotAModel(DownloadFailure):
    """What was fetched is no usable model file; `problem` is a text key that says why, for programs."""

    source: str
    problem: str


@dataclass(eq=False)
class PipMissing(DownloadFailure):
    """The Python that runs Fabula has no pip, and wheels are fetched with the user's own pip."""

    source: str
    python: str


@dataclass(eq=False)
class FileUnreachable(DownloadFailure):
    """A file of another host that a person asked for by its address and that could not be had."""

    host: str
    reason: Phrase | str


@dataclass(eq=False)
class PictureUnreachable(DownloadFailure):
    """A picture of another host that could not be had, or is none."""

    host: str
    reason: Phrase | str
