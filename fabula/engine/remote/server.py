"""Requests to one server over HTTP, and what can go wrong with them as errors for people. Knows no dialect.

Redirects are not followed: a key and a text go to the address that the person gave, and nowhere else. A proxy
of the environment is used only for the internet. What is no stream is tried once more after a connection
error and after a 5xx; a stream never is, as it may have been paid for.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING, Any

from fabula.core.errors import (
    BadParameter,
    EngineRefused,
    FabulaError,
    RemoteBroke,
    RemoteBusy,
    RemoteKeyRefused,
    RemoteModelMissing,
    RemoteSlow,
    RemoteUnreachable,
    RemoteUntrusted,
)
from fabula.core.model import Reach
from fabula.core.texts import phrase
from fabula.engine.remote.address import Address

if TYPE_CHECKING:
    import httpx

CONNECT_S = 15.0
SILENCE_S = 600.0  # a large prompt on a slow machine is read for minutes before anything is said
USUAL_WAIT_S = 10  # where a busy server does not say how long
LONGEST_WAIT_S = 86_400
MOST_BYTES = 64 << 20  # of an answer that is no stream
MOST_TOLD = 600  # characters of a server's own words
SESSION = "x-session-id"


class Refused(Exception):
    """A 4xx that is about the request itself; the dialect knows what it means."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {words(body)}")
        self.status, self.body = status, body


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds."""

    connect: float = CONNECT_S
    silence: float = SILENCE_S


class Server:
    """One server. `headers` carry its key; `name` is what people call it."""

    def __init__(
        self,
        name: str,
        place: Address,
        headers: Mapping[str, str],
        *,
        reach: Reach,
        patience: Patience | None = None,
    ) -> None:
        import httpx  # only where a server is used: it takes a tenth of a second

        self.name, self.place = name, place
        self._patience = patience or Patience()
        far = reach == "internet"
        self._http = httpx.AsyncClient(
            headers={**headers, "accept-encoding": "identity"},
            timeout=httpx.Timeout(self._patience.silence, connect=self._patience.connect),
            verify=_trust(place, far),
            trust_env=far,
            follow_redirects=False,
            # A server nearby that closes its side after each answer breaks a pool that does not expect it.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=8 if far else 0),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def get(self, url: str) -> Any:
        return await self._whole("GET", url, None, "")

    async def post(self, url: str, body: Any, session: str = "") -> Any:
        return await self._whole("POST", url, body, session)

    async def find(self, url: str) -> Any:
        """The answer's JSON, or None where there is nothing to be had at this URL."""
        try:
            return await self.get(url)
        except (Refused, RemoteModelMissing, RemoteBroke):
            return None

    async def _whole(self, method: str, url: str, body: Any, session: str) -> Any:
        try:
            return await self._once(method, url, body, session)
        except (RemoteUnreachable, RemoteBroke):
            return await self._once(method, url, body, session)

    async def _once(self, method: str, url: str, body: Any, session: str) -> Any:
        async with self._open(method, url, body, session) as answer:
            content = await self._content(answer)
        try:
            return json.loads(content)
        except ValueError:
            raise RemoteBroke(self.name, f"no JSON: {_short(content)}") from None

    @asynccontextmanager
    async def stream(self, url: str, body: Any, session: str = "") -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of an answer as they come. Leaving the block closes the connection."""
        async with self._open("POST", url, body, session) as answer:
            yield self._pieces(answer)

    async def _pieces(self, answer: httpx.Response) -> AsyncIterator[bytes]:
        import httpx

        try:
            async for piece in answer.aiter_raw():
                yield piece
        except httpx.HTTPError as failure:
            raise self._failure(failure) from failure

    @asynccontextmanager
    async def _open(self, method: str, url: str, body: Any, session: str) -> AsyncIterator[httpx.Response]:
        import httpx

        headers = {SESSION: session} if session else {}
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        if data is not None:
            headers["content-type"] = "application/json"
        try:
            request = self._http.build_request(method, url, content=data, headers=headers)
            answer = await self._http.send(request, stream=True)
        except httpx.InvalidURL as wrong:
            raise BadParameter("url", url[:80], phrase("expected.server_url")) from wrong
        except httpx.HTTPError as failure:
            raise self._failure(failure) from failure
        try:
            if answer.status_code >= 300:
                raise self._told(answer, await self._content(answer))
            yield answer
        finally:
            await answer.aclose()

    async def _content(self, answer: httpx.Response) -> bytes:
        parts, size = [], 0
        async for piece in self._pieces(answer):
            size += len(piece)
            if size > MOST_BYTES:
                raise RemoteBroke(self.name, f"an answer of more than {MOST_BYTES >> 20} MiB")
            parts.append(piece)
        return b"".join(parts)

    # ── what went wrong ─────────────────────────────────────────────────────────────────────────────

    def _failure(self, failure: httpx.HTTPError) -> FabulaError:
        import httpx

        reason = f"{failure}" or type(failure).__name__
        if isinstance(failure, httpx.ConnectTimeout):
            return RemoteUnreachable(self.name, self.place.host, f"no answer in {self._patience.connect:g} s")
        if isinstance(failure, httpx.TimeoutException):
            return RemoteSlow(self.name, self._patience.silence)
        if isinstance(failure, httpx.ConnectError):
            if "CERTIFICATE" in reason.upper() or "[SSL" in reason:
                return RemoteUntrusted(self.name, self.place.host, reason)
            return RemoteUnreachable(self.name, self.place.host, reason)
        return RemoteBroke(self.name, reason)

    def _told(self, answer: httpx.Response, content: bytes) -> Exception:
        try:
            body = json.loads(content)
        except ValueError:
            body = _short(content)
        status, said = answer.status_code, words(body)
        if status in (401, 403):
            return RemoteKeyRefused(self.name, said or f"{status}")
        if status == 429 or (status == 503 and "retry-after" in answer.headers):
            return RemoteBusy(self.name, wait_of(answer.headers.get("retry-after", ""), time()))
        if status >= 500 or status < 400:
            return RemoteBroke(self.name, f"{status} {said or answer.reason_phrase}".strip())
        return Refused(status, body)


def _trust(place: Address, far: bool) -> ssl.SSLContext | bool:
    """Certificate authorities of SSL_CERT_FILE too, wherever the server is. Without TLS there is nothing to
    trust, and reading the authorities takes time."""
    import httpx

    return httpx.create_ssl_context() if place.is_encrypted or far else False


def wait_of(header: str, now: float) -> int:
    """Seconds of a Retry-After header: a number, or a date (RFC 9110)."""
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - now
        except (TypeError, ValueError):
            return USUAL_WAIT_S
    return int(min(max(seconds, 1), LONGEST_WAIT_S)) if seconds == seconds else USUAL_WAIT_S


def words(body: Any) -> str:
    """The sentence in an error's body, wherever the dialect puts it."""
    if isinstance(body, dict):
        for name in ("error", "detail", "message", "msg"):
            if found := words(body.get(name)):
                return found
    if isinstance(body, list) and body:
        return words(body[0])
    return body.strip()[:MOST_TOLD] if isinstance(body, str) else ""


def refused(name: str, model: str, server: str, failure: Refused) -> FabulaError:
    """A refusal that no dialect knows better."""
    if failure.status == 404:
        return RemoteModelMissing(server, model)
    return EngineRefused(name, words(failure.body) or f"{failure.status}")


def _short(content: bytes) -> str:
    return content[:MOST_TOLD].decode(errors="replace").strip()
