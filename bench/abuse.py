"""Rude clients: what the studio answers, whether it stays responsive, and whether its memory is bounded.

    schema     20,000 requests that schemathesis makes from the OpenAPI document: good ones and bad ones
    dialects   5,000 bodies near the dialects' real shapes
    broken     malformed JSON at every route that takes any
    huge       bodies of 100 MB, told and untold, and of 60 MB of brackets
    slow       200 clients whose heads and bodies trickle
    idle       1,000 open event streams

A worker that says one sentence stands in for the engine. Health is asked all the while by another process.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from bench import health
from bench.abuse_bodies import as_sent, examples, near
from bench.report import Report, at_most, reported
from bench.studio import Studio, fresh_home, hosted
from fabula.models.starter import STARTER

NATIVE = "/api/fabula/v1"
LEFT_OUT = ("/engines/install", "/backup")
"""Routes that are asked by no generator: one starts pip, the other fills the disk."""
NO_ANSWER, HUNG_UP = 599, 598
"""What stands for a status where there was none."""
READ = 65_536  # bytes of an answer that are looked at
PATIENCE_S = 60.0
MB = 1_000_000
GENERATED = settings(
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


@dataclass
class Seen:
    """What was answered: how many of each status, and each answer that says that we failed."""

    statuses: Counter[int] = field(default_factory=Counter)
    failed: list[dict[str, Any]] = field(default_factory=list)
    slowest: list[tuple[float, str]] = field(default_factory=list)  # seconds, and what was asked

    @property
    def count(self) -> int:
        return sum(self.statuses.values())

    @property
    def faults(self) -> list[dict[str, Any]]:
        """What is nobody's fault but ours; 501, 502, 503 and 507 are reasons that are told."""
        return [row for row in self.failed if row["status"] in (500, HUNG_UP, NO_ANSWER)]

    def take(self, method: str, address: str, sent: Any, status: int, answer: bytes, seconds: float) -> None:
        self.statuses[status] += 1
        asked = f"{method} {address}"[:200]
        self.slowest = sorted([*self.slowest, (seconds, asked)], reverse=True)[:5]
        if status >= 500:
            told = answer[:400].decode(errors="replace")
            self.failed.append({"asked": asked, "sent": f"{sent}"[:400], "status": status, "told": told})


class Asker:
    """Sends requests to a studio and reads the beginning of each answer: event streams have no end."""

    def __init__(self, address: str) -> None:
        self.address, self.seen = address, Seen()
        self._session = requests.Session()
        self._session.trust_env = False

    def __call__(self, method: str, url: str, **more: Any) -> None:
        started = time.perf_counter()
        try:
            status, told = self._answer(method, url, more)
        except (requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL, UnicodeError):
            return  # nothing that HTTP can say
        except requests.exceptions.Timeout:
            status, told = NO_ANSWER, b"no answer"
        except requests.exceptions.ConnectionError as gone:
            status, told = HUNG_UP, f"{gone}".encode()
        sent = more.get("data") or more.get("json") or more.get("params")
        self.seen.take(method, url, sent, status, told, time.perf_counter() - started)

    def _answer(self, method: str, url: str, more: dict[str, Any]) -> tuple[int, bytes]:
        try:
            return self._once(method, url, more)
        except requests.exceptions.ConnectionError:  # kept open for so long that the studio closed it
            self._session.close()
            return self._once(method, url, more)

    def _once(self, method: str, url: str, more: dict[str, Any]) -> tuple[int, bytes]:
        asked = self._session.request(
            method, url, stream=True, timeout=PATIENCE_S, allow_redirects=False, **more
        )
        with asked as answer:
            endless = "event-stream" in answer.headers.get("content-type", "")
            return answer.status_code, b"" if endless else answer.raw.read(READ)


