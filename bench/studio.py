"""Studios to measure: their homes, their processes, and what the system says of them. Knows no benchmark."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from fabula.cli.client import Client
from fabula.models import starter
from fabula.store.home import Home

ROOT = Path(__file__).parent.parent
ENGINE_FILE = "bench-engine.json"  # where `host` writes how to reach the engine past the studio
START_S = 60.0
STOP_S = 15.0
SCHEDULED = 2  # Linux: `~pid << 3 | 2` is the clock of a process's time (clock_getcpuclockid)
LOOK_S = 0.002  # between two looks at something that is awaited


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """How to reach an engine's own server."""

    host: str
    port: int
    key: str
    pid: int


class Studio:
    """One running studio process."""

    def __init__(self, process: subprocess.Popen[bytes], home: Path, port: int, started: float) -> None:
        self.process = process
        self.home = home
        self.port = port
        self.started = started  # on the clock of perf_counter
        self.client = Client(f"http://127.0.0.1:{port}", "")
        self.system = psutil.Process(process.pid)

    def engine(self) -> EngineAddress:
        """The engine of a studio that `host` runs, once a model is loaded."""
        content = json.loads((self.home / ENGINE_FILE).read_text(encoding="utf-8"))
        return EngineAddress(**content)

    def cpu_s(self) -> float:
        """Processor seconds of the studio's own process so far."""
        return cpu_s(self.process.pid)

    def resident(self) -> int:
        return int(self.system.memory_info().rss)

    def kill(self) -> None:
        """As `kill -9`."""
        self.process.kill()
        self.process.wait()


def cpu_s(pid: int) -> float:
    """Processor seconds of a process so far: to the nanosecond on Linux, elsewhere as the system counts."""
    if sys.platform == "linux":
        return time.clock_gettime(~pid << 3 | SCHEDULED)
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def model_file() -> Path:
    """The starter model's file: FABULA_TEST_MODEL, or fetched once into `.cache`."""
    given = os.environ.get("FABULA_TEST_MODEL")
    if given:
        return Path(given)
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    return starter.ensure(cache)


@contextlib.contextmanager
def fresh_home(*, with_model: bool = True) -> Iterator[Path]:
    """An empty home, with the starter model in it or not; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="fabula-bench-") as folder:
        home = Home(Path(folder)).create()
        if with_model:
            _place(model_file(), starter.STARTER.path(home.models))
        yield home.path


def _place(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@contextlib.contextmanager
def product(home: Path) -> Iterator[Studio]:
    """`fabula serve`, as people start it."""
    command = shutil.which("fabula", path=str(Path(sys.executable).parent))
    assert command, "fabula is not installed in this environment"
    port = free_port()
    with _running([command, "serve", "--no-open", "--port", str(port)], home, port, {}) as studio:
        yield studio


@contextlib.contextmanager
def hosted(
    home: Path, settings: Mapping[str, object] | None = None, engine: str = "llama.cpp"
) -> Iterator[Studio]:
    """The same studio, run by `bench.host`: it tells where its engine is, or has one that is not real."""
    port = free_port()
    program = [sys.executable, "-m", "bench.host", str(home), "--port", str(port), "--engine", engine]
    variables = {f"FABULA_{name.upper()}": str(value) for name, value in (settings or {}).items()}
    with _running(program, home, port, variables) as studio:
        wait_for(lambda: answers(port), START_S)
        yield studio


@contextlib.contextmanager
def _running(command: list[str], home: Path, port: int, variables: dict[str, str]) -> Iterator[Studio]:
    told = environment() | {"FABULA_HOME": str(home), "FABULA_LANGUAGE": "en"} | variables
    started = time.perf_counter()
    log = (home / "bench-output.log").open("ab")
    process = subprocess.Popen(command, cwd=ROOT, env=told, stdout=log, stderr=log)
    try:
        yield Studio(process, home, port, started)
    finally:
        end(process)
        log.close()


def environment() -> dict[str, str]:
    """As on a person's machine: Python keeps what it has compiled, whatever this shell forbids it."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def answers(port: int, path: str = "/api/fabula/v1/health") -> bool:
    """Whether a GET gets 200 and a whole body."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(request.encode())
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    except OSError:
        return False
    return answer.startswith(b"HTTP/1.1 200") and len(answer.partition(b"\r\n\r\n")[2]) > 0


def wait_for(holds: Callable[[], bool], timeout_s: float = 30.0) -> float:
    """Seconds until `holds()` is true. Raises TimeoutError."""
    started = time.perf_counter()
    while not holds():
        if time.perf_counter() - started > timeout_s:
            raise TimeoutError(f"not within {timeout_s:g} s")
        time.sleep(LOOK_S)
    return time.perf_counter() - started


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has reaped yet counts as ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
