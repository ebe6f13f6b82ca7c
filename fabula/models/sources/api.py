"""Ask a hub's API: JSON over HTTPS, page by page, again where it was busy. Knows no hub."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from fabula.core.errors import DownloadBroken, Offline, UnknownSource
from fabula.core.texts import phrase
from fabula.models.sources import requests
from fabula.models.sources.addresses import is_allowed
from fabula.models.sources.requests import TIMEOUT, Broken

PAGES = 50  # of a listing; hubs give 1,000 entries a page
ATTEMPTS = 3
PATIENCE = 30.0  # seconds; a person waits for the answer


def get(
    url: str,
    headers: Mapping[str, str],
    source: str,
    sleep: Callable[[float], None] = time.sleep,
) -> httpx.Response:
    """Raises Offline, SourceMissing, AccessDenied, AccessGated, DownloadBroken or UnknownSource."""
    if not is_allowed(url):
        raise UnknownSource(url)
    for attempt in range(ATTEMPTS):
        try:
            with requests.broken_connections():
                answer = httpx.get(url, headers=headers, timeout=TIMEOUT, follow_redirects=True)
            requests.check(answer, source)
            return answer
        except Broken as broken:
            wait = broken.wait or 0.5 * 2**attempt
            if not broken.reached:
                raise Offline(source) from broken
            if attempt == ATTEMPTS - 1 or wait > PATIENCE:
                raise _given_up(broken, source) from broken
            sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def _given_up(broken: Broken, source: str) -> DownloadBroken:
    if broken.wait > PATIENCE:
        return DownloadBroken(source, phrase("reasons.asks_to_wait", seconds=round(broken.wait)))
    return DownloadBroken(source, str(broken))


def get_json(url: str, headers: Mapping[str, str], source: str) -> Any:
    """Raises what `get` raises; DownloadBroken for what is no JSON, as the page of a login in between."""
    answer = get(url, headers, source)
    return _read(answer, source)


def get_pages(url: str, headers: Mapping[str, str], source: str) -> list[Any]:
    """All rows of a listing that names its next page in a Link header."""
    rows: list[Any] = []
    place = httpx.URL(url)
    for _ in range(PAGES):
        answer = get(url, headers, source)
        found = _read(answer, source)
        rows += found if isinstance(found, list) else []
        url = answer.links.get("next", {}).get("url", "")
        if not url:
            break
        if (httpx.URL(url).host, httpx.URL(url).port) != (place.host, place.port):
            headers = {}  # a token is for its own host alone
    return rows


def _read(answer: httpx.Response, source: str) -> Any:
    try:
        return json.loads(answer.content)
    except ValueError as error:
        raise DownloadBroken(source, phrase("reasons.no_json")) from error
