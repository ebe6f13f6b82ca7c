"""Make an entry of a repository: its files as the hub lists them, its model as one header describes it.

Asks the hub; knows no file of the home folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fabula.core.errors import NotAModel
from fabula.core.model import LocalModel
from fabula.models.known.entries import YOU
from fabula.models.sources import parse
from fabula.models.sources.hub import list_models
from fabula.models.sources.peek import peek
from fabula.models.sources.repository import HubModel

PAGES = {"hf": "https://huggingface.co/", "ms": "https://modelscope.cn/models/"}
_ENDINGS = ("-gguf", "_gguf", ".gguf")


def described(address: str, cache: Path) -> dict[str, Any]:
    """An entry for `hf:owner/repo`. `cache` keeps headers. Raises what the hub raises, and NotAModel."""
    source = parse(address)
    ggufs = [model for model in list_models(source) if model.format == "gguf"]
    if not ggufs:
        raise NotAModel(address, "models.problem.not_gguf")
    smallest = min(ggufs, key=lambda model: model.size)
    prefix = address.partition(":")[0]
    seen = peek(f"{prefix}:{source.target}:{smallest.files[0].path}", cache).model
    page = PAGES.get(prefix, "") + source.target
    return row(seen, ggufs, source.target, page, "ms" if prefix == "ms" else "hf")


def row(seen: LocalModel, ggufs: list[HubModel], repository: str, page: str, hub: str) -> dict[str, Any]:
    """What the header tells is said by the repository's page; the rest is left open."""
    told = {
        "context": seen.trained_context,
        "licence": seen.licence,
        "languages": list(seen.languages),
        "creator": repository.partition("/")[0],
    }
    said = {key: value for key, value in told.items() if value}
    files = [file_row(model) for model in ggufs if len(model.files) == 1]
    origin = {"repository": repository, "page": page, "hub": hub, "format": "gguf", "files": files}
    return {
        "name": name_of(repository),
        "parameters": seen.parameters,
        **said,
        "sources": [origin],
        "claims": dict.fromkeys(said, page or YOU),
    }


def file_row(model: HubModel) -> dict[str, Any]:
    file = model.files[0]
    told = {"size": file.size, "quantization": model.quantization, "sha256": file.sha256}
    return {"file": file.path} | {key: value for key, value in told.items() if value}


def name_of(repository: str) -> str:
    """The repository's own name, without the format."""
    name = repository.rpartition("/")[2]
    ending = next((end for end in _ENDINGS if name.lower().endswith(end)), "")
    return name[: len(name) - len(ending)] or name
