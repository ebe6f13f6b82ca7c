"""Cards from an address: fetched when a person says so, from public hosts only."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from outside import Host, hosting
from talking import Client

from fabula.cli.main import main
from fabula.store.home import Home

CARD = {"spec": "chara_card_v2", "spec_version": "2.0", "data": {"name": "Mara", "first_mes": "Hello."}}


@pytest.fixture
def host() -> Iterator[Host]:
    with hosting() as host:
        host.put("/cards/Mara%20of%20the%20sea.json", json.dumps(CARD).encode())
        host.put("/no", b"no card at all")
        host.put("/inside", status=302, Location="http://127.0.0.1:9/x.png")
        yield host


def test_a_card_comes_from_its_address_and_is_not_taken_twice(client: Client, host: Host) -> None:
    address = host.address("/cards/Mara%20of%20the%20sea.json")
    first = client.post("/take/address", {"address": address})
    [taken] = first["taken"]
    assert (taken["kind"], taken["name"], taken["file"]) == ("character", "Mara", "Mara of the sea.json")
    [again] = client.post("/take/address", {"address": address})["taken"]
    assert (again["already"], again["id"]) == (True, taken["id"])
    assert "cookie" not in host.log[1][1]


def test_what_is_no_card_is_told(client: Client, host: Host) -> None:
    told = client.post("/take/address", {"address": host.address("/no")})
    assert (told["taken"], [one["file"] for one in told["refused"]]) == ([], ["no"])


@pytest.mark.parametrize("path", ["/inside", "/missing"])
def test_a_file_that_cannot_be_had_is_told_with_the_reason(client: Client, host: Host, path: str) -> None:
    answer = client.http.post("/take/address", json={"address": host.address(path)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "file_unreachable")


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1/card.png", "http://[::1]/card.png", "http://169.254.169.254/latest"]
)
def test_no_private_address_is_asked(client: Client, host: Host, address: str) -> None:
    answer = client.http.post("/take/address", json={"address": address})
    assert (answer.status_code, host.log) == (502, [])


def test_no_file_of_this_machine_has_an_address(client: Client) -> None:
    answer = client.http.post("/take/address", json={"address": "file:///etc/hostname"})
    assert answer.status_code == 400


def test_from_the_command_line(
    client: Client,
    host: Host,
    home: Home,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FABULA_LANGUAGE", "en")
    monkeypatch.setenv("FABULA_HOME", str(home.path))
    for path, status in (("/cards/Mara%20of%20the%20sea.json", 0), ("/missing", 1)):
        with pytest.raises(SystemExit) as left:
            main(["import", host.address(path)])
        assert int(left.value.code or 0) == status
    said = capsys.readouterr()
    assert (said.out, "cannot be fetched" in said.err) == ("Mara is here.\n", True)
