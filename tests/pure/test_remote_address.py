"""Addresses of servers, and how far a text goes to get there."""

from __future__ import annotations

import pytest

from fabula.core.errors import BadParameter
from fabula.engine.remote.address import address, farthest
from fabula.engine.remote.server import wait_of, words


@pytest.mark.parametrize(
    ("typed", "base", "api", "host"),
    [
        ("http://box:8080/", "http://box:8080", "http://box:8080/v1", "box:8080"),
        ("box:8080", "http://box:8080", "http://box:8080/v1", "box:8080"),
        (
            "https://openrouter.ai/api/v1",
            "https://openrouter.ai/api",
            "https://openrouter.ai/api/v1",
            "openrouter.ai",
        ),
        ("https://x.org/api/paas/v4/", "https://x.org/api/paas", "https://x.org/api/paas/v4", "x.org"),
        ("https://g.com/v1beta", "https://g.com", "https://g.com/v1beta", "g.com"),
        ("http://[::1]:5001", "http://[::1]:5001", "http://[::1]:5001/v1", "[::1]:5001"),
    ],
)
def test_a_typed_address_is_put_in_order(typed: str, base: str, api: str, host: str) -> None:
    found = address(typed)
    assert (found.base, found.api, found.host) == (base, api, host)


@pytest.mark.parametrize(
    "typed", ["", "ftp://x", "http://", "http://a:b@x", "http://x?k=1", "http://x:99999"]
)
def test_what_is_no_plain_address_is_refused(typed: str) -> None:
    with pytest.raises(BadParameter):
        address(typed)


@pytest.mark.parametrize(
    ("addresses", "reach"),
    [
        ({"127.0.0.1", "::1"}, "machine"),
        ({"192.168.1.5"}, "network"),
        ({"10.0.0.1", "fd00::1"}, "network"),
        ({"100.100.1.2"}, "network"),
        ({"fe80::1%eth0"}, "network"),
        ({"127.0.0.1", "10.0.0.1"}, "network"),
        ({"10.0.0.1", "8.8.8.8"}, "internet"),
        ({"0.0.0.0"}, "internet"),
        (set(), "internet"),
        ({"nonsense"}, "internet"),
    ],
)
def test_the_farthest_address_decides(addresses: set[str], reach: str) -> None:
    assert farthest(addresses) == reach


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0.2", 1),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 60),
        ("soon", 10),
        ("nan", 10),
        ("1e12", 86_400),
    ],
)
def test_a_wait_is_seconds_or_a_date(header: str, seconds: int) -> None:
    assert wait_of(header, now=40.0) == seconds


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "so"}},
        {"error": "so"},
        {"detail": {"msg": "so"}},
        {"detail": [{"msg": "so"}]},
        {"message": "so"},
        [{"error": {"message": "so"}}],
        "so",
    ],
)
def test_a_servers_own_words_are_found(body: object) -> None:
    assert words(body) == "so"
