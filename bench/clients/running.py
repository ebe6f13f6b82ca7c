"""A program and a studio beside each other, and the table of what worked. Knows no program."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from fabula.models import starter

ROOT = Path(__file__).parent.parent.parent
PLACE = ROOT / ".cache" / "clients"
START_S = 300.0
MODEL = "smollm2"
SETTINGS = {"FABULA_ENGINE_THREADS": "2", "FABULA_ENGINE_CONTEXT": "2048"}


@dataclass(frozen=True)
class Row:
    """What one program did with one backend."""

    program: str
    backend: str
    what: str
    result: str


def table(rows: Sequence[Row]) -> str:
    cells = [("program", "backend", "what", "result")]
    cells += [(row.program, row.backend, row.what, row.result.replace("\n", " ")[:60]) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in cells
    )


def tried(program: str, backend: str, what: str, act: Callable[[], str]) -> Row:
    """What an act says; a failure is told in its row."""
    try:
        said = act()
    except (httpx.HTTPError, AssertionError, KeyError, IndexError, ValueError, TypeError) as failure:
        return Row(program, backend, what, f"FAILED {type(failure).__name__}: {failure}")
    return Row(program, backend, what, said)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(
    command: Sequence[str | Path], ready: str, folder: Path, **settings: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs until the block ends; `ready` is an address that answers once it is up. Raises RuntimeError."""
    log = (folder / "program.log").open("wb")
    running = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=os.environ | settings)
    try:
        _await(running, ready, folder / "program.log")
        yield running
    finally:
        running.terminate()
        running.wait(timeout=60)
        log.close()


def _await(running: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and running.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(address, timeout=5).status_code < 500:
                return
        time.sleep(0.2)
    raise RuntimeError(f"{running.args!r} did not start:\n{log.read_text(errors='replace')[-2000:]}")


@contextlib.contextmanager
def studio() -> Iterator[str]:
    """The address of a studio of its own with the starter model."""
    with tempfile.TemporaryDirectory() as folder:
        home, port = Path(folder) / "home", free_port()
        (home / "models").mkdir(parents=True)
        given = os.environ.get("FABULA_TEST_MODEL")
        file = Path(given) if given else starter.ensure(ROOT / ".cache")
        (home / "models" / file.name).symlink_to(file)
        command = [sys.executable, "-m", "fabula", "serve", "--no-open", "--home", str(home)]
        address = f"http://127.0.0.1:{port}"
        with process([*command, "--port", str(port)], f"{address}/v1/models", Path(folder), **SETTINGS):
            yield address


def installed(name: str) -> Path:
    """Where scripts/clients.py puts a program; it does so now if it is not there."""
    subprocess.run([sys.executable, ROOT / "scripts" / "clients.py", name], check=True)
    return PLACE / name


def fields(answer: httpx.Response) -> Mapping[str, Any]:
    """A JSON object that was answered. Raises AssertionError for other statuses than 200."""
    assert answer.status_code == 200, f"{answer.status_code} {answer.text[:200]}"
    found = answer.json()
    assert isinstance(found, dict), answer.text[:200]
    return found
