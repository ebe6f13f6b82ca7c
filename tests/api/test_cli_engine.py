"""`fabula engine`: builds listed, used and removed; what a model's load says in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from talking import Client

from fabula.cli.main import main
from fabula.store.home import Home

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("FABULA_LANGUAGE", "en")
    monkeypatch.setenv("FABULA_HOME", str(home.path))

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(words)
        printed = capsys.readouterr()
        return int(left.value.code or 0), printed.out, printed.err

    return run


def test_builds_are_listed_used_and_removed(run: Run, client: Client, home: Home) -> None:
    program = home.path / "llama-server"
    program.write_text(f"#!{sys.executable}\nprint('version: 7 (abc)')\n")
    program.chmod(0o755)
    assert "default" in run("engine", "list")[1]
    assert run("engine", "use", str(program))[0] == 0
    _, listed, _ = run("engine", "list")
    (row,) = [line for line in listed.splitlines() if "llama-server" in line]
    assert "7 (abc)" in row
    assert "in use" in row
    assert run("engine", "use", "default")[0] == 0
    assert run("engine", "remove", str(program))[0] == 0
    assert "llama-server" not in run("engine", "list")[1]


def test_a_build_that_is_not_there_is_one_sentence(run: Run, client: Client) -> None:
    status, _, said = run("engine", "use", "cuda")
    assert (status, said.count("\n")) == (1, 1)
    assert "fabula engine use default" in said
    assert "Those there are" in run("engine", "install", "steam")[2]


def test_show_says_the_engine_and_the_options_and_ps_the_devices(run: Run, client: Client) -> None:
    client.call("PUT", "/models/tiny/options", json={"options": {"context": 512}})
    _, shown, _ = run("show", "tiny")
    assert "llama.cpp runs it" in shown
    assert "context = 512" in shown
    client.post("/models/tiny/load")
    _, listed, _ = run("ps")
    assert "0/" in listed
    assert "512" in listed