def by_schema(
    ask: Asker,
    document: dict[str, Any],
    count: int,
    how: settings = GENERATED,
    *,
    only: str = "",
    every: int = 1,
    wrong: bool = True,
) -> None:
    """`count` requests, evenly over all operations; also such as are meant to be refused if `wrong`: looking
    for some takes a second where nothing can be wrong.

    `only` is a part of their paths; with `every` = 5 a fifth of the operations is asked.
    """
    import schemathesis
    from schemathesis import GenerationMode

    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations()]
    operations = [row for row in operations if only in row.path and not row.path.endswith(LEFT_OUT)]
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)[: 1 + wrong]
    kinds = [(row, mode) for mode in modes for row in operations[::every]]
    while kinds and (left := count - ask.seen.count) > 0:  # some have little that can be varied
        each = settings(how, max_examples=-(-left // len(kinds)))
        kinds = [kind for kind in kinds if ask.seen.count < count and _asked(ask, *kind, each)]


def _asked(ask: Asker, operation: Any, mode: Any, how: settings) -> bool:
    """Whether there was anything to ask."""
    from schemathesis.core.errors import SchemathesisError

    @how
    @given(operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        sent = dict(case.as_transport_kwargs(base_url=ask.address))
        ask(sent.pop("method"), sent.pop("url"), **sent)

    try:
        run()
    except (SchemathesisError, Unsatisfiable):
        return False
    return True


def near_shapes(ask: Asker, model: str, count: int, how: settings = GENERATED) -> None:
    """`count` bodies, evenly over the routes of the dialects."""
    good = examples(model)
    each = -(-count // len(good))
    for (method, path), body in good.items():
        _near(ask, method, path, body, settings(how, max_examples=each))


def _near(ask: Asker, method: str, path: str, good: Any, how: settings) -> None:
    @how
    @given(near(good))
    def run(sent: Any) -> None:
        ask(method, ask.address + path, data=as_sent(sent), headers={"content-type": "application/json"})

    run()


BROKEN = (
    b"",
    b"{",
    b"}",
    b"nul",
    b'{"a": 1,}',
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"\xff\xfe\x00",
    b'"\\ud800"',
    b'{"model": "\\u0000"}',
    b"\x00" * 1000,
    b"1" * 5000,
    b'{"a": 1' + b"0" * 5000 + b"}",
    b'{"a": 1e999}',
    b'{"a": NaN}',
)


def broken(ask: Asker, document: dict[str, Any], bodies: Sequence[bytes] = BROKEN) -> None:
    for path, methods in document["paths"].items():
        for method in {"post", "put", "patch"} & set(methods):
            for body in bodies:
                if not path.endswith(LEFT_OUT):
                    headers = {"content-type": "application/json"}
                    ask(
                        method.upper(),
                        ask.address + path.replace("{", "").replace("}", ""),
                        data=body,
                        headers=headers,
                    )


# ── what costs memory and time ──────────────────────────────────────────────────────────────────────


def huge(studio: Studio, path: str, *, told: bool, piece: bytes, size: int) -> bytes:
    """Sends a body of that size, a bracket first, as fast as it goes; the status line of the answer."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {size + 1}\r\n\r\n[" if told else "Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n"
    chunk = piece if told else b"%x\r\n%b\r\n" % (len(piece), piece)
    with socket.create_connection(("127.0.0.1", studio.port), PATIENCE_S) as connection:
        connection.sendall(head.encode())
        with contextlib.suppress(OSError):  # it hung up on us, as it may
            for _ in range(size // len(piece)):
                connection.sendall(chunk)
            if not told:
                connection.sendall(b"0\r\n\r\n")
        with contextlib.suppress(OSError):
            return connection.recv(4096).partition(b"\r\n")[0]
    return b"hung up"


def trickling(studio: Studio, count: int, longest_s: float) -> dict[str, Any]:
    """Clients that send a byte each second, half in their head and half in their body: how many were cut
    off, and after how many seconds the last of those."""
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    begun, ended = {}, []
    for number in range(count):
        connection = socket.create_connection(("127.0.0.1", studio.port), PATIENCE_S)
        connection.sendall(head if number % 2 else head + b"Content-Length: 1000\r\n\r\n{")
        connection.setblocking(False)
        begun[connection] = time.monotonic()
    over = time.monotonic() + longest_s
    while begun and time.monotonic() < over:
        time.sleep(1)
        for connection in list(begun):
            if _is_closed(connection):
                ended.append(time.monotonic() - begun.pop(connection))
                connection.close()
    for connection in begun:
        connection.close()
    return {"cut off": len(ended), "still open": len(begun), "longest": max(ended, default=0.0)}


def _is_closed(connection: socket.socket) -> bool:
    try:
        connection.send(b"x")
        return not connection.recv(4096)
    except BlockingIOError:
        return False
    except OSError:
        return True


def streams(studio: Studio, count: int) -> list[socket.socket]:
    """Open event streams, each with the head of its answer read."""
    ask = (
        f"GET {NATIVE}/events HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\nAccept: text/event-stream\r\n\r\n"
    )
    opened = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", studio.port), PATIENCE_S)
        connection.sendall(ask.encode())
        opened.append(connection)
    for connection in opened:
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    return opened


@contextlib.contextmanager
def asked_for_health(studio: Studio) -> Iterator[list[float]]:
    """The milliseconds of each answer, when the block has ended."""
    found: list[float] = []
    command = [sys.executable, str(Path(health.__file__)), str(studio.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as asking:
        time.sleep(0.3)
        yield found
        found += json.loads(asking.communicate()[0])


# ── the report ──────────────────────────────────────────────────────────────────────────────────────


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench abuse", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--requests", type=int, default=0)
    parser.add_argument("--paths", default="", help="of schema: only routes with this in their path")
    given = parser.parse_args(arguments)
    random.seed(0)
    with (
        reported("abuse", "rude clients") as report,
        fresh_home() as home,
        hosted(home, engine="short") as studio,
    ):
        for name in given.only or PARTS:
            PARTS[name](report, studio, given)


def _document(studio: Studio) -> dict[str, Any]:
    return dict(requests.get(f"http://127.0.0.1:{studio.port}/openapi.json", timeout=PATIENCE_S).json())


def _generated(report: Report, studio: Studio, name: str, run: Callable[[Asker], None]) -> None:
    ask, before = Asker(f"http://127.0.0.1:{studio.port}"), studio.resident()
    started = time.perf_counter()
    with asked_for_health(studio) as waits:
        run(ask)
    report.heading(name)
    report.measure("requests", ask.seen.count)
    report.measure("time", time.perf_counter() - started, "s")
    own = ask.seen.faults
    report.measure("faults: 500, or no answer", len(own), "", at_most(0))
    others = Counter((row["status"], _code(row["told"])) for row in ask.seen.failed if row not in own)
    report.measure("other 5xx, with a reason", sum(others.values()))
    for (status, code), count in others.most_common():
        report.note(f"{count} × {status} {code}")
    report.note(f"statuses: {dict(sorted(ask.seen.statuses.items()))}")
    report.note("slowest: " + ", ".join(f"{seconds:.2f} s {asked}" for seconds, asked in ask.seen.slowest))
    report.keep("failed", ask.seen.failed[:500])
    for row in own[:15]:
        report.note(json.dumps(row, ensure_ascii=False)[:300])
    _memory(report, studio, before)
    _waits(report, waits)


def _code(told: str) -> str:
    found = re.search(r'"code": ?"(\w+)"', told)
    return found[1] if found else told[:80]


def _memory(report: Report, studio: Studio, before: int) -> None:
    report.measure("memory before", before / 2**20, "MiB")
    report.measure("memory after", studio.resident() / 2**20, "MiB")


def _waits(report: Report, waits: list[float]) -> None:
    waits.sort()
    report.measure("health meanwhile, median", waits[len(waits) // 2], "ms")
    report.measure("health meanwhile, 99th", waits[len(waits) * 99 // 100], "ms")
    report.measure("health meanwhile, worst", waits[-1], "ms")


def _schema(report: Report, studio: Studio, asked: argparse.Namespace) -> None:
    document = _document(studio)
    wanted = asked.requests or (600 if asked.quick else 20_000)
    _generated(report, studio, "schemathesis", lambda ask: by_schema(ask, document, wanted, only=asked.paths))


def _dialects(report: Report, studio: Studio, asked: argparse.Namespace) -> None:
    wanted = asked.requests or (300 if asked.quick else 5_000)
    _generated(report, studio, "dialects", lambda ask: near_shapes(ask, STARTER.name, wanted))


def _broken(report: Report, studio: Studio, asked: argparse.Namespace) -> None:
    _generated(report, studio, "malformed JSON", lambda ask: broken(ask, _document(studio)))


def _huge(report: Report, studio: Studio, asked: argparse.Namespace) -> None:
    report.heading("huge bodies")
    kinds = {"100 MB, told": (True, b"x" * MB, 100 * MB), "100 MB, untold": (False, b"x" * MB, 100 * MB)}
    kinds["60 MB of brackets"] = (True, b"[]," * 320_000, 60 * 960_000)
    for name, (told, piece, size) in kinds.items():
        before, peak = studio.resident(), 0
        started = time.perf_counter()
        with asked_for_health(studio) as waits:
            for path, _ in zip(cycle(("/v1/chat/completions", f"{NATIVE}/chats")), range(4), strict=False):
                answered = huge(studio, path, told=told, piece=piece, size=size)
                peak = max(peak, studio.resident())
        report.note(
            f"{name}: {answered.decode(errors='replace')}, 4 of them in {time.perf_counter() - started:.1f} s"
        )
        report.measure("memory at most", peak / 2**20, "MiB")
        _memory(report, studio, before)
        _waits(report, waits)


def _slow(report: Report, studio: Studio, asked: argparse.Namespace) -> None:
    report.heading("clients that trickle")
    before = studio.resident()
    with asked_for_health(studio) as waits:
        found = trickling(studio, 20 if asked.quick else 200, 60.0)
    for name, value in found.items():
        report.measure(name, value)
    _memory(report, studio, before)
    _waits(report, waits)


def _idle(report: Report, studio: Studio, asked: argparse.Namespace) -> None:
    number = 100 if asked.quick else 1000
    report.heading(f"{number} idle event streams")
    before = studio.resident()
    started = time.perf_counter()
    opened = streams(studio, number)
    report.measure("opened in", time.perf_counter() - started, "s")
    with asked_for_health(studio) as waits:
        time.sleep(5 if asked.quick else 35)  # two rounds of pings
    _memory(report, studio, before)
    report.measure("memory of each", (studio.resident() - before) / number / 1024, "KiB")
    _waits(report, waits)
    for connection in opened:
        connection.close()
    time.sleep(2)
    report.measure("memory when they are gone", studio.resident() / 2**20, "MiB")


PARTS = {
    "schema": _schema,
    "dialects": _dialects,
    "broken": _broken,
    "huge": _huge,
    "slow": _slow,
    "idle": _idle,
}


if __name__ == "__main__":
    main(sys.argv[1:])
