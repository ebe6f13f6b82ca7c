"""A studio that a person starts again: same port, new settings; and who may ask for it."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from stage import Stage
from talking import Client

from fabula.server.run import serve
from fabula.store.home import Home
from fabula.store.studio import running


@pytest.fixture
def served(home: Home, stage: Stage) -> Iterator[Client]:
    """A studio with somebody who begins it again, as `fabula serve` does."""
    stop, ready = threading.Event(), queue.SimpleQueue[str]()
    ended: list[bool] = []

    def run() -> None:
        again = None
        while True:
            stop.clear()
            if ended:
                return
            again = serve(
                home,
                {"port": 0},
                ready=ready.put,
                stop=stop,
                make_worker=stage.make_worker,
                restarts=True,
                again=again,
            )
            if again is None:
                return

    thread = threading.Thread(target=run)
    thread.start()
    client = Client(ready.get(timeout=30))
    client.next = ready  # type: ignore[attr-defined]
    yield client
    ended.append(True)
    stop.set()
    thread.join()


def settle(client: Client) -> str:
    return str(client.next.get(timeout=30))  # type: ignore[attr-defined]


def test_it_comes_back_on_its_port_with_the_settings_that_waited(served: Client) -> None:
    chat = served.new_chat(title="Kept")
    served.call("PATCH", "/settings", json={"open_browser": False})
    before = served.get("/system")["began"]
    told = served.post("/restart", status=202)
    assert told == {"address": served.address, "began": before}
    assert settle(served) == served.address
    assert served.get("/system")["began"] > before
    assert chat.now["title"] == "Kept"
    assert not any(row["waits"] for row in served.get("/settings")["settings"])


def test_what_could_not_begin_is_refused_and_nothing_ends(served: Client) -> None:
    before = served.get("/system")["began"]
    served.call("PATCH", "/settings", json={"server.tls_cert": "/nowhere/cert.pem"})
    assert served.http.post("/restart").status_code >= 400
    served.call("PATCH", "/settings", json={"server.tls_cert": None})
    assert served.get("/system")["began"] == before


def test_a_studio_that_nobody_would_begin_again_refuses(client: Client) -> None:
    assert client.call("POST", "/restart", 409)["error"]["code"] == "no_way_back"


def test_a_key_of_another_machine_does_not_restart_it(served: Client) -> None:
    secret = served.post("/keys", {"name": "Phone", "scopes": ["admin"]}, 201)["secret"]
    headers = {"Authorization": f"Bearer {secret}", "X-Forwarded-For": "192.168.1.9"}
    refused = served.call("POST", "/restart", 403, headers=headers)
    assert refused["error"]["code"] == "only_here"


def test_the_command_becomes_the_program_anew(home: Home) -> None:
    command = [sys.executable, "-m", "fabula"]
    serving = [*command, "serve", "--no-open", "--home", str(home.path), "--port", "0"]
    told = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(serving, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=told) as process:
        try:
            assert process.stdout
            process.stdout.readline()  # it says where it is
            before = running(home)
            subprocess.run([*command, "restart", "--home", str(home.path)], check=True, timeout=60)
            after = running(home)
            assert before
            assert after
            assert (after.address, after.pid, after.key != before.key) == (before.address, process.pid, True)
        finally:
            process.terminate()
