"""Search, offers, the queue of downloads and places over HTTP, with a stand-in hub and real children."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hub_stand_in import Hub, serving
from models_stand_ins import tiny_gguf
from talking import Client
from waiting import until

from fabula.server.run import serve
from fabula.store.home import Home

BIG, SMALL = tiny_gguf(rows=16 << 10), tiny_gguf(rows=256)  # 4 MiB, 64 KiB


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Generator[Hub]:
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with serving(Hub()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        hub.add("someone/Big-GGUF", {"Big-Q4_0.gguf": BIG})
        hub.add("someone/Small-GGUF", {"Small-Q4_0.gguf": SMALL, "README.md": b"# Small"})
        yield hub


def states(client: Client) -> dict[str, str]:
    return {row["source"]: row["state"] for row in client.get("/downloads")["downloads"]}


def begin(client: Client, hub: Hub) -> str:
    """A slow download that is on its way; its id."""
    hub.pause = 0.05
    job = client.post("/downloads", {"source": "hf:someone/Big-GGUF"}, 202)
    until(lambda: client.get(f"/jobs/{job['id']}")["progress"].get("done", 0) > 100_000)
    return str(job["id"])


def test_downloads_follow_one_another_and_leave_the_queue_when_they_are_done(
    hub: Hub, client: Client, home: Home
) -> None:
    big = begin(client, hub)
    small = client.post("/models/pull", {"source": "hf:someone/Small-GGUF"}, 202)
    assert states(client) == {"hf:someone/Big-GGUF": "running", "hf:someone/Small-GGUF": "waiting"}
    hub.pause = 0
    for job in (big, small["id"]):
        assert client.hear(f"/jobs/{job}/events")[-1].data["state"] == "done"
    until(lambda: states(client) == {})
    assert (home.models / "Big-Q4_0.gguf").read_bytes() == BIG


def test_a_paused_download_keeps_what_it_has_and_lets_the_next_one_run(hub: Hub, client: Client) -> None:
    big = begin(client, hub)
    client.post(f"/downloads/{big}/pause")
    small = client.post("/downloads", {"source": "hf:someone/Small-GGUF"}, 202)
    assert client.hear(f"/jobs/{small['id']}/events")[-1].data["state"] == "done"
    until(lambda: states(client) == {"hf:someone/Big-GGUF": "paused"})
    hub.pause, asked = 0, len(hub.ranges_asked())
    client.post(f"/downloads/{big}/resume")
    until(lambda: client.get(f"/jobs/{big}")["state"] == "done")
    assert not hub.ranges_asked()[asked].startswith("bytes=0-")


def test_the_order_can_be_changed(hub: Hub, client: Client) -> None:
    begin(client, hub)
    client.post("/downloads", {"source": "hf:someone/Small-GGUF"}, 202)
    last = client.post("/downloads", {"source": "hf:someone/Small-GGUF:Q4_0"}, 202)
    moved = client.post(f"/downloads/{last['id']}/move", {"position": 1})["downloads"]
    assert moved[0]["source"] == "hf:someone/Small-GGUF:Q4_0"


def test_a_download_that_is_taken_off_leaves_nothing(hub: Hub, client: Client, home: Home) -> None:
    big = begin(client, hub)
    client.call("DELETE", f"/downloads/{big}")
    assert states(client) == {}
    until(lambda: not list((home.models / ".fetch").glob("*.part")))
    assert client.get(f"/jobs/{big}")["state"] == "cancelled"


@contextmanager
def studio(home: Home) -> Generator[Client]:
    stop, ready = threading.Event(), queue.SimpleQueue[str]()
    thread = threading.Thread(
        target=serve, args=(home, {"port": 0}), kwargs={"ready": ready.put, "stop": stop}
    )
    thread.start()
    try:
        yield Client(ready.get(timeout=30))
    finally:
        stop.set()
        thread.join()


def test_the_next_studio_goes_on_where_this_one_ended(hub: Hub, home: Home) -> None:
    with studio(home) as client:
        big = begin(client, hub)
        paused = client.post("/downloads", {"source": "hf:someone/Small-GGUF"}, 202)["id"]
        client.post(f"/downloads/{paused}/pause")
        asked = len(hub.ranges_asked())
    hub.pause = 0
    with studio(home) as client:
        until(lambda: client.get(f"/jobs/{big}")["state"] == "done")
        assert states(client) == {"hf:someone/Small-GGUF": "paused"}
    assert not hub.ranges_asked()[asked].startswith("bytes=0-")


def test_a_search_and_what_a_repository_offers(hub: Hub, client: Client) -> None:
    hub.repositories["someone/Small-GGUF"].facts |= {
        "tags": ["gguf", "license:mit"],
        "downloads": 5,
        "gguf": {"total": 7_000_000, "architecture": "llama"},
    }
    found = client.get("/search", text="small", fits=True)["found"]
    assert [(row["source"], row["licence"], row["verdict"]) for row in found] == [
        ("hf:someone/Small-GGUF", "mit", "fits")
    ]
    told = client.get("/search/offers", of="hf:someone/Small-GGUF")
    assert told["recommended"] == "hf:someone/Small-GGUF:Q4_0"
    assert told["needed"] == len(SMALL)
    assert [(row["path"], row["why"]) for row in told["unneeded"]] == [("README.md", "not needed to run it")]
    assert {row["basis"] for row in told["offers"]} == {"header"}


def test_a_name_that_nobody_knows_is_told(hub: Hub, client: Client) -> None:
    told = client.call("GET", "/search/offers?of=nothing-of-that-name", 404)
    assert told["error"]["code"] == "model_not_found"


def test_a_folder_becomes_a_place(client: Client, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "Tale.gguf").write_bytes(SMALL)
    client.post("/places", {"place": str(other)})
    model = next(row for row in client.get("/models")["models"] if row["name"] == "Tale")
    assert (model["place"], model["path"]) == (str(other), str(other / "Tale.gguf"))
    assert client.call("DELETE", "/models/Tale", 409)["error"]["code"] == "belongs_elsewhere"
    client.post("/places/forget", {"place": str(other)})
    assert "Tale" not in [row["name"] for row in client.get("/models")["models"]]
