"""Asks another host for a picture or a file, telling it only the address. Knows no choice, keeps nothing.

No cookie, no referrer, no language, no proxy of the environment: a bare request for bytes. Each redirect is
judged like the first address, and what comes is believed by its bytes only.
"""

from __future__ import annotations

import asyncio
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from fabula.chats.characters.thumbnails import kind_of
from fabula.chats.outside import way
from fabula.core.errors import BadParameter, FileUnreachable, PictureUnreachable, PictureUnusable
from fabula.core.texts import phrase

if TYPE_CHECKING:
    import httpx

MOST = 10 << 20  # bytes
PATIENCE_S = 15.0  # for all of it
REDIRECTS = 4
MOVED = (301, 302, 303, 307, 308)
PICTURES = "image/webp, image/png, image/jpeg, image/gif"
HEADERS = {
    "Accept-Encoding": "identity",
    "User-Agent": "Fabula",
    "Connection": "close",
}


async def asked(address: str) -> bytes:
    """A PNG, JPEG, GIF or WebP. Raises BadParameter for what is no address, or PictureUnreachable."""
    host, _ = way.checked(address)
    content = await _had(address, PICTURES)
    try:
        await asyncio.to_thread(kind_of, content, host)
    except PictureUnusable as unusable:
        raise PictureUnreachable(host, phrase("chats.outside.no_picture")) from unusable
    return content


async def file_at(address: str) -> tuple[str, bytes]:
    """Name and bytes of what lies there. Raises BadParameter for what is no address, or FileUnreachable."""
    way.checked(address)
    try:
        content = await _had(address, "*/*")
    except PictureUnreachable as wrong:
        raise FileUnreachable(wrong.host, wrong.reason) from wrong
    return PurePosixPath(unquote(urlsplit(address).path)).name or "card", content


async def _had(address: str, kinds: str) -> bytes:
    import httpx

    host, _ = way.checked(address)
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await _followed(address, kinds)
    except TimeoutError:
        raise PictureUnreachable(host, phrase("chats.outside.slow", seconds=PATIENCE_S)) from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError):
        raise PictureUnreachable(host, phrase("chats.outside.broken")) from None


async def _followed(address: str, kinds: str) -> bytes:
    first = urlsplit(address).hostname or ""
    for _ in range(REDIRECTS + 1):
        content, address = await _once(address, kinds)
        if not address:
            return content
        try:
            way.checked(address)
        except BadParameter:
            raise PictureUnreachable(first, phrase("chats.outside.elsewhere")) from None
    raise PictureUnreachable(first, phrase("chats.outside.redirects", most=REDIRECTS))


async def _once(address: str, kinds: str) -> tuple[bytes, str]:
    """The bytes, or where they are instead."""
    import httpx

    host, port = way.checked(address)
    place = await way.to(host, port)
    url = httpx.URL(address)
    request = httpx.Request(
        "GET",
        url.copy_with(host=place),
        headers=HEADERS | {"Accept": kinds, "Host": url.netloc.decode("ascii")},
        extensions={"sni_hostname": host, "timeout": httpx.Timeout(PATIENCE_S).as_dict()},
    )
    # The bare transport: a client would keep cookies, follow redirects and unpack what is packed.
    async with httpx.AsyncHTTPTransport() as transport:
        answer = await transport.handle_async_request(request)
        try:
            if answer.status_code in MOVED and (moved := answer.headers.get("location")):
                return b"", urljoin(address, moved)
            if answer.status_code != 200:
                raise PictureUnreachable(host, phrase("chats.outside.status", status=answer.status_code))
            return await _read(answer, host), ""
        finally:
            await answer.aclose()


async def _read(answer: httpx.Response, host: str) -> bytes:
    content = bytearray()
    async for piece in answer.aiter_raw():
        content += piece
        if len(content) > MOST:
            raise PictureUnreachable(host, phrase("chats.outside.large", most=MOST))
    return bytes(content)
