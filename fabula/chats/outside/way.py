"""The way to another host, never into this machine or its network. Knows no picture and no HTTP.

A name is judged by every address that it has, and the one that is asked is the one that was judged: a name
cannot be another place a moment later. What counts as public is Python's `ipaddress` (IANA's special-purpose
registries); IPv4 inside IPv6 (RFC 4291, RFC 6052) is judged as what it is, and tunnels (RFC 3056, RFC 4380)
are refused.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

from fabula.core.errors import BadParameter, PictureUnreachable
from fabula.core.texts import phrase

NAT64 = ipaddress.ip_network("64:ff9b::/96")
COMPATIBLE = ipaddress.ip_network("::/96")  # an old form of the same
LONGEST = 2000  # characters of an address
PORTS = {"http": 80, "https": 443}


def checked(address: str) -> tuple[str, int]:
    """Host and port of a plain http(s) address. Raises BadParameter."""
    try:
        parts = urlsplit(address)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        raise _unfit(address) from None
    is_plain = address.isascii() and address.isprintable() and " " not in address and "\\" not in address
    if not is_plain or len(address) > LONGEST or parts.scheme not in PORTS or not parts.hostname:
        raise _unfit(address)
    if parts.username is not None or parts.password is not None:
        raise _unfit(parts.hostname)
    return parts.hostname, port


def _unfit(address: str) -> BadParameter:
    return BadParameter("address", address[:80], phrase("expected.picture_address"))


async def to(host: str, port: int) -> str:
    """The IP address to ask. Raises PictureUnreachable."""
    try:
        found = await asyncio.to_thread(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise PictureUnreachable(host, phrase("chats.outside.no_such_host")) from None
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(is_public(address) for address in addresses):
        raise PictureUnreachable(host, phrase("chats.outside.private"))
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # with a zone, say: link-local
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.sixtofour or found.teredo:
            return False
        if found.ipv4_mapped or found in NAT64 or found in COMPATIBLE:
            return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
    return found.is_global and not found.is_multicast
