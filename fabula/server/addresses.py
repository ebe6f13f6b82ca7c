"""Where others reach this studio, and where it listens. Knows no route and no key."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import socket
from typing import Any

from fabula.core.errors import PortInUse, SettingInvalid
from fabula.core.texts import phrase
from fabula.server.reception import is_loopback
from fabula.server.security import ANY_ADDRESS, bracketed, listed
from fabula.store.settings import Settings

WAITING = 2048  # connections that are not accepted yet


def listen(host: str, port: int) -> socket.socket:
    """A bound socket. Raises PortInUse, or SettingInvalid for what is no address of this machine."""
    try:
        family, _, _, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as reason:
        raise SettingInvalid("host", host, phrase("expected.own_address")) from reason
    listener = socket.socket(family, socket.SOCK_STREAM)
    if os.name == "posix":  # on Windows the option would let two programs share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(place)
        listener.listen(WAITING)
    except OSError as reason:
        listener.close()
        if reason.errno in _NOT_OURS:
            raise SettingInvalid("host", host, phrase("expected.own_address")) from reason
        raise PortInUse(host, port) from reason
    return listener


_NOT_OURS = (99, 49, 10_049)
"""EADDRNOTAVAIL of Linux, macOS and Windows."""


def is_private(host: str) -> bool:
    """Whether only this machine reaches a studio that listens there."""
    return is_loopback(host) and host not in ANY_ADDRESS


def own_address(listener: socket.socket, scheme: str = "http") -> str:
    """Where programs of this machine reach it."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://{own_name(host)}:{port}"


def own_name(host: str) -> str:
    """How programs of this machine call what listens there, as an address has it."""
    return bracketed({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host))


def for_others(settings: Settings, port: int) -> list[str]:
    """Where other devices may reach it: configured names first, then the addresses that it listens at.

    A studio that listens on loopback is reached under a configured name through a proxy, which is assumed to
    speak TLS.
    """
    names = [bracketed(name) for name in listed(settings.server_names)]
    if is_private(settings.host):
        return [f"https://{name}" for name in names]
    hosts = _addresses() if settings.host in ANY_ADDRESS else [settings.host]
    scheme = scheme_of(settings)
    return [f"{scheme}://{name}:{port}" for name in (*names, *map(bracketed, hosts))]


def reach_of(began: Settings, settings: Settings, port: int) -> dict[str, Any]:
    """How far a studio is open: as it listens now, since it `began`, and as it is set for its next start."""
    return {
        "host": began.host,
        "port": port,
        "private": is_private(began.host),
        "here": f"{scheme_of(began)}://{own_name(began.host)}:{port}",
        "addresses": for_others(listening(began, settings), port),
        "encrypted": bool(began.server_tls_cert),
        "certificate": began.server_tls_cert,
        "key_on_loopback": settings.server_key_on_loopback,
        "next": {
            "host": settings.host,
            "private": is_private(settings.host),
            "encrypted": bool(settings.server_tls_cert),
        },
    }


def listening(began: Settings, settings: Settings) -> Settings:
    """As a studio listens since it began, under the names that hold now."""
    return dataclasses.replace(began, server_names=settings.server_names)


def scheme_of(settings: Settings) -> str:
    return "https" if settings.server_tls_cert else "http"


def _addresses() -> list[str]:
    """This machine's IPv4 addresses in its networks, the private ones first: of use to a phone at home."""
    import psutil

    found = [
        row.address for rows in psutil.net_if_addrs().values() for row in rows if row.family == socket.AF_INET
    ]
    usable = [address for address in found if not is_loopback(address) and not _is_link_local(address)]
    return sorted(usable, key=lambda address: not ipaddress.ip_address(address).is_private)


def _is_link_local(address: str) -> bool:
    return ipaddress.ip_address(address).is_link_local
