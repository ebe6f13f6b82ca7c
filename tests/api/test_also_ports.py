"""`--also`: the same studio at the well-known ports of other programs; and TLS at all of them."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import tiny_model
import trustme
from stage import Stage

from fabula.cli import checks
from fabula.cli.client import Client
from fabula.core.errors import SettingInvalid, StudioGone
from fabula.server import tls
from fabula.server.also import PORTS, Second, listen_too, seconds
from fabula.server.run import serve
from fabula.store.home import Home
from fabula.store.settings import load
from fabula.store.studio import StudioInfo, running

Start = Callable[..., StudioInfo]


@pytest.fixture
def taken() -> list[Second]:
    return []


@pytest.fixture
def start(home: Home, stage: Stage, taken: list[Second]) -> Iterator[Start]:
    """Starts a studio with flags, in a thread of its own; gives what it says of itself."""
    stop, threads = threading.Event(), []

    def begin(**flags: object) -> StudioInfo:
        told: queue.SimpleQueue[object] = queue.SimpleQueue()

        def run() -> None:
            try:
                named = {name.replace("server_", "server."): value for name, value in flags.items()}
                more = {"ready": told.put, "stop": stop, "make_worker": stage.make_worker}
                serve(home, {"port": 0, **named}, taken=taken.append, **more)
            except Exception as failure:  # noqa: BLE001  # raised again by the test
                told.put(failure)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        if isinstance(outcome := told.get(timeout=60), Exception):
            raise outcome
        info = running(home)
        assert info
        return info

    yield begin
    stop.set()
    for thread in threads:
        thread.join()


@pytest.fixture
def occupied() -> Iterator[int]:
    """A port that another program has."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield int(other.getsockname()[1])


# ── names and ports ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("ollama", [("ollama", 11434)]),
        ("kobold, textgen ,llamacpp", [("kobold", 5001), ("textgen", 5000), ("llamacpp", 8080)]),
        ("Ollama:20434,ollama,ollama", [("ollama", 20434), ("ollama", 11434)]),
        ("llamacpp:0", [("llamacpp", 0)]),
    ],
)
def test_programs_are_named(text: str, found: list[tuple[str, int]]) -> None:
    assert [(second.name, second.port) for second in seconds(text)] == found


@pytest.mark.parametrize("text", ["lmstudio", "ollama:", "ollama:x", "ollama:99999", "11434", "ollama:-1"])
def test_other_names_are_refused_with_those_that_are_known(text: str) -> None:
    with pytest.raises(SettingInvalid) as refusal:
        seconds(text)
    assert all(name in refusal.value.sentence("en") for name in PORTS)


def test_a_port_that_is_taken_is_left_out(occupied: int) -> None:
    missing: list[Second] = []
    wanted = f"ollama:{occupied},kobold:0"
    found = list(listen_too("127.0.0.1", wanted, missing.append))
    assert [second.name for second, _ in found] == ["kobold"]
    assert missing == [Second("ollama", occupied)]
    for _, listener in found:
        listener.close()


# ── a studio at several ports ───────────────────────────────────────────────────────────────────────────


def test_every_port_speaks_every_dialect(start: Start) -> None:
    info = start(server_also="ollama:0,llamacpp:0")
    assert info.also.keys() == {"ollama", "llamacpp"}
    for address in (info.address, *info.also.values()):
        assert httpx.get(f"{address}/health").json() == {"status": "ok"}
        assert httpx.get(f"{address}/v1/models").json()["data"][0]["id"] == "tiny"
        body = httpx.post(f"{address}/completion", json={"prompt": "x", "n_predict": 1}).json()
        assert body["content"] == "Hello"


def test_a_taken_port_is_told_and_the_rest_goes_on(start: Start, taken: list[Second], occupied: int) -> None:
    info = start(server_also=f"ollama:{occupied},kobold:0")
    assert taken == [Second("ollama", occupied)]
    assert info.also.keys() == {"kobold"}
    assert httpx.get(f"{info.also['kobold']}/health").status_code == 200


def test_a_wrong_name_is_told_before_anything_starts(start: Start, home: Home) -> None:
    with pytest.raises(SettingInvalid):
        start(server_also="lmstudio")
    assert running(home) is None


def test_hosts_and_origins_are_checked_at_every_port(start: Start) -> None:
    address = start(server_also="ollama:0").also["ollama"]
    port = address.rpartition(":")[2]
    models = f"{address}/v1/models"
    assert httpx.get(models, headers={"host": f"localhost:{port}"}).status_code == 200
    assert httpx.get(models, headers={"host": f"evil.example:{port}"}).status_code == 403
    assert httpx.get(models, headers={"origin": address}).status_code == 200
    assert httpx.get(models, headers={"origin": "http://127.0.0.1:1"}).status_code == 403


