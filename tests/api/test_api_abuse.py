"""Rude clients: odd bodies near the dialects' shapes, broken JSON, trickling requests, many streams."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings
from talking import NATIVE, Client

from bench.abuse import BROKEN, GENERATED, Asker, broken, near_shapes
from fabula.server import patience, run

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
PATIENCE_S = 30.0


@pytest.fixture
def connected(client: Client) -> Iterator[Callable[[], socket.socket]]:
    """Makes connections to the studio."""
    with contextlib.ExitStack() as opened:
        port = int(client.address.rpartition(":")[2])

        def connect() -> socket.socket:
            return opened.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE_S))

        yield connect


def trickle(connection: socket.socket) -> bytes:
    """A byte now and then, until the studio has enough; what it said. Raises TimeoutError."""
    connection.settimeout(0.2)
    for _ in range(int(PATIENCE_S / 0.2)):
        try:
            connection.send(b"x")
            return connection.recv(4096)
        except TimeoutError:
            continue
        except OSError:
            return b""
    raise TimeoutError


def test_bodies_near_the_dialects_shapes_are_answered_or_refused(client: Client) -> None:
    ask = Asker(client.address)
    near_shapes(ask, "tiny", 200, settings(GENERATED, derandomize=True))
    assert ask.seen.count >= 150
    assert ask.seen.faults == []


def test_broken_json_is_refused_by_every_route(client: Client) -> None:
    ask = Asker(client.address)
    document = client.http.get(f"{client.address}/openapi.json").json()
    broken(ask, document, (b"{", BROKEN[-1]))
    assert ask.seen.count > 200
    assert ask.seen.faults == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/extra/detokenize", b'{"ids": [1, [2]]}'),
        ("POST", "/v1/internal/decode", b'{"tokens": [{}]}'),
        ("POST", "/apply-template", b'{"messages": [{"role": [true], "content": "x"}]}'),
        ("POST", f"{NATIVE}/remotes", b'{"name": "a", "url": "http://a\\u001ab"}'),
        ("POST", f"{NATIVE}/novels/import", b"{"),
        ("GET", f"{NATIVE}/chats/search?words=a&before=99999999999999999999", b""),
    ],
)
def test_what_was_a_fault_once_is_none(client: Client, method: str, path: str, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = client.http.request(method, client.address + path, content=body, headers=headers)
    assert answer.status_code < 500, answer.text


def test_a_card_of_open_brackets_keeps_nobody_waiting(client: Client) -> None:
    path = f"{client.address}{NATIVE}/characters/import?name=a.yaml"
    answer = client.http.post(path, content=b"[" * 100_000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "card_unreadable")


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_request_that_trickles_is_cut_off(
    connected: Callable[[], socket.socket], monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setattr(patience, "START_S", 1.0)
    connection = connected()
    connection.sendall(HEAD + (b"X-Slow: " if part == "head" else b"Content-Length: 9999\r\n\r\n{"))
    told = trickle(connection)
    assert told.startswith(b"HTTP/1.1 408") if part == "head" else told == b""


def test_a_later_request_of_a_connection_that_trickles_is_cut_off_too(
    connected: Callable[[], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two requests nobody looks at a connection."""
    monkeypatch.setattr(patience, "LOOK_S", 0.05)
    connection = connected()
    for _ in range(2):
        connection.sendall(b"HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        time.sleep(4 * patience.LOOK_S)
    monkeypatch.setattr(patience, "START_S", 1.0)
    connection.sendall(HEAD + b"X-Slow: ")
    assert trickle(connection).startswith(b"HTTP/1.1 408")


def test_each_answer_tells_the_date(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    times = (784111777.9, 784111778.0)
    for now, told in zip(
        times, ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:38 GMT"), strict=True
    ):
        monkeypatch.setattr(run.time, "time", lambda now=now: now)
        answer = client.http.get(f"{client.address}{NATIVE}/nothing")
        assert answer.headers.get_list("date") == [told]


def test_a_connection_that_says_nothing_is_cut_off(
    connected: Callable[[], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "START_S", 1.0)
    assert connected().recv(4096).startswith(b"HTTP/1.1 408")


def test_a_long_upload_in_good_time_is_taken(
    connected: Callable[[], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "START_S", 1.0)
    body = b'{"title": "' + b" " * 200_000 + b'x"}'
    connection = connected()
    connection.sendall(f"POST {NATIVE}/chats HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode())
    connection.sendall(b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
    for start in range(0, len(body), 50_000):
        connection.sendall(body[start : start + 50_000])
        time.sleep(0.6)
    assert connection.recv(4096).startswith(b"HTTP/1.1 400")  # read whole; the title is too long


def test_a_head_without_an_end_is_refused(connected: Callable[[], socket.socket]) -> None:
    connection = connected()
    connection.sendall(HEAD + b"X-Long: " + b"x" * 2 * patience.HEAD_BYTES)
    assert connection.recv(4096).startswith(b"HTTP/1.1 431")


def test_many_open_streams_leave_the_studio_as_it_was(
    client: Client, connected: Callable[[], socket.socket]
) -> None:
    streams = [connected() for _ in range(200)]
    for stream in streams:
        stream.sendall(f"GET {NATIVE}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    for stream in streams:
        assert stream.recv(4096).startswith(b"HTTP/1.1 200")
    assert client.get("/health") == {"ok": True}
    assert client.new_chat().say("Hi")[-1].kind == "done"
