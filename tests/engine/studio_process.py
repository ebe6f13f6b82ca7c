"""`fabula serve` as a process of its own, with a home and the real engine. Knows no request."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
from talking import Client
from waiting import until

PATIENCE_S = 60.0
ENVIRONMENT = {"FABULA_ENGINE_THREADS": "2", "FABULA_ENGINE_CONTEXT": "2048", "PYTHONUNBUFFERED": "1"}


class StudioProcess:
    def __init__(self, home: Path, *flags: str, **settings: str) -> None:
        self.home = home
        command = [sys.executable, "-m", "fabula", "serve", "--no-open", "--home", str(home)]
        self.process = subprocess.Popen(
            [*command, *(flags or ("--port", "0"))],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | ENVIRONMENT | settings,
        )

    @property
    def info(self) -> dict[str, Any]:
        """What studio.json says, once it is this process's."""
        found: dict[str, Any] = {}

        def is_told() -> bool:
            nonlocal found
            assert self.process.poll() is None, self.process.communicate()
            file = self.home / "studio.json"
            found = json.loads(file.read_text()) if file.exists() else {}
            return bool(found.get("pid") == self.process.pid)

        until(is_told)
        return found

    @property
    def address(self) -> str:
        return str(self.info["address"])

    @property
    def client(self) -> Client:
        return Client(self.address)

    @property
    def engine(self) -> psutil.Process:
        """The process of the one loaded model."""
        (running,) = self.client.get("/system")["running"]
        return psutil.Process(running["pid"])

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> tuple[int, str, str]:
        """Exit status, stdout and stderr."""
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, err

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=PATIENCE_S)


def home_with(folder: Path, model: Path, *more: Path) -> Path:
    """A home whose models folder holds links to these files."""
    models = folder / "models"
    models.mkdir(parents=True)
    for file in (model, *more):
        (models / file.name).symlink_to(file)
    return folder
