"""The seam between what is fetched and where it is shared: a hub lists, searches and gives addresses.

Knows no screen and no plan. `hub_of` names the two that there are; a third is one more class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from fabula.models.sources.words import Source

Format = Literal["gguf", "safetensors", ""]


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository. `sha256` is "" where the hub keeps none."""

    path: str
    size: int
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A repository that a search found. 0 and "" are what the hub does not tell; `updated` is its date."""

    hub: str  # "hf" or "ms"
    name: str  # owner/repo
    downloads: int = 0
    likes: int = 0
    updated: str = ""
    licence: str = ""
    gated: bool = False
    parameters: int = 0
    architecture: str = ""
    context: int = 0  # trained, tokens
    formats: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        return f"{self.hub}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is searched for. `format` "" = any."""

    text: str
    author: str = ""
    format: Format = "gguf"
    limit: int = 20


class Hub(Protocol):
    """Raises a DownloadFailure where it cannot answer; `source` is what the person wrote."""

    prefix: str
    revision: str  # that is meant where none is named

    def files(self, repository: str, revision: str, source: str) -> list[HubFile]: ...
    def branches(self, repository: str, source: str) -> list[str]: ...
    def search(self, query: Query) -> list[Found]: ...
    def address(self, repository: str, revision: str, path: str) -> str: ...
    def headers(self) -> Mapping[str, str]: ...


def hub_named(prefix: str) -> Hub:
    from fabula.models.sources.huggingface import HuggingFace
    from fabula.models.sources.modelscope import ModelScope

    return ModelScope() if prefix == "ms" else HuggingFace()


def hub_of(source: Source) -> Hub:
    return hub_named("ms" if source.kind == "modelscope" else "hf")
