"""The Hugging Face hub, or a mirror of it, over its own API. Knows no file format.

Address, token and offline switch are huggingface_hub's own (HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, a saved
login). Sources: the requests of huggingface_hub 2.4 (`HfApi`), https://huggingface.co/docs/hub/api.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from fabula.core.errors import Offline
from fabula.models.sources import api
from fabula.models.sources.hubs import Found, HubFile, Query

TOLD = ("downloads", "likes", "lastModified", "gated", "gguf", "safetensors", "tags")


class HuggingFace:
    prefix = "hf"
    revision = "main"

    def files(self, repository: str, revision: str, source: str) -> list[HubFile]:
        path = f"/api/models/{repository}/tree/{quote(revision, safe='')}?recursive=true"
        rows = api.get_pages(self._url(path, source), self.headers(), source)
        return [_file(row) for row in rows if row.get("type") == "file"]

    def branches(self, repository: str, source: str) -> list[str]:
        told = api.get_json(self._url(f"/api/models/{repository}/refs", source), self.headers(), source)
        return [str(row.get("name", "")) for row in told.get("branches", ())]

    def search(self, query: Query) -> list[Found]:
        asked: list[tuple[str, str]] = [
            ("search", query.text),
            ("sort", "downloads"),
            ("limit", f"{query.limit}"),
        ]
        asked += [("author", query.author)] if query.author else []
        asked += [("filter", query.format)] if query.format else []
        asked += [("expand", name) for name in TOLD]
        url = self._url(f"/api/models?{urlencode(asked)}", endpoint())
        rows = api.get_json(url, self.headers(), endpoint())
        return [_found(row) for row in rows[: query.limit]]

    def address(self, repository: str, revision: str, path: str) -> str:
        return f"{endpoint()}/{repository}/resolve/{quote(revision, safe='')}/{quote(path)}"

    def headers(self) -> Mapping[str, str]:
        from huggingface_hub import get_token

        token = get_token()
        return {"authorization": f"Bearer {token}"} if token else {}

    def _url(self, path: str, source: str) -> str:
        from huggingface_hub.constants import is_offline_mode

        if is_offline_mode():
            raise Offline(source)
        return f"{endpoint()}{path}"


def endpoint() -> str:
    from huggingface_hub import constants

    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def _file(row: Mapping[str, Any]) -> HubFile:
    lfs = row.get("lfs") or {}
    return HubFile(str(row["path"]), int(lfs.get("size") or row.get("size") or 0), str(lfs.get("oid", "")))


def _found(row: Mapping[str, Any]) -> Found:
    tags = [str(tag) for tag in row.get("tags") or ()]
    gguf, tensors = row.get("gguf") or {}, row.get("safetensors") or {}
    return Found(
        hub=HuggingFace.prefix,
        name=str(row.get("id", "")),
        downloads=int(row.get("downloads") or 0),
        likes=int(row.get("likes") or 0),
        updated=str(row.get("lastModified") or "")[:10],
        licence=next((tag.partition(":")[2] for tag in tags if tag.startswith("license:")), ""),
        gated=bool(row.get("gated")),
        parameters=int(gguf.get("total") or tensors.get("total") or 0),
        architecture=str(gguf.get("architecture") or ""),
        context=int(gguf.get("context_length") or 0),
        formats=tuple(name for name in ("gguf", "safetensors") if name in tags or row.get(name)),
    )
