"""Where a server is: its URL put in order, and how far away that is. Knows no protocol.

Sources for what counts as one's own network: RFC 1918, RFC 4193, RFC 3927 (as Python's `ipaddress` has them)
and RFC 6598. A name is judged by what it resolves to; where any of its addresses is public, or none is known,
texts are taken to go out into the internet.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from fabula.core.errors import BadParameter
from fabula.core.model import Reach
from fabula.core.texts import phrase

_VERSION = re.compile(r"/v\d+[a-z0-9]*$")
_SHARED = ipaddress.ip_network("100.64.0.0/10")  # carrier-grade NAT, and overlay networks of one's own


@dataclass(frozen=True, slots=True)
class Address:
    """`base` has no slash at its end and no version; `api` is where OpenAI's paths begin."""

    base: str
    api: str
    host: str  # with the port where it is not the usual one

    @property
    def is_encrypted(self) -> bool:
        return self.base.startswith("https://")


def address(url: str) -> Address:
    """Raises BadParameter for what is no plain http(s) address. A key never belongs into one."""
    text = url.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError:
        raise BadParameter("url", url[:80], phrase("expected.server_url")) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise BadParameter("url", _without_secrets(url), phrase("expected.server_url"))
    if parts.query or parts.fragment:
        raise BadParameter("url", _without_secrets(url), phrase("expected.server_url"))
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    host = name if port is None else f"{name}:{port}"
    whole = f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
    base = _VERSION.sub("", whole)
    return Address(base, whole if base != whole else f"{whole}/v1", host)


def _without_secrets(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", url.partition("?")[0])[:80]


async def reach(place: Address) -> Reach:
    """How far a text goes to get there; asks the system's resolver."""
    parts = urlsplit(place.base)
    try:
        found = await asyncio.to_thread(socket.getaddrinfo, parts.hostname, parts.port or 0)
    except OSError:
        return "internet"
    return farthest({str(entry[4][0]) for entry in found})


def farthest(addresses: set[str]) -> Reach:
    """Of IP addresses; what is none is far away."""
    reaches = {_reach_of(text) for text in addresses} or {"internet"}
    return "internet" if "internet" in reaches else "network" if "network" in reaches else "machine"


def _reach_of(text: str) -> Reach:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return "internet"
    if found.is_loopback:
        return "machine"
    near = found.is_private or found.is_link_local or (found.version == 4 and found in _SHARED)
    return "network" if near and not found.is_unspecified else "internet"
