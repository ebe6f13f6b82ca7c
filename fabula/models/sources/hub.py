"""Fetch GGUF files of a repository on the Hugging Face hub or a mirror of it. Knows no screen.

Address, token and offline switch are huggingface_hub's own (HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, a saved
login); the bytes come through `url.Download`, which resumes, checks SHA-256 and can be cancelled.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import httpx

from fabula.core.errors import (
    AccessDenied,
    DownloadBroken,
    NotAModel,
    Offline,
    QuantizationMissing,
    SourceMissing,
    UnknownSource,
)
from fabula.models.formats.identify import model_name, split_name
from fabula.models.sources import landing
from fabula.models.sources.addresses import is_allowed
from fabula.models.sources.url import TIMEOUT, Download, Remote
from fabula.models.sources.words import Errand, Source

PREFERRED = ("Q4_K_M", "UD-Q4_K_XL", "MXFP4", "Q4_K_S", "Q4_0", "IQ4_XS", "Q5_K_M", "Q6_K", "Q8_0", "F16")
PAGES = 50  # of a listing; the hub gives 1,000 entries a page


@dataclass(frozen=True, slots=True)
class HubFile:
    """A GGUF file of a repository. `sha256` is "" where the hub keeps none."""

    path: str
    size: int
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class HubModel:
    """One choice of a repository: all parts of one model, in order."""

    name: str
    files: tuple[HubFile, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def fetch_hub(source: Source, errand: Errand) -> Path:
    """The chosen model of a repository; of a split model the first part."""
    revision = source.version or "main"
    model = choose(list_models(source.target, revision, source.text), source)
    lock = landing.file_name(f"{source.target}-{model.name}")
    with landing.one_at_a_time(errand, lock):
        downloads = _downloads(model, source, revision, errand)
        errand.check_space(max(model.size - sum(each.have for each in downloads), 0))
        for each in downloads:
            _run(each, source)
        landed = [each.land() for each in downloads]
    return landed[0]


def _downloads(model: HubModel, source: Source, revision: str, errand: Errand) -> list[Download]:
    downloads, before = [], 0
    for file, remote in zip(model.files, remotes(model, source, revision), strict=True):
        downloads.append(Download(remote, errand, before, model.size))
        before += file.size
    return downloads


def remotes(model: HubModel, source: Source, revision: str) -> list[Remote]:
    """Where the files of a model lie, with the token that may be needed."""
    found = []
    for file in model.files:
        address = f"{_endpoint()}/{source.target}/resolve/{quote(revision, safe='')}/{quote(file.path)}"
        sha256 = source.sha256 if source.sha256 and len(model.files) == 1 else file.sha256
        name = PurePosixPath(file.path).name
        found.append(Remote(address, name, source.text, sha256, file.size, _headers()))
    return found


def fetch_files(source: Source, names: Sequence[str], folder: Path, errand: Errand) -> None:
    """Named files of a repository, whatever their format, under their own names in `folder`.

    Raises SourceMissing when the first of them is not there.
    """
    revision = quote(source.version or "main", safe="")
    for name in names:
        address = f"{_endpoint()}/{source.target}/resolve/{revision}/{quote(name)}"
        download = Download(Remote(address, name, source.text, headers=_headers()), errand)
        with landing.one_at_a_time(errand, download.remote.id):
            landing.land(download.run(), folder / name)
            download.forget()


def _run(download: Download, source: Source) -> None:
    part = download.run()
    try:
        landing.check_model(part, source.text)
    except NotAModel:
        download.forget()
        raise


# ── what a repository has ───────────────────────────────────────────────────────────────────────────


def list_models(repository: str, revision: str = "main", source: str = "") -> list[HubModel]:
    """The GGUF models of a repository, projectors and importance matrices left out.

    Raises Offline, SourceMissing, AccessDenied or DownloadBroken.
    """
    groups: dict[str, list[HubFile]] = {}
    for file in _list_files(repository, revision, source or f"hf:{repository}"):
        groups.setdefault(model_name(Path(file.path)), []).append(file)
    models = [
        HubModel(name, tuple(sorted(files, key=lambda file: file.path))) for name, files in groups.items()
    ]
    return [model for model in models if _is_whole(model)]


def _is_whole(model: HubModel) -> bool:
    split = split_name(Path(model.files[0].path))
    return len(model.files) == (split.parts if split else 1)


def _list_files(repository: str, revision: str, source: str) -> list[HubFile]:
    url: str | None = f"{_endpoint()}/api/models/{repository}/tree/{quote(revision, safe='')}?recursive=true"
    rows: list[dict[str, Any]] = []
    for _ in range(PAGES):
        answer = _get(str(url), source)
        rows += answer.json()
        url = answer.links.get("next", {}).get("url")
        if url is None:
            break
    return [_file(row) for row in rows if _is_model(row)]


def _is_model(row: dict[str, Any]) -> bool:
    name = PurePosixPath(str(row.get("path", ""))).name.lower()
    return row.get("type") == "file" and name.endswith(".gguf") and not re.search(r"mmproj|imatrix", name)


def _file(row: dict[str, Any]) -> HubFile:
    lfs = row.get("lfs") or {}
    return HubFile(str(row["path"]), int(lfs.get("size") or row.get("size") or 0), str(lfs.get("oid", "")))


def _get(url: str, source: str) -> httpx.Response:
    from huggingface_hub.constants import is_offline_mode

    if is_offline_mode():
        raise Offline(source)
    if not is_allowed(url):
        raise UnknownSource(url)
    try:
        headers = _headers() if url.startswith(f"{_endpoint()}/") else {}  # the token is for the hub alone
        answer = httpx.get(url, headers=headers, timeout=TIMEOUT, follow_redirects=True)
    except httpx.ConnectError as error:
        raise Offline(source) from error
    except httpx.RequestError as error:
        raise DownloadBroken(source, str(error) or type(error).__name__) from error
    _check(answer, source)
    return answer


def _check(answer: httpx.Response, source: str) -> None:
    """The hub says 401 for repositories that do not exist, too, and tells them apart in a header."""
    if (
        answer.headers.get("x-error-code") in ("RepoNotFound", "RevisionNotFound")
        or answer.status_code == 404
    ):
        raise SourceMissing(source)
    if answer.status_code in (401, 403):
        raise AccessDenied(source)
    if answer.status_code != 200:
        raise DownloadBroken(source, f"HTTP {answer.status_code}")


def _endpoint() -> str:
    from huggingface_hub import constants

    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def _headers() -> dict[str, str]:
    from huggingface_hub import get_token

    token = get_token()
    return {"authorization": f"Bearer {token}"} if token else {}


# ── which of them ───────────────────────────────────────────────────────────────────────────────────


def choose(models: Sequence[HubModel], source: Source) -> HubModel:
    """The model that `source.choice` names (a file or a quantization), else the best-known middle size.

    Raises QuantizationMissing with what there is.
    """
    wanted = (source.choice,) if source.choice else PREFERRED
    for choice in wanted:
        found = [model for model in models if _matches(model, choice)]
        if found:
            return min(found, key=lambda model: (len(model.name), model.name))
    if not source.choice and len(models) == 1:
        return models[0]
    known = ", ".join(sorted(model.name for model in models))
    raise QuantizationMissing(source.text, source.choice or PREFERRED[0], known or "–")


def _matches(model: HubModel, choice: str) -> bool:
    if choice.lower().endswith(".gguf"):
        return any(choice in (file.path, PurePosixPath(file.path).name) for file in model.files)
    return bool(re.search(rf"(^|[-._/]){re.escape(choice)}($|[-.])", model.name, re.IGNORECASE))
