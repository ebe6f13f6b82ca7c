"""Jobs over HTTP, with real children that really pull a model."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import tiny_model
from talking import Client

from fabula.store.database import Database
from fabula.store.home import Home
from fabula.store.jobs import Jobs

JOB = {"id", "kind", "state", "title", "progress", "result", "error", "cancel_requested"} | {
    "created_at",
    "updated_at",
}
PROGRESS = {"done", "total", "unit", "rate", "seconds_left", "note"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    return tiny_model.write(tmp_path / "elsewhere" / "fetched.gguf")


@pytest.fixture
def web(source: Path) -> Iterator[str]:
    """A loopback web server with the source in it."""

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given, directory=str(source.parent))

        def log_message(self, format: str, *given: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, args=(0.05,)).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_file_is_pulled_in_a_child(client: Client, source: Path, home: Home) -> None:
    job = client.post("/models/pull", {"source": str(source)}, 202)
    assert (set(job), set(job["progress"])) == (JOB, PROGRESS)
    assert (job["kind"], job["title"]) == ("pull", str(source))
    *progress, end = client.hear(f"/jobs/{job['id']}/events")
    assert {event.kind for event in progress} == {"progress"}
    assert (end.kind, end.data["state"], end.data["result"]) == ("end", "done", {"name": "fetched"})
    asked = {"arguments": {"source": str(source)}, "plots": []}
    assert client.get(f"/jobs/{job['id']}") == end.data | asked
    assert client.get("/jobs")["jobs"] == [end.data]
    assert (home.models / "fetched.gguf").read_bytes() == source.read_bytes()
    assert client.post("/models/fetched/load")["model"] == "fetched"


def test_a_model_is_pulled_from_a_web_server(client: Client, source: Path, web: str) -> None:
    job = client.post("/models/pull", {"source": f"{web}/fetched.gguf"}, 202)
    end = client.hear(f"/jobs/{job['id']}/events")[-1]
    assert (end.data["state"], end.data["error"]) == ("done", None)
    progress = end.data["progress"]
    assert progress["done"] == progress["total"] == source.stat().st_size
    assert "fetched" in [model["name"] for model in client.get("/models")["models"]]


def test_the_studios_events_tell_of_jobs_too(client: Client, source: Path) -> None:
    with client.events("GET", "/events") as events:
        job = client.post("/models/pull", {"source": str(source)}, 202)
        told = [next(event for event in events if event.kind == "job")]
        told += [next(e for e in events if e.kind == "job" and e.data["state"] == "done")]
    assert {event.data["id"] for event in told} == {job["id"]}


@pytest.mark.parametrize("language", ["en", "zh-Hant", "zh-Hans"])
def test_a_job_that_fails_says_why_and_can_be_resumed(client: Client, web: str, language: str) -> None:
    wanted = {"accept-language": language}
    job = client.post("/models/pull", {"source": f"{web}/nowhere.gguf"}, 202)
    path = f"/jobs/{job['id']}"
    end = client.hear(f"{path}/events", headers=wanted)[-1].data
    assert (end["state"], end["error"]["code"]) == ("failed", "source_missing")
    described = client.call("GET", path, headers=wanted)["error"]
    listed = client.call("GET", "/jobs", headers=wanted)["jobs"][0]["error"]
    assert end["error"]["message"] == described["message"] == listed["message"]
    assert ("nowhere" in described["message"], language == "en") == (True, described["message"].isascii())


def test_a_resumed_job_is_followed_to_its_new_end(client: Client, source: Path, tmp_path: Path) -> None:
    aside = source.rename(tmp_path / "aside")
    job = client.post("/models/pull", {"source": str(source)}, 202)
    path = f"/jobs/{job['id']}"
    assert client.hear(f"{path}/events")[-1].data["state"] == "failed"
    aside.rename(source)
    assert client.post(f"{path}/resume")["state"] in ("queued", "running", "done")
    told = client.hear(f"{path}/events")
    assert [event.data["state"] for event in told if event.kind == "end"] == ["done"]


def test_a_running_job_is_cancelled(client: Client, home: Home) -> None:
    """The source never answers; the job ends all the same."""
    with _silent_server() as address:
        job = client.post("/models/pull", {"source": f"{address}/slow.gguf"}, 202)
        path = f"/jobs/{job['id']}"
        with client.events("GET", f"{path}/events") as events:
            next(e for e in events if e.data["state"] == "running")
            client.post(f"{path}/cancel")
            end = list(events)[-1].data
    assert end["state"] == "cancelled"
    assert client.post(f"{path}/cancel")["state"] == "cancelled"
    assert list(home.models.glob("*.gguf")) == [home.models / "tiny.gguf"]


def test_an_ended_job_can_be_read_after_a_restart(
    started: Callable[[], Client], source: Path, home: Home
) -> None:
    async def leave_one() -> str:
        database = Database(home.database)
        database.open()
        jobs = Jobs(database)
        job = await jobs.create("pull", "old", {})
        await jobs.claim(job.id, "worker")
        await jobs.finish(job.id, {"name": "old"})
        database.close()
        return job.id

    id = asyncio.run(leave_one())
    (end,) = started().hear(f"/jobs/{id}/events")
    assert (end.kind, end.data["state"], end.data["result"]) == ("end", "done", {"name": "old"})


async def test_an_unknown_job_is_told(api: httpx.AsyncClient) -> None:
    paths = (("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/resume"))
    for method, path in paths:
        answer = await api.request(method, f"/jobs/nowhere{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "job_not_found")


@pytest.mark.parametrize("body", [{}, {"source": 5}, {"source": "x", "quant": "Q4"}])
async def test_a_wrong_pull_is_refused(api: httpx.AsyncClient, body: dict[str, object]) -> None:
    assert (await api.post("/models/pull", json=body)).status_code == 400
    assert (await api.get("/jobs")).json() == {"jobs": []}


@contextmanager
def _silent_server() -> Iterator[str]:
    """Takes connections and never says a word."""
    listener = socket.create_server(("127.0.0.1", 0))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
