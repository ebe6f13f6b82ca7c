"""`fabula remote` at a real studio, whose server is a stand-in in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from standing_in import StandIn, standing_in
from talking import Client
from test_cli_verbs import Fabula, fabula, piped
from test_remote_dialects import OPENAI

__all__ = ["fabula", "piped"]


@pytest.fixture
def server() -> Iterator[StandIn]:
    loop, found = asyncio.new_event_loop(), threading.Event()
    kept: list[StandIn] = []

    async def stand(over: asyncio.Event) -> None:
        async with standing_in(dict(OPENAI)) as stand_in:
            kept.append(stand_in)
            found.set()
            await over.wait()

    over = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(stand(over),))
    thread.start()
    found.wait(timeout=30)
    yield kept[0]
    loop.call_soon_threadsafe(over.set)
    thread.join()
    loop.close()


def test_a_server_is_added_listed_asked_again_and_forgotten(
    client: Client, fabula: Fabula, server: StandIn, piped: Callable[[str], None]
) -> None:
    piped("sk-1\n")
    added = fabula("remote", "add", "box", server.url, "--key")
    assert (added.status, "1 models: box/m-1" in added.err) == (0, True)
    assert server.last("/v1/models").headers["authorization"] == "Bearer sk-1"
    (row,) = fabula("remote", "list", "--json").rows
    assert (row["name"], row["has_key"], row["models"]) == ("box", True, ["box/m-1"])
    assert "sk-1" not in fabula("remote", "list").out
    assert fabula("remote", "check", "box").status == 0
    assert "box/m-1" in fabula("list").out
    assert fabula("remote", "rm", "box").status == 0
    gone = fabula("remote", "check", "box")
    assert (gone.status, "There is no server called box" in gone.err) == (1, True)


def test_without_servers_the_list_says_how_to_add_one(client: Client, fabula: Fabula) -> None:
    assert "fabula remote add NAME URL" in fabula("remote", "list").err
