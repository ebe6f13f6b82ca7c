"""Talk to a running studio over its native API. Knows HTTP, no verb and no screen.

Built on the standard library's client: importing a larger one takes longer than asking.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from fabula.cli.words import language
from fabula.core import errors
from fabula.core.errors import FabulaError, StudioGone
from fabula.core.seams import Event

PREFIX = "/api/fabula/v1"
CONNECT_S = 10.0
SILENCE_S = 60.0  # event streams ping every 15 s; loading a large model answers nothing for minutes


@dataclass(eq=False)
class Told(FabulaError):
    """An error that only the studio knows, in the studio's own words."""

    told: str  # the studio's code
    message: str

    def sentence(self, language: str = "en") -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Client:
    """One studio. Every call opens its own connection: a studio may be stopped between two of them.

    `stays` tells whether it will still be there after this command. `certificate` is the SHA-256 of the one
    that it shows, whoever has signed it.
    """

    address: str
    key: str
    stays: bool = True
    certificate: str = ""

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return self._call("GET", path + ("?" + urlencode(query, doseq=True) if query else ""))

    def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._call("POST", path, body or {})

    def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._call("PATCH", path, body)

    def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._call("PUT", path, body)

    def delete(self, path: str) -> dict[str, Any]:
        return self._call("DELETE", path)

    def send(self, path: str, content: bytes, **query: Any) -> dict[str, Any]:
        """The bytes of a file, as they are."""
        return dict(json.loads(self._answer("POST", f"{path}?{urlencode(query)}", content)))

    def answer(self, path: str, body: dict[str, Any]) -> bytes:
        """The bytes of a file that is made for a request."""
        return self._answer("POST", path, body)

    def lay(self, path: str, content: bytes, **query: Any) -> dict[str, Any]:
        """The bytes of a file in place of those that are there."""
        return dict(json.loads(self._answer("PUT", f"{path}?{urlencode(query)}", content)))

    def fetch(self, path: str, **query: Any) -> bytes:
        """The bytes of a file."""
        return self._answer("GET", f"{path}?{urlencode(query)}")

    def stream(self, method: str, path: str, body: dict[str, Any] | None = None) -> Iterator[Event]:
        """The events of a stream as they come. Closing the iterator closes the connection."""
        connection, response = self._open(method, path, body, accept="text/event-stream", timeout=SILENCE_S)
        try:
            yield from read_events(response)
        except OSError as error:
            raise StudioGone(self.address) from error
        finally:
            connection.close()

    def _recognise(self, connection: http.client.HTTPConnection) -> None:
        """Nothing is sent to anybody but the studio of studio.json. Raises ConnectionError."""
        if isinstance(connection, http.client.HTTPSConnection):
            shown = connection.sock.getpeercert(binary_form=True) or b""
            if hashlib.sha256(shown).hexdigest() != self.certificate:
                raise ConnectionRefusedError("another certificate")

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        content = self._answer(method, path, body)
        return dict(json.loads(content)) if content else {}

    def _answer(self, method: str, path: str, body: dict[str, Any] | bytes | None = None) -> bytes:
        connection, response = self._open(method, path, body, accept="application/json", timeout=None)
        try:
            return response.read()
        except (OSError, http.client.HTTPException) as error:
            raise StudioGone(self.address) from error
        finally:
            connection.close()

    def _open(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | bytes | None,
        *,
        accept: str,
        timeout: float | None,
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        place = urlsplit(self.address)
        connection = _connection(place.scheme, place.hostname or "", place.port)
        headers = {
            "Accept": accept,
            "Accept-Language": language(),
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/octet-stream" if isinstance(body, bytes) else "application/json",
        }
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        try:
            connection.connect()
            self._recognise(connection)
            connection.sock.settimeout(timeout)
            connection.request(method, PREFIX + path, data, headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise StudioGone(self.address) from error
        if response.status >= 400:
            failure = error_from(response.read())
            connection.close()
            raise failure
        return connection, response


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=CONNECT_S)
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is known by its fingerprint
    return http.client.HTTPSConnection(host, port, timeout=CONNECT_S, context=context)


def segment(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")


def read_events(lines: Any) -> Iterator[Event]:
    """Server-sent events from an open response."""
    id, kind, data = 0, "message", ""
    for raw in iter(lines.readline, b""):
        name, _, value = raw.decode().rstrip("\r\n").partition(": ")
        if name == "id":
            id = int(value)
        elif name == "event":
            kind = value
        elif name == "data":
            data += value
        elif not name and not value and data:
            yield Event(id, kind, json.loads(data))
            kind, data = "message", ""


def error_from(content: bytes) -> FabulaError:
    """The studio's answer as the error that it was, so that its sentence is told in our language."""
    try:
        answer = json.loads(content)["error"]
    except (ValueError, KeyError, TypeError):
        return Told("internal", content.decode(errors="replace")[:500])
    return error_of(answer)


def _has_phrases(kind: type[FabulaError]) -> bool:
    return any("Phrase" in str(field.type) for field in dataclasses.fields(kind))


def error_of(answer: dict[str, Any]) -> FabulaError:
    """An error from its JSON form `{code, message, fields}`."""
    name = "".join(part.capitalize() for part in str(answer.get("code", "")).split("_"))
    kind = getattr(errors, name, None)
    fields = answer.get("fields", {})
    # A phrase inside a sentence (`expected`) arrives in English only; the studio's message has it in ours.
    if isinstance(kind, type) and issubclass(kind, FabulaError) and not _has_phrases(kind):
        with contextlib.suppress(TypeError):  # a studio of another version has other fields
            return kind(**fields)
    return Told(str(answer.get("code")), str(answer.get("message")))
