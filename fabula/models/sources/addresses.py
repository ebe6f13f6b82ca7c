"""Which web addresses may be fetched. Knows no HTTP client."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_allowed(url: str) -> bool:
    """HTTPS anywhere, plain HTTP only on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host)
    return parts.scheme == "http" and is_loopback(host)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
