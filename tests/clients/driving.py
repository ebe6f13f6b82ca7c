"""A client in a process of its own, driven by lines of JSON. Knows no dialect."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from needs import need

ROOT = Path(__file__).parent.parent.parent
DRIVERS = Path(__file__).parent / "drivers"
PLACE = ROOT / ".cache" / "clients"
PEACE = {
    # No client looks for anything on the network, through a proxy, or in the home of whoever runs the tests.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "NO_PROXY": "127.0.0.1",
    "PYTHONPATH": str(DRIVERS),
}


class Refused(Exception):
    """What the client raised, as a program that uses it sees it."""

    def __init__(self, failure: dict[str, Any]) -> None:
        super().__init__(f"{failure}")
        self.kind: str = failure["kind"]
        self.message: str = failure["message"]
        self.status: int | None = failure["status"]
        self.code, self.param = failure["code"], failure["param"]


class Driver:
    """One client. `call` asks and waits, `all` asks at once and waits for all."""

    def __init__(self, name: str, *command: str | Path) -> None:
        self.name = name
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | PEACE
        )
        self._asked = 0
        self._answers: dict[int, dict[str, Any]] = {}

    def call(self, act: str, **asked: Any) -> Any:
        """What the client gives. Raises Refused."""
        return self._result(self._ask(act, asked))

    def all(self, act: str, each: Sequence[dict[str, Any]]) -> list[Any]:
        numbers = [self._ask(act, asked) for asked in each]
        return [self._result(number) for number in numbers]

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=30)
        assert self._process.stdout
        self._process.stdout.close()

    def _ask(self, act: str, asked: dict[str, Any]) -> int:
        self._asked += 1
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"id": self._asked, "act": act, "asked": asked}) + "\n")
        self._process.stdin.flush()
        return self._asked

    def _result(self, number: int) -> Any:
        while number not in self._answers:
            assert self._process.stdout
            line = self._process.stdout.readline()
            assert line, f"{self.name} ended with {self._process.wait()}"
            if line.startswith("{"):  # some clients print advice
                answer = json.loads(line)
                self._answers[answer["id"]] = answer
        answer = self._answers.pop(number)
        if "failure" in answer:
            raise Refused(answer["failure"])
        return answer["said"]


def driver(name: str) -> Driver:
    """`openai.mjs` … in Node, `through_litellm.py` in LiteLLM's own Python."""
    file = DRIVERS / name
    if file.suffix == ".py":
        return Driver(name, folder_of("litellm") / "bin" / "python", file)
    node = folder_of("npm")
    linked = node / "drivers"  # where the packages are, for Node looks for them beside the file
    if not linked.is_symlink():
        linked.symlink_to(DRIVERS)
    keep = ("--preserve-symlinks", "--preserve-symlinks-main")
    return Driver(name, node / "bin" / "node", *keep, linked / name)


def folder_of(client: str) -> Path:
    """Where scripts/clients.py put a client; without it the test is skipped."""
    check = [sys.executable, ROOT / "scripts" / "clients.py", "--check", client]
    if subprocess.run(check, check=False).returncode:
        need("clients", f"{client} is not installed as clients/ pins it; `make clients` does that")
    return PLACE / client