def test_the_system_route_tells_all_addresses(start: Start) -> None:
    info = start(server_also="textgen:0")
    told = httpx.get(f"{info.address}/api/fabula/v1/system", timeout=60).json()["addresses"]
    assert told == {"studio": info.address, "also": dict(info.also)}


def test_the_doctor_tells_all_addresses(start: Start, home: Home) -> None:
    info = start(server_also="textgen:0,kobold:0")
    (finding,) = checks.seconds(home)
    assert (finding.check, finding.level) == ("also", "ok")
    assert all(address in finding.value for address in info.also.values())


def test_all_ports_are_free_again_when_it_has_ended(home: Home, occupied: int) -> None:
    tiny_model.write(home.models / "tiny.gguf")
    wanted = f"ollama:{occupied},kobold:0"
    command = [sys.executable, "-m", "fabula", "serve", "--no-open", "--home", str(home.path), "--port", "0"]
    environment = os.environ | {"FABULA_LANGUAGE": "en", "PYTHONUNBUFFERED": "1", "COLUMNS": "300"}
    process = subprocess.Popen(
        [*command, "--also", wanted],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(2)]
    info = running(home)
    assert info
    process.send_signal(signal.SIGTERM)
    _, notes = process.communicate(timeout=60)
    assert info.address in lines[0]
    assert info.also["kobold"] in lines[1]
    assert f"Port {occupied}, where clients of ollama look, is taken" in notes
    assert process.returncode == 0
    for address in (info.address, *info.also.values()):
        with pytest.raises(httpx.ConnectError):
            httpx.get(address)


# ── TLS ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path: Path) -> dict[str, Any]:
    """The flags for a certificate that the test has made."""
    made = authority.issue_cert("localhost", "127.0.0.1")
    made.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    made.private_key_pem.write_to_path(tmp_path / "key.pem")
    return {"server_tls_cert": str(tmp_path / "cert.pem"), "server_tls_key": str(tmp_path / "key.pem")}


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_with_a_certificate_all_ports_are_encrypted(
    start: Start, certificate: dict[str, Any], trusting: ssl.SSLContext
) -> None:
    info = start(server_also="ollama:0", **certificate)
    for address in (info.address, info.also["ollama"]):
        assert address.startswith("https://127.0.0.1:")
        assert httpx.get(f"{address}/health", verify=trusting).json() == {"status": "ok"}
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{address}/health")  # nobody has signed it that the machine trusts
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{address.replace('https', 'http')}/health")


def test_a_reply_is_streamed_over_tls(
    start: Start, certificate: dict[str, Any], trusting: ssl.SSLContext
) -> None:
    info = start(**certificate)
    body = {"prompt": "Hi", "stream": True}
    answer = httpx.post(f"{info.address}/completion", json=body, verify=trusting)
    events = [json.loads(line[6:]) for line in answer.text.split("\n\n") if line.startswith("data: ")]
    assert "".join(event["content"] for event in events) == "Hello there, traveller."


def test_verbs_know_the_studio_by_its_certificate(start: Start, certificate: dict[str, Any]) -> None:
    info = start(**certificate)
    assert Client(info.address, info.key, certificate=info.certificate).get("/health") == {"ok": True}
    for other in ("", "0" * 64):
        with pytest.raises(StudioGone):
            Client(info.address, info.key, certificate=other).get("/health")


def test_a_certificate_and_its_key_may_stand_in_one_file(
    home: Home, certificate: dict[str, Any], tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    parts = (Path(certificate[name]).read_text() for name in ("server_tls_key", "server_tls_cert"))
    both.write_text("".join(parts))
    tls.check(load(home, {"server.tls_cert": str(both)}))
    assert tls.fingerprint(str(both)) == tls.fingerprint(certificate["server_tls_cert"])


@pytest.mark.parametrize("wrong", ["missing", "no_cert", "other_key", "no_pem"])
def test_what_cannot_be_used_is_named(
    home: Home, certificate: dict[str, Any], authority: trustme.CA, tmp_path: Path, wrong: str
) -> None:
    other, junk = tmp_path / "other.pem", tmp_path / "junk.pem"
    authority.issue_cert("other").private_key_pem.write_to_path(other)
    junk.write_text("not a certificate")
    cert, key = certificate["server_tls_cert"], certificate["server_tls_key"]
    cert, key, name = {
        "missing": (f"{tmp_path}/gone.pem", key, "server.tls_cert"),
        "no_cert": ("", key, "server.tls_key"),
        "other_key": (cert, str(other), "server.tls_cert"),
        "no_pem": (str(junk), key, "server.tls_cert"),
    }[wrong]
    with pytest.raises(SettingInvalid) as refusal:
        tls.check(load(home, {"server.tls_cert": cert, "server.tls_key": key}))
    assert refusal.value.name == name
