"""`fabula key` at a real studio, and the refusal to let others in without one."""

from __future__ import annotations

import pytest
from talking import Client
from test_cli_verbs import Fabula, fabula

from fabula.core.errors import NeedsKey, SettingInvalid
from fabula.server.run import serve
from fabula.store import settings
from fabula.store.home import Home

__all__ = ["fabula"]


def test_a_key_is_made_shown_once_listed_and_removed(client: Client, fabula: Fabula) -> None:
    made = fabula("key", "add", "phone", "--scope", "chat, models", "--limit", "60/min", "--expires", "30d")
    secret = made.out.strip()
    assert (made.status, secret[:4], "chat, models" in made.err) == (0, "fab_", True)
    (row,) = fabula("key", "list", "--json").rows
    assert (row["name"], row["requests"], row["beginning"]) == ("phone", "60/min", secret[:10])
    assert secret not in fabula("key", "list").out
    assert fabula("key", "rm", "phone").status == 0
    gone = fabula("key", "rm", "phone")
    assert (gone.status, "There is no key called phone" in gone.err) == (1, True)
    assert "fabula key add NAME" in fabula("key", "list").err


def test_mistakes_are_told_in_a_sentence(client: Client, fabula: Fabula) -> None:
    for words in (["--scope", "root"], ["--limit", "many"], ["--expires", "soon"]):
        said = fabula("key", "add", "phone", *words)
        assert said.status == 1
        assert words[1] in said.err


def test_a_phone_cannot_reach_a_studio_that_listens_here_only(client: Client, fabula: Fabula) -> None:
    fabula("key", "add", "phone")
    said = fabula("key", "show-qr", "phone")
    assert (said.status, "--host 0.0.0.0" in said.err) == (1, True)
    assert fabula("key", "show-qr", "phone", "--json").rows[0]["links"] == []


def test_behind_a_proxy_the_code_leads_to_its_name(client: Client, fabula: Fabula) -> None:
    fabula("key", "add", "phone")
    client.call("PATCH", "/settings", json={"server.names": "studio.example"})
    shown = fabula("key", "show-qr", "phone").out
    assert "https://studio.example/login#" in shown
    assert "█" in shown


def test_a_link_needs_a_studio_that_runs(home: Home, fabula: Fabula) -> None:
    assert "fabula serve" in fabula("key", "show-qr", "phone").err


def test_others_are_let_in_only_when_there_is_a_key(home: Home, fabula: Fabula) -> None:
    settings.save(home, {"host": "0.0.0.0"})
    with pytest.raises(NeedsKey):
        serve(home, {"port": 0})
    refused = fabula("serve", "--no-open", "--port", "0")
    assert (refused.status, "fabula key add NAME" in refused.err) == (1, True)
    assert fabula("key", "add", "phone").status == 0  # the studio of one command lets nobody else in


def test_an_address_that_is_not_of_this_machine_is_told(home: Home, fabula: Fabula) -> None:
    assert fabula("key", "add", "phone").status == 0
    for host in ("192.0.2.77", "no such host", "x" * 300):
        with pytest.raises(SettingInvalid):
            serve(home, {"host": host, "port": 0})
