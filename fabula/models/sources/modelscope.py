"""ModelScope over its own API. Knows no file format.

Address and token are those of its own program (MODELSCOPE_ENDPOINT, MODELSCOPE_API_TOKEN). Sources: the
requests of the `modelscope` package (hub/api.py, hub/file_download.py) and of other clients of its open API.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from fabula.core.errors import AccessDenied, DownloadBroken, SourceMissing
from fabula.models.sources import api
from fabula.models.sources.hubs import Found, HubFile, Query

ENDPOINT = "https://modelscope.cn"
DONE = 200  # its answers have a code of their own


class ModelScope:
    prefix = "ms"
    revision = "master"

    def files(self, repository: str, revision: str, source: str) -> list[HubFile]:
        asked = urlencode({"Revision": revision, "Recursive": "True"})
        told = self._told(f"/api/v1/models/{repository}/repo/files?{asked}", source)
        rows = told.get("Files") or ()
        return [_file(row) for row in rows if row.get("Type") != "tree"]

    def branches(self, repository: str, source: str) -> list[str]:
        told = self._told(f"/api/v1/models/{repository}/revisions", source)
        branches = (told.get("RevisionMap") or {}).get("Branches") or ()
        return [str(row.get("Revision", "")) for row in branches]

    def search(self, query: Query) -> list[Found]:
        asked = {"search": query.text, "sort": "downloads", "page_number": 1, "page_size": query.limit}
        asked |= {"owner": query.author} if query.author else {}
        asked |= {"filter.library": query.format} if query.format else {}
        told = api.get_json(f"{endpoint()}/openapi/v1/models?{urlencode(asked)}", self.headers(), endpoint())
        data = told.get("data") or {}
        rows = data.get("models") if isinstance(data, dict) else data
        return [_found(row, query.format) for row in rows or ()][: query.limit]

    def address(self, repository: str, revision: str, path: str) -> str:
        asked = f"Revision={quote(revision, safe='')}&FilePath={quote(path, safe='')}"
        return f"{endpoint()}/api/v1/models/{repository}/repo?{asked}"

    def headers(self) -> Mapping[str, str]:
        token = os.environ.get("MODELSCOPE_API_TOKEN", "")
        return {"authorization": f"Bearer {token}", "cookie": f"m_session_id={token}"} if token else {}

    def _told(self, path: str, source: str) -> Mapping[str, Any]:
        """What stands under Data. Its refusals come with their own code, whatever the status is."""
        told = api.get_json(f"{endpoint()}{path}", self.headers(), source)
        code = int(told.get("Code") or 0)
        if code == DONE:
            return dict(told.get("Data") or {})
        if code == 404 or "not exist" in str(told.get("Message", "")).lower():
            raise SourceMissing(source)
        if code in (401, 403):
            raise AccessDenied(source)
        raise DownloadBroken(source, str(told.get("Message") or code))


def endpoint() -> str:
    told = os.environ.get("MODELSCOPE_ENDPOINT") or ENDPOINT
    return (told if "://" in told else f"https://{told}").rstrip("/")


def _file(row: Mapping[str, Any]) -> HubFile:
    return HubFile(str(row.get("Path", "")), int(row.get("Size") or 0), str(row.get("Sha256") or ""))


def _found(row: Mapping[str, Any], wanted: str) -> Found:
    licence = row.get("license") or row.get("License") or ""
    return Found(
        hub=ModelScope.prefix,
        name=str(row.get("id") or f"{row.get('Path', '')}/{row.get('Name', '')}"),
        downloads=int(row.get("downloads") or row.get("Downloads") or 0),
        likes=int(row.get("likes") or row.get("Stars") or 0),
        updated=str(row.get("last_modified") or "")[:10],
        licence=str(licence if isinstance(licence, str) else ""),
        parameters=int(row.get("params") or 0),
        formats=(wanted,) if wanted else (),
    )
