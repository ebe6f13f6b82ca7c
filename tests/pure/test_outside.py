"""The way to pictures of other hosts: which addresses are taken, and which machines are never asked."""

from __future__ import annotations

import pytest

from fabula.chats.outside import way
from fabula.core.errors import BadParameter, PictureUnreachable

OWN = (
    "127.0.0.1 127.8.8.8 0.0.0.0 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 224.0.0.1 "
    "255.255.255.255 ::1 :: fe80::1 fe80::1%eth0 fd00::1 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::7f00:1 "
    "64:ff9b::7f00:1 2002:7f00:1:: 2001:0:7f00:1:: words"
)
ODD = (
    "file:///etc/passwd",
    "ftp://a.example/x.png",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "//a.example/x.png",
    "https:///x.png",
    "https://me:secret@a.example/x.png",
    "https://@a.example/x.png",
    "https://a.example\\@b.example/x.png",
    "https://a.example/x y.png",
    "https://a.example/\r\nHost: b.example",
    "https://a.example:99999/x.png",
    "https://例.example/x.png",
    "https://a.example/" + "x" * 2000,
    "https://[::1/x.png",
)


@pytest.mark.parametrize("address", OWN.split())
def test_this_machine_and_its_network_are_not_public(address: str) -> None:
    assert not way.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_the_internet_is(address: str) -> None:
    assert way.is_public(address)


@pytest.mark.parametrize("address", ODD)
def test_an_address_that_is_no_plain_one_is_refused(address: str) -> None:
    with pytest.raises(BadParameter):
        way.checked(address)


def test_host_and_port_of_an_address() -> None:
    assert way.checked("https://a.example/x.png?y=1#z") == ("a.example", 443)
    assert way.checked("HTTP://[2606:4700::1]:8080/x") == ("2606:4700::1", 8080)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "2130706433", "0x7f.1", "::1"])
async def test_no_name_of_this_machine_is_asked(host: str) -> None:
    with pytest.raises(PictureUnreachable) as refused:
        await way.to(host, 80)
    assert refused.value.host == host
